"""``workbench check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC…", help="Pipeline files: YAML or JSON.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, for editors and other tools.")] = False,
) -> None:
    """Check pipelines whole, before anything runs: every error at once, with its line.

    The exit code is 0 where all can run, 1 where only step types are missing from this installation, 2 where
    a file is wrong.

    Example: `workbench check catalogs/pipelines/scada_quality.yaml`
    """
    import orjson

    from workbench.pipelines.spec import NotInstalled, check_spec

    code, told = 0, []
    for path in specs:
        found = check_spec(path)
        errors = sorted([*found.errors, *found.missing], key=lambda error: error.line or 0)
        code = max(code, 2 if found.errors else 1 if found.missing else 0)
        if as_json:
            for error in errors:
                kind = "not_installed" if isinstance(error, NotInstalled) else "error"
                fields = ("message", "file", "line", "where", "found", "expected", "hint")
                told.append({"kind": kind, **{name: _plain(getattr(error, name)) for name in fields}})
            continue
        for error in errors:
            typer.echo(str(error), err=bool(found.errors))
        if found.pipeline is not None:
            typer.echo(f"{path}: {found.pipeline.name}: {len(found.pipeline.steps)} steps, nothing wrong")
        elif not found.errors:
            names = ", ".join(sorted({str(error.found) for error in found.missing}))
            typer.echo(f"{path}: nothing wrong but what is not installed: {names}")
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    raise typer.Exit(code)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
