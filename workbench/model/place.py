"""Where a user's project is: the folder with ``catalogs/portfolio`` in it."""

from __future__ import annotations

import os
from pathlib import Path


def is_project(folder: Path) -> bool:
    """Whether ``folder`` is a project: a checkout, or what ``workbench init`` laid out."""
    return (folder / "catalogs" / "portfolio").is_dir()


def project_root() -> Path | None:
    """The project named by ``WORKBENCH_PROJECT``, or the working directory's, looked for upwards; None for none.

    What ``WORKBENCH_PROJECT`` names is given as it is, project or not.
    """
    named = os.environ.get("WORKBENCH_PROJECT")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if is_project(folder)), None)
