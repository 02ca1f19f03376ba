"""``workbench ingest``: nested JSON into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="JSON or NDJSON, also gzipped.")],
    store: Annotated[
        Path | None, typer.Option("--store", metavar="DIR", help="Root of the store; the project's if left out.")
    ] = None,
    site: Annotated[
        str,
        typer.Option("--site", metavar="SITE", help="Site of all messages; otherwise the portfolio or farm_id tells."),
    ] = "",
    cadence: Annotated[str, typer.Option(help="Length of a slot of the series: 1s, 5s, 1min, 10min, …")] = "1s",
) -> None:
    """Take nested JSON or NDJSON messages into the store, as they stand.

    Every number and state becomes a variable with its unit; strings and MPPTs become assets below their
    inverter; alarms and warnings become records. What the vocabulary does not have is kept and reported. A
    file goes in whole or not at all, and the same message never twice.

    Example: `workbench ingest messages.ndjson --store data/store`

    Exit codes: 0 done, 1 done but some states, numbers or names in the messages are wrong, 2 a file is wrong.
    """
    from rich.table import Table

    from workbench.catalog import open_portfolio
    from workbench.cli._console import cells
    from workbench.cli._console import console as screen
    from workbench.ingest import ingest as take_in
    from workbench.ingest.run import report_rows
    from workbench.project import find_project

    root = store if store is not None else find_project().own_store
    with screen(stderr=True).status(f"reading {len(files)} files"):
        report = take_in(files, root, open_portfolio(), site=site or None, cadence=cadence)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in report_rows(report):
        table.add_row(*cells(name, value))
    screen().print(table)
    if report.wrong:
        raise typer.Exit(1)
