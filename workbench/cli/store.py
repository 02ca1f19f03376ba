"""``workbench store``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.store import SiteStore
    from workbench.store.inspect import StoreInfo

app = typer.Typer(
    help="Look into the telemetry store, verify and mend it, export from it, forget what is too old.",
    no_args_is_help=True,
)

Store = Annotated[Path | None, typer.Option(metavar="DIR", help="Root of the store; default: the project's.")]


@app.command()
def info(
    site: Annotated[list[str] | None, typer.Argument(metavar="SITE", help="Sites; all by default.")] = None,
    store: Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """Sites, series, their assets, variables and span, sizes, and what waits in the journal.

    Example: `workbench store info north_ridge`
    """
    import dataclasses

    sites = _sites(store, site or [])
    infos = [one.info() for one in sites]
    if as_json:
        import orjson

        content = [dataclasses.asdict(one) | {"bytes_per_value": one.bytes_per_value} for one in infos]
        print(orjson.dumps(content, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())
    else:
        _show(infos)


@app.command()
def verify(
    site: Annotated[list[str] | None, typer.Argument(metavar="SITE", help="Sites; all by default.")] = None,
    store: Store = None,
) -> None:
    """Read everything and say what is wrong: damaged journal rows, unreadable chunks, irregular time.

    Ends with 1 where something is wrong. Trouble at one site does not keep the others from being read.

    Example: `workbench store verify`
    """
    wrong = 0
    for one in _sites(store, site or []):
        found = one.verify()
        wrong += len(found)
        print(f"{one.site}: {'sound' if not found else f'{len(found)} things wrong'}")
        for line in found:
            print(f"  {line}")
    if wrong:
        raise typer.Exit(1)


@app.command()
def repair(
    site: Annotated[list[str] | None, typer.Argument(help="Sites; all by default.")] = None,
    store: Store = None,
) -> None:
    """Mend what can be mended: damaged journal rows, a broken journal, unreadable chunks and commits.

    Nothing is thrown away: what cannot be used is moved aside, and each line says what was lost and from
    when. The collector of the site must not run. Ends with 1 where something was lost.

    Example: `workbench store repair north_ridge`
    """
    lost = False
    for one in _sites(store, site or []):
        report = one.repair()
        lost = lost or bool(report.lost)
        print(f"{one.site}: {'nothing to mend' if report.idle else 'mended'}")
        for line in report.mended:
            print(f"  {line}")
        for line in report.lost:
            print(f"  lost: {line}")
    if lost:
        raise typer.Exit(1)


@app.command()
def tidy(
    site: Annotated[list[str] | None, typer.Argument(help="Sites; all by default.")] = None,
    store: Store = None,
) -> None:
    """Expire old snapshots and collect their files now, as happens each night by itself.

    All snapshots of the last 24 hours and one of each day for 60 days stay. Readers may read meanwhile.

    Example: `workbench store tidy`
    """
    for one in _sites(store, site or []):
        expired, freed = one.tidy()
        print(f"{one.site}: {expired} snapshots expired, {freed / 1e6:,.1f} MB freed")


@app.command()
def trim(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="DURATION", help="Age, such as P400D or P5Y; counted from now.")
    ],
    site: Annotated[list[str] | None, typer.Argument(help="Sites; all by default.")] = None,
    series: Annotated[str | None, typer.Option(help="Only this series, <asset type>/<cadence>.")] = None,
    store: Store = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it only says what would go.")] = False,
) -> None:
    """Forget telemetry older than wanted: whole chunks of time, never part of one. Records stay.

    The files go when the last snapshot that knows them has expired (`workbench store tidy`).

    Example: `workbench store trim --older-than P400D --series wind_turbine/1s --yes`
    """
    import numpy as np
    import pandas as pd

    from workbench.model.time import parse_duration

    cut = pd.Timestamp.now("UTC").tz_localize(None) - parse_duration(older_than).offset
    for one in _sites(store, site or []):
        found = one.trim(older_than=cut.value, series=series, dry=not yes)
        said = ", ".join(f"{key} {values:,} values" for key, values in found.items()) or "nothing is that old"
        verb = "" if not found else "forgotten: " if yes else "would be forgotten: "
        print(f"{one.site}, before {np.datetime_as_string(cut.to_datetime64(), unit='s')}Z: {verb}{said}")
    if not yes:
        print("Nothing was touched; give --yes to do it.")


@app.command()
def export(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Site.")],
    series: Annotated[str, typer.Argument(metavar="SERIES", help="Series, `<asset type>/<cadence>`.")],
    out: Annotated[Path, typer.Option(help="File to write: .parquet or .nc (NetCDF).")],
    start: Annotated[str | None, typer.Option(help="First time, UTC, such as 2026-01-31T12:00.")] = None,
    end: Annotated[str | None, typer.Option(help="End, UTC, not included.")] = None,
    variables: Annotated[str | None, typer.Option(help="Names, separated by commas; all by default.")] = None,
    assets: Annotated[str | None, typer.Option(help="Assets, separated by commas; all by default.")] = None,
    quality: Annotated[bool, typer.Option(help="With the quality of each variable.")] = True,
    store: Store = None,
) -> None:
    """Write a series to a Parquet or NetCDF file, in bounded memory; the file appears whole or not at all.

    Example: `workbench store export north_ridge wind_turbine/10min --out turbines.parquet --start 2026-01-01`
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from workbench.cli._console import console as screen
    from workbench.cli._console import plain

    (one,) = _sites(store, [site])
    console = screen(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(plain(f"{site} {series}"), total=None)
        one.export(
            series,
            out,
            time=slice(start, end),
            variables=_names(variables),
            assets=_names(assets),
            quality=quality,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{out}: {out.stat().st_size:,} bytes")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _sites(store: Path | None, wanted: list[str]) -> list[SiteStore]:
    """The sites of the store, or those wanted; an unknown one is an error."""
    from workbench.model.errors import InputError, did_you_mean
    from workbench.project import find_project
    from workbench.store import SiteStore

    root = store if store is not None else find_project().store
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    known = {folder.name: SiteStore(root, folder.name) for folder in folders}
    known = {name: one for name, one in known.items() if one.exists()}
    if not known:
        raise InputError("there is no data in this store", file=root, hint="collect some with: workbench collect")
    for name in wanted:
        if name not in known:
            raise InputError(
                "the store has no such site",
                where="site",
                found=name,
                expected=", ".join(known),
                hint=did_you_mean(name, known),
            )
    return [known[name] for name in wanted or known]


def _show(infos: list[StoreInfo]) -> None:
    import numpy as np
    from rich.table import Table

    from workbench.cli._console import cells, plain
    from workbench.cli._console import console as screen

    console = screen()
    for one in infos:
        size = f"{one.bytes / 1e6:,.1f} MB" + (f", {one.bytes_per_value:.2f} B/value" if one.values else "")
        waits = f"{one.journal_rows:,} rows ({one.journal_values:,} values) in the journal, {one.journal_bytes / 1e6:,.1f} MB"
        table = Table(
            title=f"{plain(one.site)}: {one.values:,} values in the store, {size}; {waits}; {one.snapshots} snapshots",
            title_justify="left", header_style="bold", box=None, pad_edge=False,
        )  # fmt: skip
        for column in ("series", "first (UTC)", "last (UTC)"):
            table.add_column(column)
        for column in ("slots", "assets", "variables", "journal rows"):
            table.add_column(column, justify="right")
        for series in one.series:
            stamps = [
                "" if when is None else np.datetime_as_string(when, unit="s").replace("T", " ")
                for when in (series.first, series.last)
            ]
            counts = (series.slots, len(series.assets), len(series.variables), series.journal_rows)
            table.add_row(*cells(series.key, *stamps, *(f"{count:,}" for count in counts)))
        console.print(table)
        console.print()
