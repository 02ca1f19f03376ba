"""``workbench init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; must be empty or new.")]) -> None:
    """Lay out a project of your own: catalogs, portfolio, pipelines, notebooks, reports, dashboards.

    It runs at once with the simulated sites; replace them by your own, one file at a time.

    Example: `workbench init my-portfolio && cd my-portfolio && workbench demo`
    """
    from collections import Counter

    from workbench.scaffold import lay_out

    made = lay_out(folder)
    for part, number in sorted(Counter(path.relative_to(folder).parts[0] for path in made).items()):
        typer.echo(f"  {part:<12} {number} file{'s' if number > 1 else ''}")
    typer.echo(f"{folder} is ready. Next: cd {folder} && workbench demo")
