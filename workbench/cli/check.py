"""``workbench check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.model.errors import InputError
    from workbench.pipelines import Checked


def check(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC…", help="Pipeline files: YAML or JSON.")],
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="DATA", help="Check it against this data too: the fields that steps need."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, for editors and other tools.")] = False,
) -> None:
    """Check pipelines whole, before anything runs: every error at once, with its line.

    Fields are checked where the data is known: that of `--input`, or the entry or series that the file itself names as its
    source. The exit code is 0 where all can run, 1 where only step types are missing from this installation, 2 where a
    file is wrong.

    Example: `workbench check catalogs/pipelines/scada_quality.yaml`
    """
    import orjson

    from workbench.pipelines.spec import NotInstalled, check_spec

    code, told = 0, []
    for path in specs:
        found = check_spec(path)
        warnings = _fields(found, source)
        errors = sorted([*found.errors, *found.missing], key=lambda error: error.line or 0)
        code = max(code, 2 if found.errors else 1 if found.missing else 0)
        if as_json:
            for error in (*errors, *warnings):
                kind = "warning" if error in warnings else "error"
                kind = "not_installed" if isinstance(error, NotInstalled) else kind
                fields = ("message", "file", "line", "where", "found", "expected", "hint")
                told.append({"kind": kind, **{name: _plain(getattr(error, name)) for name in fields}})
            continue
        for error in errors:
            typer.echo(str(error), err=bool(found.errors))
        for warning in warnings:
            typer.echo(f"warning: {warning}")
        if found.pipeline is not None and not found.errors:
            typer.echo(f"{path}: {found.pipeline.name}: {len(found.pipeline.steps)} steps, nothing wrong")
        elif not found.errors:
            names = ", ".join(sorted({str(error.found) for error in found.missing}))
            typer.echo(f"{path}: nothing wrong but what is not installed: {names}")
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    raise typer.Exit(code)


def _fields(found: Checked, source: str | None) -> list[InputError]:
    """Put what is wrong with the fields to what was found; gives what is only worth knowing."""
    from workbench.catalog import open_catalog
    from workbench.model.errors import InputError
    from workbench.pipelines.execute import endpoint_name
    from workbench.pipelines.inputs import open_input, wanted_kind
    from workbench.pipelines.plan import plan

    pipeline = found.pipeline
    if pipeline is None:
        return []
    own = endpoint_name(pipeline.sources[0]) if len(pipeline.sources) == 1 else None
    name = source if source is not None else own
    try:
        opened = None if name is None else open_input(name, wanted_kind(pipeline, name, open_catalog()))
    except InputError as error:
        if source is not None:
            raise
        # A source that is not there yet (nothing collected, another installation's) is not the file's mistake.
        return [error.at(file=found.file, where="sources[0]")]
    made = plan(pipeline, None if opened is None else opened.fields)
    if opened is not None:
        opened.close()
    found.errors += made.errors
    return list(made.warnings)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
