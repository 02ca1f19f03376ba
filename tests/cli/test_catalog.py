"""``workbench catalog`` and ``workbench ingest`` as their user meets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

DATA = Path(__file__).parent.parent / "model" / "data"


@pytest.fixture
def run(tmp_path: Path, checkout: Path):
    def call(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workbench", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            env={
                **os.environ,
                "COLUMNS": "140",
                "NO_COLOR": "1",
                "WORKBENCH_PROJECT": str(checkout),
                "WORKBENCH_STORE": str(tmp_path / "store"),
            },
        )

    return call


def test_list(run) -> None:
    done = run("catalog", "list")
    assert done.returncode == 0, done.stderr
    for name in ("north_ridge.scada", "la_haute_borne.scada", "files.csv"):
        assert name in done.stdout
    live = run("catalog", "list", "--kind", "live").stdout
    assert "north_ridge.scada" in live
    assert "files.csv" not in live
    wrong = run("catalog", "list", "--kind", "lively")
    assert wrong.returncode == 2
    assert "did you mean 'live'?" in wrong.stderr


def test_show(run) -> None:
    done = run("catalog", "show", "files.csv")
    assert done.returncode == 0, done.stderr
    assert "weather.csv" in done.stdout
    assert "barometric_pressure  hPa" in done.stdout
    wrong = run("catalog", "show", "files.cvs")
    assert wrong.returncode == 2
    assert "did you mean 'files.csv'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_read(run, tmp_path: Path) -> None:
    done = run(
        "catalog",
        "read",
        "files.csv",
        "--out",
        "x.parquet",
        "--start",
        "2024-06-21",
        "--variables",
        "temperature, wind_speed",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("x.parquet: 24 times × 1 asset, ")
    table = pl.read_parquet(tmp_path / "x.parquet")
    assert len(table) == 24
    assert "wind_direction" not in table.columns
    again = run("catalog", "read", "files.csv", "--out", "x.parquet")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert run("catalog", "read", "files.csv", "--out", "y.nc", "--start", "whenever").returncode == 2
    assert not (tmp_path / "y.nc").exists()


def test_check(run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("entries:\n  x:\n    driver: cvs\n  y:\n    driver: csv\n    pth: a\n")
    done = run("catalog", "check", "--catalog", "c.yaml")
    assert done.returncode == 2
    assert "c.yaml:3: entries.x.driver: unknown driver 'cvs'" in done.stderr
    assert "c.yaml:6: entries.y.pth: unknown key 'pth'" in done.stderr
    (tmp_path / "c.yaml").write_text("entries: {}\n")
    well = run("catalog", "check", "--catalog", "c.yaml")
    assert (well.returncode, well.stdout) == (0, f"{tmp_path}/c.yaml: 0 entries, all well\n")


BRACKETS = """\
entries:
  odd:
    driver: csv
    description: "Speed in [furlong] per [bold]fortnight[/bold]"
    asset_type: wind_turbine
    path: "[red]x.csv"
    time: t
    asset: T1
    columns: {v: {variable: speed, units: "1", own: true, long_name: x}}
"""


def test_brackets_are_shown_as_they_are(run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(BRACKETS)
    listed = run("catalog", "list", "--catalog", "c.yaml").stdout
    assert "Speed in [furlong] per [bold]fortnight[/bold]" in listed
    shown = run("catalog", "show", "c.odd", "--catalog", "c.yaml").stdout
    assert "Speed in [furlong] per [bold]fortnight[/bold]" in shown
    assert "[red]x.csv" in shown
    (tmp_path / "m.json").write_text(
        '{"turbine_id": "A", "farm_id": "F", "timestamp": "2025-01-01T00:00Z", "sag": 1, "sag_unit": "furlong"}'
    )
    assert "sag [furlong]" in run("ingest", "m.json", "--store", "s").stdout


def test_run_replaces_a_file_only_when_told(run, tmp_path: Path, checkout: Path) -> None:
    spec = checkout / "catalogs" / "pipelines" / "scada_quality.yaml"
    words = ("run", spec, "--input", "files.csv", "--start", "2024-06-21")
    done = run(*words, "--out", "x.nc")
    assert done.returncode == 0, done.stderr
    again = run(*words, "--output", "x.nc")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert run(*words, "--output", "x.nc", "--overwrite").returncode == 0


def test_every_command_has_an_example(run) -> None:
    for words in (["catalog", "list"], ["catalog", "show"], ["catalog", "read"], ["catalog", "check"], ["ingest"]):
        done = run(*words, "--help")
        assert done.returncode == 0
        assert "Example: " in done.stdout
        assert "workbench " + " ".join(words) in done.stdout


def test_ingest(run, tmp_path: Path) -> None:
    samples = sorted(DATA.glob("0[12]-*.json"))
    done = run("ingest", *samples, "--store", "s")
    assert done.returncode == 0, done.stderr
    assert "1 wind_turbine, 1 inverter, 2 string, 2 mppt" in done.stdout
    assert (tmp_path / "s" / "wind_farm_01" / "journal.sqlite").exists()
    assert "2 (2 taken in before)" in run("ingest", *samples, "--store", "s").stdout
    (tmp_path / "odd.json").write_text(
        '{"turbine_id": "A", "farm_id": "F", "timestamp": "2025-01-01T00:00Z", "turbine_status": "odd"}'
    )
    assert run("ingest", "odd.json").returncode == 1  # done, but something is wrong with the data
    (tmp_path / "bad.ndjson").write_text('{"turbine_id": "A"}\n')
    bad = run("ingest", "bad.ndjson")
    assert bad.returncode == 2
    assert "bad.ndjson:1: the message has no time" in bad.stderr
