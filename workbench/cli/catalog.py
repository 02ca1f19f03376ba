"""``workbench catalog``: list, show, read and check entries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="List, show, read and check the entries of the catalogs.", no_args_is_help=True)

CatalogOption = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="PATH", help="A folder of catalogs or one file; the project's if left out."),
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", metavar="DIR", help="Root of the store; the project's if left out.")
]
EntryArgument = Annotated[
    str, typer.Argument(metavar="ENTRY", help="Name of the entry, `<site>.<entry>`; see `workbench catalog list`.")
]


@app.command("list")
def list_entries(
    catalog: CatalogOption = None,
    kind: Annotated[str, typer.Option(help="Only `live`, `file` or `store` entries.")] = "",
) -> None:
    """List all entries, one to a line.

    Example: `workbench catalog list --kind live`
    """
    from rich.table import Table

    from workbench.catalog import open_catalog
    from workbench.cli._console import cells, console
    from workbench.model.errors import InputError, did_you_mean

    kinds = ("live", "file", "store")
    if kind and kind not in kinds:
        raise InputError(
            f"no kind {kind!r}", where="--kind", expected="one of " + ", ".join(kinds), hint=did_you_mean(kind, kinds)
        )
    opened = open_catalog(catalog)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("entry", "kind", "driver", "series", "assets", "description"):
        narrow = column in ("entry", "kind", "driver", "series", "assets")  # never broken: they are typed and piped
        table.add_column(column, overflow="fold", no_wrap=narrow, justify="right" if column == "assets" else "left")
    for name, entry in opened.entries.items():
        if kind and entry.kind != kind:
            continue
        raw = entry.spec.raw
        series = "/".join(str(raw[key]) for key in ("asset_type", "cadence") if key in raw)
        count = len(raw["assets"]) if isinstance(raw.get("assets"), (dict, list)) else ""
        table.add_row(*cells(name, entry.kind or "?", entry.driver, series, count, entry.description))
    console().print(table)


@app.command("show")
def show_entry(entry: EntryArgument, catalog: CatalogOption = None, store: StoreOption = None) -> None:
    """Show what an entry is: where it comes from, variables with units, assets, span.

    Example: `workbench catalog show la_haute_borne.scada`
    """
    from rich.table import Table

    from workbench.catalog import open_catalog
    from workbench.cli._console import cells, console

    about: dict[str, Any] = open_catalog(catalog, store=store)[entry].describe()
    screen = console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key in ("name", "description", "driver", "kind", "site", "asset_type", "cadence", "licence"):
        if about[key]:
            table.add_row(*cells(key, about[key]))
    table.add_row(*cells("where", "\n".join(about["where"])))
    if about["assets"]:
        table.add_row(*cells("assets", ", ".join(about["assets"])))
    if about["span"]:
        table.add_row("span", f"{_seconds(about['span'][0])} … {_seconds(about['span'][1])} UTC")
    screen.print(table)
    variables = Table("variable", "unit", box=None, header_style="bold", pad_edge=False)
    for name, unit in about["variables"].items():
        variables.add_row(*cells(name, unit))
    screen.print(variables)


@app.command("read")
def read_entry(
    entry: EntryArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .nc, .parquet, .csv or .zarr.")],
    start: Annotated[str, typer.Option(help="First time, UTC, such as 2015-06-01 or 2015-06-01T10:20.")] = "",
    end: Annotated[str, typer.Option(help="Time to end before, UTC.")] = "",
    assets: Annotated[str, typer.Option(help="Assets, with commas between; all if left out.")] = "",
    variables: Annotated[str, typer.Option(help="Variables, with commas between; all if left out.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    catalog: CatalogOption = None,
    store: StoreOption = None,
) -> None:
    """Read an entry and write it to a file.

    Example: `workbench catalog read la_haute_borne.scada --start 2015-06-01 --end 2015-07-01 --out june.parquet`
    """
    from workbench.catalog import open_catalog
    from workbench.catalog.export import check_goal, write
    from workbench.cli._console import console, plain

    check_goal(out, overwrite=overwrite)
    screen = console(stderr=True)
    with screen.status(f"reading {plain(entry)}"):
        time = slice(start or None, end or None) if start or end else None
        data = open_catalog(catalog, store=store)[entry].read(
            time=time, assets=_words(assets), variables=_words(variables)
        )
    with screen.status(f"writing {plain(out)}"):
        write(data, out, overwrite=overwrite)
    sizes = data.sizes
    assets_read = "1 asset" if sizes["asset"] == 1 else f"{sizes['asset']} assets"
    typer.echo(f"{out}: {sizes['time']:,} times × {assets_read}, {out_size(out)}")
    if data.attrs.get("duplicate_rows"):
        typer.echo(f"note: {data.attrs['duplicate_rows']} rows had a time stamp that came before; the last was kept")
    if data.attrs.get("untimed_rows"):
        typer.echo(f"note: {data.attrs['untimed_rows']} rows had a local time that is no instant; they were left out")


@app.command("check")
def check_catalogs(catalog: CatalogOption = None) -> None:
    """Check all catalogs, tag maps and the portfolio; every error is told with file, line and key.

    Example: `workbench catalog check`

    Exit codes: 0 all is well, 2 something is wrong.
    """
    from workbench.catalog import open_catalog
    from workbench.model.errors import InputErrors

    opened = open_catalog(catalog)
    errors = opened.check()
    if errors:
        raise InputErrors(errors)
    typer.echo(f"{opened.path}: {len(opened)} entries, all well")


@app.command("page")
def keys_page(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write; otherwise on screen.")] = None,
) -> None:
    """Write the page of the docs that shows the keys of every driver, in Markdown.

    Example: `workbench catalog page --out docs/catalog-keys.md`
    """
    from workbench.catalog.keys_page import page
    from workbench.cli.vocabulary import put_page

    put_page(page(), out)


def _words(text: str) -> list[str] | None:
    return [word.strip() for word in text.split(",") if word.strip()] or None


def _seconds(time: object) -> str:
    return str(time)[:19]


def out_size(path: Path) -> str:
    """Size of a file or folder for people."""
    files = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    size = sum(part.stat().st_size for part in files)
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
