"""A project is found from where one stands, from the environment, or in the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.model.errors import InputError
from workbench.project import find_project, packaged_project
from workbench.scaffold import lay_out


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("WORKBENCH_PROJECT", "WORKBENCH_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_found_from_a_folder_below(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    (nowhere / "mine" / "catalogs" / "portfolio").mkdir(parents=True)
    below = nowhere / "mine" / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    project = find_project()
    assert project.root == nowhere / "mine"
    assert project.store == nowhere / "mine" / "data" / "store"


def test_outside_of_any_project_the_packaged_files_serve(checkout: Path):
    assert find_project().root == packaged_project().root
    assert find_project().portfolio.is_dir()


def test_the_environment_names_project_and_store(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    (nowhere / "other" / "catalogs" / "portfolio").mkdir(parents=True)
    monkeypatch.setenv("WORKBENCH_PROJECT", str(nowhere / "other"))
    monkeypatch.setenv("WORKBENCH_STORE", str(nowhere / "elsewhere"))
    assert find_project().root == nowhere / "other"
    assert find_project().store == nowhere / "elsewhere"


def test_a_named_folder_that_is_no_project_is_an_error(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKBENCH_PROJECT", str(nowhere))
    with pytest.raises(InputError, match="not a workbench project") as caught:
        find_project()
    assert "WORKBENCH_PROJECT" in str(caught.value)
    assert "workbench init" in str(caught.value)


def test_lay_out_makes_a_project_that_is_found(nowhere: Path):
    made = lay_out(nowhere / "portfolio")
    assert find_project(nowhere / "portfolio").root == nowhere / "portfolio"
    parts = {path.relative_to(nowhere / "portfolio").parts[0] for path in made}
    assert {"catalogs", "notebooks", "reports", "dashboards", "README.md"} <= parts
    assert not [path for path in made if path.name == ".gitkeep" or "__pycache__" in path.parts]


def test_lay_out_touches_nothing_that_is_there(nowhere: Path):
    full = nowhere / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="something already"):
        lay_out(full)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]


def test_the_demos_store_is_read_while_there_is_no_other(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    (nowhere / "mine" / "catalogs" / "portfolio").mkdir(parents=True)
    project = find_project(nowhere / "mine")
    own = project.root / "data" / "store"
    assert project.store == project.own_store == own
    (project.demo / "store").mkdir(parents=True)
    assert project.store == project.demo / "store"
    assert project.own_store == own
    own.mkdir()
    assert project.store == own
    monkeypatch.setenv("WORKBENCH_STORE", str(nowhere / "none yet"))
    assert project.store == project.own_store == nowhere / "none yet"
