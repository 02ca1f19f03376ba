"""Lays out a user's own project from the files that ship with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.model.errors import InputError
from workbench.project import FACES, Project, packaged_project

_LEAVE_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints", ".gitkeep")

README = """\
# {name}

A workbench project. Everything in here is yours to change.

| folder | what is in it |
|---|---|
| `catalogs/` | sources (`*.yaml`), how devices name their tags (`tags/`), pipelines, alerts |
| `catalogs/portfolio/` | sites and assets |
| `notebooks/` | analyses |
| `reports/` | reports: a notebook and a small YAML each |
| `dashboards/` | live pages |
| `data/` | what the workbench writes: the store (made when it is needed) |

    workbench catalog list            what there is to read
    workbench catalog check           is everything written as it should be?
    workbench demo                    the simulated sites, live
    workbench collect                 read the live sources into the store
    workbench dashboards              the pages, live
    workbench report list             what can be reported

Run them in this folder. The sites `north_ridge`, `coastal_flats` and `sun_valley` are simulated; replace
them by your own, one file at a time.
"""

GITIGNORE = "data/\nout/\n.ipynb_checkpoints/\n__pycache__/\n"


def lay_out(folder: Path, source: Project | None = None) -> list[Path]:
    """Lay out a project in ``folder`` and return the files made, sorted.

    Parameters
    ----------
    folder
        Made where it does not exist; must not hold anything yet.
    source
        The project to copy from; the packaged one by default.

    Raises
    ------
    InputError
        ``folder`` is a file or holds something already. Nothing is changed then.
    """
    source = source or packaged_project()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "will not lay out a project here: there is something already",
            file=folder,
            expected="a folder that is empty or does not exist",
        )
    made_folder = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for face in FACES:
            shutil.copytree(source.root / face, folder / face, ignore=_LEAVE_OUT)
        (folder / "README.md").write_text(README.format(name=folder.resolve().name), encoding="utf-8")
        (folder / ".gitignore").write_text(GITIGNORE, encoding="utf-8")
    except OSError as error:
        for face in FACES:  # nothing half-written stays
            shutil.rmtree(folder / face, ignore_errors=True)
        for name in ("README.md", ".gitignore"):
            (folder / name).unlink(missing_ok=True)
        if made_folder:
            folder.rmdir()
        raise InputError(f"could not lay out the project: {error.strerror}", file=error.filename or folder) from error
    return sorted(path for path in folder.rglob("*") if path.is_file())
