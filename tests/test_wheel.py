"""The wheel, installed into an empty environment away from the checkout, does what the checkout does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WORKBENCH_", "PYTHON"))}
    clean.pop("VIRTUAL_ENV", None)
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=900,
        env={**clean, **environment},
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=checkout)
    assert built.returncode == 0, built.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory, checkout: Path, require) -> Path:
    """Folder of the programs of an environment with nothing in it but the wheel and what it needs."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    require(Path(uv).exists(), "uv is not installed")
    folder = tmp_path_factory.mktemp("empty") / "env"
    made = run(uv, "venv", "--python", sys.executable, folder, cwd=folder.parent)
    assert made.returncode == 0, made.stderr
    install = run(
        uv, "pip", "install", "--python", folder / "bin" / "python", "-c", checkout / "requirements.lock", wheel,
        cwd=folder.parent,
    )  # fmt: skip
    require(install.returncode == 0, f"the package index is out of reach: {install.stderr[-300:]}")
    return folder / "bin"


def test_the_wheel_holds_the_faces_and_no_tests(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for face in ("catalogs/portfolio/", "catalogs/tags/", "notebooks/", "reports/", "dashboards/"):
        assert any(name.startswith(f"workbench/_project/{face}") for name in names), face
    assert "workbench/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_outside_of_any_project_the_shipped_catalogs_serve(installed: Path, tmp_path: Path):
    done = run(installed / "workbench", "catalog", "check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(installed / "workbench", "report", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wind_farm" in done.stdout


def test_a_laid_out_project_runs_at_once(installed: Path, tmp_path: Path):
    done = run(installed / "workbench", "init", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mine = tmp_path / "mine"
    assert run(installed / "workbench", "catalog", "check", cwd=mine).returncode == 0
    done = run(
        installed / "workbench", "demo", "--for", "8s", "--no-browser", "--any-ports", "--history-days", "0.25",
        "--port", "0", "--json", "summary.json", cwd=mine,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((mine / "summary.json").read_text())
    assert summary["values"] > 0
    assert (summary["lost"], summary["wrong"], summary["duplicates"]) == (0, 0, 0), done.stdout
    assert (mine / "data" / "demo" / "store").is_dir()
