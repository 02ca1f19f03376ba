"""``workbench steps``."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The steps that pipelines are made of.")


@app.command("list")
def list_() -> None:
    """List the installed steps.

    Example: `workbench steps list`
    """
    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.cli._console import console as screen
    from workbench.steps import steps

    table = Table("type", "what it does", box=None, pad_edge=False)
    for name, one in steps().items():
        table.add_row(*cells(name, one.summary))
    screen().print(table)


@app.command()
def show(type_: Annotated[str, typer.Argument(metavar="TYPE", help="The step's type.")]) -> None:
    """Show a step: what it does and what it takes.

    Example: `workbench steps show rolling_statistics`
    """
    import inspect

    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.cli._console import console as screen
    from workbench.steps import get_step

    found = get_step(type_)
    console = screen()
    console.print(inspect.getdoc(found.function) or "", markup=False, highlight=False)
    table = Table("parameter", "type", "default", title="Parameters", title_justify="left", box=None, pad_edge=False)
    for name, field in found.parameters.model_fields.items():
        kind = inspect.formatannotation(field.annotation) if field.annotation is not None else ""
        table.add_row(
            *cells(name, kind.replace("typing.", ""), "required" if field.is_required() else repr(field.default))
        )
    console.print()
    console.print(table)
