"""``workbench explain`` and ``workbench schema``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.pipelines.inputs import Opened
    from workbench.pipelines.plan import Plan, PlannedStep


def explain(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The pipeline: a YAML or JSON file.")],
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="DATA", help="Look at this data too: what is there, and what will be skipped."),
    ] = None,
) -> None:
    """Print the plan of a pipeline: each step, what it reads and adds, units, how far it looks, where it is lazy.

    With data its first rows are run, so that units are those of the data, and what was assumed is told.

    Example: `workbench explain catalogs/pipelines/scada_quality.yaml --input la_haute_borne.scada`
    """
    from workbench.catalog import open_catalog
    from workbench.cli._console import console as screen
    from workbench.pipelines import load_pipeline
    from workbench.pipelines.inputs import open_input, wanted_kind
    from workbench.pipelines.plan import plan

    console = screen()
    pipeline = load_pipeline(spec)
    opened = None if source is None else open_input(source, wanted_kind(pipeline, source, open_catalog()))
    found = plan(pipeline, opened.fields if opened is not None else None)
    console.print(f"[bold]{_plain(pipeline.title or pipeline.name)}[/]  {_plain(pipeline.description)}")
    about = [f"runs every {pipeline.schedule}"] if pipeline.schedule else []
    about += [f"reads {_endpoint(one)}" for one in pipeline.sources]
    about += [f"writes {_endpoint(pipeline.destination)}"] if pipeline.destination else []
    if about:
        console.print("; ".join(about), markup=False, highlight=False)
    brings = ", ".join(found.from_source) or "nothing by name"
    console.print(f"\nThe data brings: {brings}", markup=False, highlight=False)
    for one in found.steps:
        _step(one, console)
    _end(found, console)
    if opened is not None:
        try:
            _tried(found, opened, console)
        finally:
            opened.close()
    raise typer.Exit(2 if found.errors else 0)


def _plain(text: str) -> str:
    from workbench.cli._console import plain

    return plain(text)


def _endpoint(one: Any) -> str:
    return one.name if not one.connection or one.connection == one.name else f"{one.name} ({one.connection})"


def _step(one: PlannedStep, console: Console) -> None:
    console.print(f"\n[bold]{one.number}  {one.step.step.name}[/]  {_plain(one.step.step.summary)}", highlight=False)
    effect = one.effect

    def line(head: str, text: str) -> None:
        console.print(f"   {head:<9}{text}", markup=False, highlight=False)

    if effect is None:
        line("", "does not say what it reads and gives")
        return
    reads = [*(f"{name} (data)" for name in one.from_source), *(f"{name} (made before)" for name in one.from_steps)]
    if reads:
        line("reads", ", ".join(reads))
    if effect.adds:
        line("adds", ", ".join(f"{name} [{unit}]" if unit else name for name, unit in effect.adds.items()))
    if effect.removes:
        line("removes", ", ".join(effect.removes))
    looks = [text for ns, text in ((effect.before, "back"), (effect.after, "ahead")) if ns != 0]
    if looks:
        line(
            "looks", ", ".join(f"{_reach(getattr(effect, {'back': 'before', 'ahead': 'after'}[t]))} {t}" for t in looks)
        )
    line("lazy", "yes" if effect.lazy else "no: it reads the data")
    for note in effect.notes:
        line("assumes", note)


def _reach(ns: int | None) -> str:
    """A length of time for people."""
    if ns is None:
        return "as far as there is data"
    if ns == 0:
        return "nothing"
    parts = []
    for unit, length in (("d", 86_400 * 10**9), ("h", 3_600 * 10**9), ("min", 60 * 10**9)):
        if ns >= length:
            parts.append(f"{ns // length} {unit}")
            ns %= length
    return " ".join([*parts, *([f"{ns / 1e9:g} s"] if ns else [])])


def _end(found: Plan, console: Console) -> None:
    console.print()
    before, after = found.before, found.after
    text = "A value of the result rests on its own time only"
    if before != 0 or after != 0:
        text = f"A value of the result looks {_reach(before)} back and {_reach(after)} ahead, all steps together"
    text += "; lazy data stay lazy." if found.lazy else "; not lazy to the end."
    console.print(text, highlight=False)
    for error in (*found.warnings, *found.errors):
        console.print(str(error), markup=False, highlight=False)


def _tried(found: Plan, opened: Opened, console: Console) -> None:
    """Run the first rows, and tell what came of it."""
    from rich.table import Table

    from workbench.cli._console import cells
    from workbench.model.errors import InputError
    from workbench.pipelines.execute import other_sources
    from workbench.pipelines.run import run
    from workbench.steps import remarks

    if found.errors:
        return
    data: Any = opened.data
    part = data.head(_ROWS) if opened.records else data.isel(time=slice(0, _ROWS))
    from workbench.catalog import open_catalog

    try:
        with remarks() as told, other_sources(open_catalog()):
            made: Any = run(found.pipeline, part)
    except InputError as error:
        if found.before is not None and found.after is not None:
            raise
        # a step that is about the whole period may well find the first rows too few
        text = f"\nWith the first rows of {opened.name} alone it does not run: {str(error).splitlines()[0]}"
        console.print(text, markup=False, highlight=False)
        return
    console.print(f"\nWith the first rows of {opened.name}:", markup=False, highlight=False)
    table = Table("field", "unit", "of", box=None, pad_edge=False)
    if opened.records:
        for name, dtype in made.collect_schema().items():
            table.add_row(*cells(name, "", dtype))
    else:
        for name, array in made.variables.items():
            if str(name) not in data.variables:
                table.add_row(*cells(name, array.attrs.get("units", ""), f"{array.dtype}, {', '.join(array.dims)}"))
    console.print(table)
    for each in told:
        console.print(each, markup=False, highlight=False)


#: Rows that are run to see what comes of it.
_ROWS = 1_000


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "--out", metavar="FILE", help="Write it there instead of the screen.")
    ] = None,
) -> None:
    """Write the JSON schema of pipeline files: completion and checks in an editor.

    Name it in a JSON file by `"$schema"`, or in a YAML file by a first line
    `# yaml-language-server: $schema=pipeline.schema.json`.

    Example: `workbench schema --output pipeline.schema.json`
    """
    import orjson

    from workbench.model import wholefile
    from workbench.pipelines.schema import pipeline_schema

    text = orjson.dumps(pipeline_schema(), option=orjson.OPT_INDENT_2).decode() + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    with wholefile.whole(output) as part:
        part.write_text(text, encoding="utf-8")
    typer.echo(f"{output}")
