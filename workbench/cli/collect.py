"""``workbench collect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def collect(
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be repeated.")] = None,
    store: Annotated[Path | None, typer.Option(help="Root of the store; default: the project's.")] = None,
    log_file: Annotated[Path | None, typer.Option(help="Write the log there instead of to the screen.")] = None,
) -> None:
    """Read every live source of the catalogs into the store.

    Runs until Ctrl-C or SIGTERM; stopping loses nothing, and the next start goes on where this one ended.
    Logs one JSON line per happening. Ends with 1 where something could not be written, and says how much.

    Example: workbench collect --site north_ridge
    """
    import asyncio

    from workbench.catalog import open_catalog
    from workbench.collect import Collector
    from workbench.logs import configure_logs
    from workbench.model.errors import InputError, did_you_mean
    from workbench.project import find_project

    configure_logs(log_file)
    sources = open_catalog().sources()
    if site:
        known = {source.site for source in sources}
        for name in site:
            if name not in known:
                raise InputError(
                    "no live source at this site",
                    where="--site",
                    found=name,
                    expected=", ".join(sorted(known)),
                    hint=did_you_mean(name, known),
                )
        sources = [source for source in sources if source.site in site]

    async def run() -> dict[str, int]:
        collector = Collector(store or find_project().own_store, sources)
        await collector.run()
        return collector.totals()

    totals = asyncio.run(run())
    if totals["dropped"] or totals["dropped_events"]:
        typer.echo(
            f"not written: {totals['dropped_values']:,} values in {totals['dropped']:,} samples,"
            f" {totals['dropped_events']:,} events; the log says why",
            err=True,
        )
        raise typer.Exit(1)
