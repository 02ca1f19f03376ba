"""``workbench vocabulary``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The names, units and states everything is written in.", no_args_is_help=True)


@app.command("list")
def list_terms(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Only names that match, such as `wind_*`.")] = "*",
    asset_type: Annotated[str | None, typer.Option("--type", help="Only what this kind of asset has.")] = None,
    kind: Annotated[str | None, typer.Option(help="measurement, angle, counter, status or setpoint.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """List names with their units and meanings.

    Example: `workbench vocabulary list 'irradiance_*' --type inverter`
    """
    from fnmatch import fnmatchcase
    from typing import get_args

    from workbench.model.errors import InputError, did_you_mean
    from workbench.model.vocabulary import ASSET_TYPES, Kind, vocabulary

    for value, allowed, option in ((asset_type, ASSET_TYPES, "--type"), (kind, get_args(Kind), "--kind")):
        if value is not None and value not in allowed:
            expected = "one of " + ", ".join(allowed)
            hint = did_you_mean(value, allowed)
            raise InputError("no such choice", where=option, found=value, expected=expected, hint=hint)
    words = vocabulary()
    terms = list(words.values()) if asset_type is None else list(words.of_type(asset_type))
    terms = [term for term in terms if fnmatchcase(term.name, pattern) and kind in (None, term.kind)]
    if not terms:
        near = words.nearest(pattern.strip("*_"))
        hint = f"did you mean {near[0]!r}?" if near else None
        raise InputError("no name matches", where="PATTERN", found=pattern, hint=hint)
    if as_json:
        import json

        typer.echo(json.dumps([_plain(term) for term in terms], indent=2))
        return
    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.cli._console import console as screen

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "unit", "kind", "meaning"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for term in terms:
        table.add_row(*cells(term.name, "" if term.kind == "status" else term.units, term.kind, term.long_name))
    console = screen()
    console.print(table)
    console.print(f"{len(terms)} names", style="dim")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of the vocabulary.")],
    asset_type: Annotated[str | None, typer.Option("--type", help="As it is meant for this kind of asset.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """Show all that is known about one name.

    Example: `workbench vocabulary show turbine_status`
    """
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().term(name, asset_type)
    if as_json:
        import json

        typer.echo(json.dumps(_plain(term), indent=2))
        return
    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.cli._console import console as screen

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = [
        ("name", term.name),
        ("meaning", term.long_name),
        ("", term.description),
        ("unit", "" if term.kind == "status" else term.units),
        ("kind", term.kind),
        ("range", "" if term.states or term.valid_min is None else f"{term.valid_min:g} … {term.valid_max:g}"),
        ("CF", term.standard_name or ""),
        ("IEC 61400-25", term.iec61400_25 or ""),
        ("assets", ", ".join(term.asset_types)),
        ("kept as", {"f4": "32-bit float", "f8": "64-bit float"}[term.dtype]),
        ("states", ", ".join(f"{code} {state}" for state, code in (term.states or {}).items())),
    ]
    if asset_type is None:
        rows += [(f"for {kind}", ", ".join(map(str, changes.values()))) for kind, changes in term.per_type.items()]
    for key, value in rows:
        if value:
            table.add_row(*cells(key, value))
    screen().print(table)


@app.command()
def page(
    out: Annotated[Path | None, typer.Option(help="File to write; otherwise on screen.")] = None,
) -> None:
    """Write the page of the docs that shows the vocabulary, in Markdown.

    Example: `workbench vocabulary page --out docs/vocabulary.md`
    """
    from workbench.model.vocabulary import vocabulary
    from workbench.model.vocabulary_page import page as markdown

    put_page(markdown(vocabulary()), out)


def put_page(text: str, out: Path | None) -> None:
    """A page of the docs into the file ``out``, or on screen."""
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        typer.echo(f"written: {out}")


def _plain(term: object) -> dict[str, object]:
    """A term as JSON takes it, empty fields left out."""
    from dataclasses import asdict

    fields = asdict(term)  # type: ignore[call-overload]
    return {key: value for key, value in fields.items() if value not in (None, "", {}, ())}
