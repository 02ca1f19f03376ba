"""Where a user's catalogs, notebooks, reports, dashboards and data are.

A project is a folder with a ``catalogs`` folder in it: a checkout, or what ``workbench init`` laid out.
Outside of any project the files shipped with the package serve, read-only, and data goes to the user's
data folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from workbench.model.errors import InputError
from workbench.model.place import is_project, project_root

FACES = ("catalogs", "notebooks", "reports", "dashboards")


@dataclass(frozen=True)
class Project:
    """Paths of a project."""

    root: Path
    packaged: bool = False  #: the files that ship with the package, not a user's own

    @property
    def catalogs(self) -> Path:
        """Folder of catalogs, tag maps, pipelines."""
        return self.root / "catalogs"

    @property
    def portfolio(self) -> Path:
        """Folder of sites and assets."""
        return self.catalogs / "portfolio"

    @property
    def notebooks(self) -> Path:
        """Folder of notebooks."""
        return self.root / "notebooks"

    @property
    def reports(self) -> Path:
        """Folder of report definitions and their notebooks."""
        return self.root / "reports"

    @property
    def dashboards(self) -> Path:
        """Folder of Panel apps."""
        return self.root / "dashboards"

    @property
    def data(self) -> Path:
        """Folder for what the workbench itself writes."""
        return _user_data() if self.packaged else self.root / "data"

    @property
    def own_store(self) -> Path:
        """Root of the store that is collected into: ``WORKBENCH_STORE``, or ``store`` in the data folder."""
        named = os.environ.get("WORKBENCH_STORE")
        return Path(named).expanduser() if named else self.data / "store"

    @property
    def store(self) -> Path:
        """Root of the store that is read: the project's own; the demonstration's while there is no other."""
        own, demo = self.own_store, self.demo / "store"
        return demo if not own.exists() and demo.is_dir() and "WORKBENCH_STORE" not in os.environ else own

    @property
    def demo(self) -> Path:
        """Folder of the demonstration, which empties it when it starts."""
        return self.data / "demo"

    @property
    def out(self) -> Path:
        """Where reports go unless told otherwise."""
        return (Path.cwd() if self.packaged else self.root) / "out"


def find_project(start: str | Path | None = None) -> Project:
    """The project of ``start`` (default: ``WORKBENCH_PROJECT``, else the working directory).

    Looks upwards for a folder with ``catalogs/portfolio`` in it; failing that, gives the files shipped
    with the package.

    Raises
    ------
    InputError
        ``start`` or ``WORKBENCH_PROJECT`` names a folder that is no project.
    """
    named = bool(start or os.environ.get("WORKBENCH_PROJECT"))
    root = Path(start).expanduser().resolve() if start else project_root()
    if root is None:
        return packaged_project()
    if named and not is_project(root):
        raise InputError(
            "not a workbench project",
            where="WORKBENCH_PROJECT" if start is None else None,
            found=root,
            expected="a folder with catalogs/portfolio in it",
            hint="lay one out with: workbench init DIR",
        )
    return Project(root)


def packaged_project() -> Project:
    """The project that ships with the package (in a checkout: the checkout itself)."""
    package = Path(__file__).resolve().parent
    shipped = package / "_project"
    if shipped.is_dir():
        return Project(shipped, packaged=True)
    return Project(package.parent)


def _user_data() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "operations-workbench"
