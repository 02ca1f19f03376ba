"""``workbench status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

#: Troubles of a site that are told one by one; the table shows the rest.
_MOST_TOLD = 20


def status(
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be repeated.")] = None,
    store: Annotated[Path | None, typer.Option(help="Root of the store; default: the project's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """Health of the collector and of each source.

    Shows per site what waits for the disk and for the store, what was given up, and samples whose time was
    not believed; per device its state, time and age of the newest value, samples, values with a quality flag,
    errors, reconnects and lost updates. Ends with 1 where something is not well: a collector or keeper that
    does not run, samples that were given up, a device that is not ok or whose newest value is older than five
    of its cadences (and than five seconds).

    Example: workbench status --site north_ridge
    """
    import time

    import orjson

    from workbench.collect.health import journal_rest, read_health, troubles
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
    now = time.time_ns()
    for folder in folders:
        if folder.name in healths:
            found = healths[folder.name]
            found["troubles"] = troubles(found, now)
            try:
                found["journal"] = journal_rest(folder)
            except InputError as error:
                # All the rest can be told all the same.
                found["journal"] = {"rows": 0, "values": 0}
                found["troubles"].append(f"{error.message}: {error.found}")
    if as_json:
        typer.echo(orjson.dumps(healths, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(healths, now)
    if any(health["troubles"] for health in healths.values()):
        raise typer.Exit(1)


def _show(healths: dict[str, dict[str, Any]], now: int) -> None:
    from rich.table import Table

    from workbench.cli._console import console as screen
    from workbench.cli._console import plain
    from workbench.collect.health import device_trouble

    console = screen()
    for site, health in healths.items():
        collector = health["collector"]
        if health["running"]:
            state = f"[green]running[/] (process {collector['pid']}), {collector['values_per_s']:,.0f} values/s"
        else:
            state = f"[red]not running[/], last heard {_age(now - health['time'])} ago"
        console.print(f"{site}: {state}")
        console.print(_backlog(health))
        table = Table(header_style="bold", box=None, pad_edge=False)
        for column in ("source", "device", "state"):
            table.add_column(column, no_wrap=True)
        for column in ("newest, UTC", "age", "samples", "flagged", "errors", "reconnects", "missed"):
            table.add_column(column, justify="right")
        table.add_column("last error", overflow="fold")
        for name, source in health["sources"].items():
            for asset, device in source["devices"].items():
                said, trouble = device["state"], device_trouble(source["series"], device, now)
                if said == "ok" and trouble and health["running"]:
                    said = "silent"
                colour = {"ok": "green", "degraded": "yellow", "silent": "yellow"}.get(said, "red")
                table.add_row(
                    name,
                    asset,
                    f"[{colour}]{said}[/]",
                    _clock(device["last_time"]) if device["last_time"] else "never",
                    _age(now - device["last_time"]) if device["last_time"] else "",
                    f"{device['samples']:,}",
                    f"{device['bad']:,}",
                    f"{device['errors']:,}",
                    f"{device['reconnects']:,}",
                    f"{device.get('missed', 0):,}",
                    plain(device["last_error"]),
                )
        console.print(table)
        for trouble in health["troubles"][:_MOST_TOLD]:
            console.print(f"[red]not well:[/] {plain(trouble)}")
        if len(health["troubles"]) > _MOST_TOLD:
            console.print(f"[red]not well:[/] {len(health['troubles']) - _MOST_TOLD} more")
        console.print()


def _backlog(health: dict[str, Any]) -> str:
    collector, journal = health["collector"], health["journal"]
    return (
        f"keeper {'running' if collector['keeper'] and health['running'] else 'not running'}; "
        f"{collector['waiting']:,} samples wait for the journal"
        f" ({_age(1e9 * collector.get('journal_backlog_s', 0.0))}), "
        f"{journal['values']:,} values in {journal['rows']:,} rows of it wait for the store; "
        f"{collector['dropped']:,} dropped, {collector['clock']:,} with a time not believed, {collector['late']:,} late"
    )


def _clock(ns: int) -> str:
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    return when.strftime("%H:%M:%S" if when.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M:%S")


def _age(ns: float) -> str:
    seconds = ns / 1e9
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
