"""The command line as its user meets it: help, errors, exit codes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli import COMMANDS


def workbench(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **environment},
    )


def test_help_names_every_command_and_the_exit_codes():
    done = workbench("--help")
    assert done.returncode == 0
    for name, (_, _, _, line) in COMMANDS.items():
        assert name in done.stdout
        assert line.split(",")[0].split(":")[0] in done.stdout
    assert "Exit codes" in done.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(command: str):
    done = workbench(command, "--help")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    if "Commands" in text and "COMMAND [ARGS]" in text:  # a group: each of its commands has one
        lines = text.split("Commands")[1].splitlines()
        names = [words[1] for line in lines if (words := line.split()) and len(words) > 2 and words[0] == "│"]
        names = [name for name in names if name.isidentifier() or "-" in name]
        assert names
        for name in names:
            below = workbench(command, name, "--help")
            assert below.returncode == 0, below.stderr
            assert "Example" in below.stdout, f"workbench {command} {name}"
    else:
        assert "Example" in text


def test_an_unknown_command_is_wrong_use():
    done = workbench("colect")
    assert done.returncode == 2
    assert "No such command 'colect', did you mean 'collect'?" in done.stderr
    assert "Traceback" not in done.stderr
    below = workbench("catalog", "chek")
    assert below.returncode == 2
    assert "No such command 'chek', did you mean 'check'?" in below.stderr


@pytest.mark.parametrize("group", ["catalog", "store", "vocabulary", "report"])
def test_help_of_a_group_has_an_example_and_nothing_of_the_shell(group: str):
    text = workbench(group, "--help").stdout
    assert f"Example: workbench {group} " in text
    assert "completion" not in text


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_paragraphs_of_help_fill_their_lines(command: str):
    """A line ends where the next word would not fit, or the paragraph ends."""
    text = workbench(command, "--help", COLUMNS="80").stdout.split("╭")[0]
    lines = [line.rstrip() for line in text.splitlines()]
    for line, after in itertools.pairwise(lines):
        if line and after:
            assert len(line) + 1 + len(after.split()[0]) > 78, line


def test_help_keeps_what_stands_in_brackets():
    text = " ".join(workbench("simulate", "--help").stdout.split())
    assert "soiled_string [share lost], outage" in text
    assert "{FILE}..." in workbench("ingest", "--help").stdout
    assert "Name of the entry" in workbench("catalog", "show", "--help").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("init", "file/below"),
        ("vocabulary", "page", "--out", "file/page.md"),
        ("ingest", "message.json", "--store", "file"),
        ("ingest", "message.json", "--store", "file/below"),
        ("dashboards", "--port", "99999", "--no-browser"),
        ("dashboards", "--port", "-1", "--no-browser"),
    ],
)
def test_impossible_places_are_told_without_a_traceback(tmp_path: Path, words: tuple[str, ...]):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "message.json").write_text('{"turbine_id": "A", "farm_id": "F", "timestamp": "2025-01-01T00:00Z"}')
    done = workbench(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_device_is_told_without_a_traceback():
    code = "import sys; from workbench.sources.base import SourceError; import workbench.cli as c\n"
    code += "def fail(): raise SourceError('a.b: no device answers')\nc.app = fail; c.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: a.b: no device answers\n")


def test_a_wrong_project_is_told_without_a_traceback(tmp_path: Path):
    done = workbench("--project", str(tmp_path), "catalog", "list")
    assert done.returncode == 2
    assert "not a workbench project" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_before_any_collector_says_what_to_do(tmp_path: Path):
    done = workbench("status", "--store", str(tmp_path))
    assert done.returncode == 2
    assert "workbench collect" in done.stderr


def test_version():
    import workbench as package

    assert workbench("--version").stdout.strip() == f"workbench {package.__version__}"


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, workbench; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"xarray", "numpy", "pandas", "panel", "polars", "intake", "dask"} & set(loaded)


def test_a_command_is_the_same_whatever_the_process_was_started_with(monkeypatch):
    """A program, or a test run, that calls the commands itself may have been started without a word."""
    from typer.testing import CliRunner

    from workbench.cli import app

    monkeypatch.setattr("sys.argv", ["pytest"])
    assert CliRunner().invoke(app, ["store", "info", "--help"]).exit_code == 0
    assert "Example:" in CliRunner().invoke(app, ["store", "info", "--help"]).output
    assert "store" in CliRunner().invoke(app, ["--help"]).output
