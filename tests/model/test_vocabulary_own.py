"""A user's own terms stand beside those that come with the workbench."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.model.errors import InputError
from workbench.model.vocabulary import FOLDER, load_vocabulary, own_terms

OWN = """\
title: Our own
terms:
  tower_base_humidity:
    units: "%"
    name: humidity at the tower base
    description: Relative humidity where the switchgear stands.
    valid: [0, 100]
    types: [wind_turbine]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("WORKBENCH_PROJECT", "WORKBENCH_VOCABULARY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "catalogs" / "portfolio").mkdir(parents=True)
    (tmp_path / "catalogs" / "vocabulary").mkdir()
    (tmp_path / "catalogs" / "vocabulary" / "ours.yaml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_terms_of_the_project_are_found(project: Path, monkeypatch: pytest.MonkeyPatch):
    assert own_terms() == project / "catalogs" / "vocabulary"
    words = load_vocabulary(FOLDER, project / "catalogs" / "vocabulary")
    assert words["tower_base_humidity"].units == "%"
    assert words["power_output"].units == "kW"
    monkeypatch.setenv("WORKBENCH_VOCABULARY", str(project / "none"))
    with pytest.raises(InputError, match="WORKBENCH_VOCABULARY"):
        own_terms()
    monkeypatch.delenv("WORKBENCH_VOCABULARY")
    (project / "catalogs" / "vocabulary" / "ours.yaml").unlink()
    (project / "catalogs" / "vocabulary").rmdir()
    assert own_terms() is None


def test_a_name_that_is_taken_is_told(project: Path):
    path = project / "catalogs" / "vocabulary" / "ours.yaml"
    path.write_text(OWN.replace("tower_base_humidity", "wind_speed"))
    with pytest.raises(InputError, match="the name occurs twice") as told:
        load_vocabulary(FOLDER, path.parent)
    assert str(told.value.file) == str(path)
    assert "another name" in str(told.value)


def test_every_command_knows_them(project: Path):
    run = subprocess.run(
        [sys.executable, "-m", "workbench", "vocabulary", "show", "tower_base_humidity"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "switchgear" in run.stdout
