"""``workbench status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def status(
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be repeated.")] = None,
    store: Annotated[Path | None, typer.Option(help="Root of the store; default: the project's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """Health of the collector and of each source.

    Shows per device: state, age of the newest value, samples, values with a bad quality, errors and
    reconnects. Ends with 1 where a collector has stopped or a device is not well.

    Example: workbench status --site north_ridge
    """
    import orjson

    from workbench.collect import read_health
    from workbench.model.errors import InputError
    from workbench.project import find_project

    root = store or find_project().store
    folders = sorted(path.parent for path in root.glob("*/health.json"))
    names = [folder.name for folder in folders]
    if site:
        for name in site:
            if name not in names:
                raise InputError(
                    "no collector has ever run for this site",
                    where="--site",
                    found=name,
                    expected=", ".join(names) or "none yet: start one with `workbench collect`",
                )
        folders = [folder for folder in folders if folder.name in site]
    if not folders:
        raise InputError("no collector has run here yet", file=root, hint="start one with: workbench collect")
    healths = {folder.name: health for folder in folders if (health := read_health(folder)) is not None}
    if as_json:
        typer.echo(orjson.dumps(healths, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(healths)
    if not all(_well(health) for health in healths.values()):
        raise typer.Exit(1)


def _well(health: dict[str, Any]) -> bool:
    devices = [device for source in health["sources"].values() for device in source["devices"].values()]
    return bool(health["running"] and all(device["state"] == "ok" for device in devices))


def _show(healths: dict[str, dict[str, Any]]) -> None:
    import time

    from rich.table import Table

    from workbench.cli._console import console as screen

    console = screen()
    now = time.time_ns()
    for site, health in healths.items():
        collector = health["collector"]
        if health["running"]:
            state = f"[green]running[/] (process {collector['pid']}), {collector['values_per_s']:,.0f} values/s"
        else:
            state = f"[red]not running[/], last heard {_age(now - health['time'])} ago"
        table = Table(title=f"{site}: {state}", title_justify="left", header_style="bold", box=None, pad_edge=False)
        for column in ("source", "device", "state"):
            table.add_column(column, no_wrap=True)
        for column in ("age", "samples", "flagged", "errors", "reconnects"):
            table.add_column(column, justify="right")
        table.add_column("last error", overflow="fold")
        for name, source in health["sources"].items():
            for asset, device in source["devices"].items():
                colour = {"ok": "green", "degraded": "yellow"}.get(device["state"], "red")
                table.add_row(
                    name,
                    asset,
                    f"[{colour}]{device['state']}[/]",
                    _age(now - device["last_time"]) if device["last_time"] else "never",
                    f"{device['samples']:,}",
                    f"{device['bad']:,}",
                    f"{device['errors']:,}",
                    f"{device['reconnects']:,}",
                    device["last_error"],
                )
        console.print(table)
        if collector.get("journal_error"):
            console.print(f"[red]journal: {collector['journal_error']}[/] ({collector['waiting']:,} samples wait)")
        console.print()


def _age(ns: float) -> str:
    seconds = ns / 1e9
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
