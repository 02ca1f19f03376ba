"""``workbench report``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List reports and run them for a period.", no_args_is_help=True)


@app.command("list")
def list_reports(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for tools.")] = False,
) -> None:
    """Reports of the project: what they are about, when they are due, what they take.

    Example: workbench report list
    """
    from workbench.project import find_project
    from workbench.reports import load_reports

    reports = load_reports(find_project().reports)
    if as_json:
        import orjson

        content = [one.model_dump(mode="json") for one in reports.values()]
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.table import Table

    from workbench.cli._console import console as screen

    console = screen()
    for one in reports.values():
        console.print(f"[bold]{one.name}[/bold]  {one.title}")
        console.print(f"  {one.description}", highlight=False)
        due = f"  due {one.schedule.cron} for {one.schedule.period}; to {', '.join(one.recipients) or 'nobody yet'}"
        console.print(due, highlight=False, style="dim")
        table = Table(box=None, pad_edge=True, show_header=False, padding=(0, 2))
        for name, parameter in one.parameters.items():
            what = parameter.description + (f" [{parameter.units}]" if parameter.units else "")
            choices = f"; one of {', '.join(map(str, parameter.choices))}" if parameter.choices else ""
            shown = repr(parameter.default) if parameter.type == "str" else str(parameter.default)
            table.add_row(name, f"{parameter.type} = {shown}", (what + choices).replace("[", "\\["))
        console.print(table)
        console.print()


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="Name of the report; see: workbench report list")],
    period: Annotated[
        str, typer.Option(help="Year, month, day, start/end, yesterday, last-month, … in the clock of the site.")
    ],
    site: Annotated[str | None, typer.Option(help="Site, for reports that take one.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files; default: out/NAME/SITE-PERIOD.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A parameter; may be repeated.")] = None,
    pdf: Annotated[bool, typer.Option(help="Print the PDF too.")] = True,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="DIR", help="Root of the store; the project's if left out.")
    ] = None,
) -> None:
    """Run a report: executed notebook, HTML, PDF and a manifest of what it was made from.

    Running it again for the same period on the same data gives the same numbers, so that cron or any other
    scheduler may call it. A run that fails leaves the notebook as far as it got, and ends with 1.

    Example: workbench report run wind_farm --site la_haute_borne --period 2015-06 --out june
    """
    from workbench.model.errors import InputError
    from workbench.reports import ReportFailed, run_report

    if store is not None:
        os.environ["WORKBENCH_STORE"] = str(store.resolve())  # the notebook's kernel inherits it
    parameters: dict[str, object] = {}
    for text in param or []:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError("not a parameter", where="--param", found=text, expected="KEY=VALUE")
        if key.strip() == "period":
            raise InputError("the period is an option of its own", where="--param", hint="--period")
        if key.strip() == "site" and site is not None:
            raise InputError("the site is given twice", where="--param", found=text)
        parameters[key.strip()] = value.strip()
    try:
        done = run_report(
            name, period=period, site=site, out=out, parameters=parameters, pdf=pdf, progress=sys.stderr.isatty()
        )
    except ReportFailed as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for kind, path in done.files.items():
        print(f"{kind:<9} {path}  {path.stat().st_size / 1e3:,.0f} kB")
