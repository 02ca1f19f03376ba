"""``workbench run``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.pipelines.execute import RunReport


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The pipeline: a YAML or JSON file.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="DATA",
            help="A file (.json, .ndjson, .csv, .parquet, .nc, .zarr), a catalog entry, or SITE/TYPE/CADENCE of the "
            "store. The pipeline's own source if left out.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "--out",
            metavar="OUT",
            help="A file (.nc, .zarr, .parquet, .csv, .ndjson, .json), a catalog entry of one file, SITE/TYPE/CADENCE "
            "of the store, or SITE/results/NAME, kept up to date day by day. The pipeline's own destination if left "
            "out.",
        ),
    ] = None,
    start: Annotated[str, typer.Option(help="First time wanted [UTC].")] = "",
    end: Annotated[str, typer.Option(help="Time to stop before [UTC].")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Run a pipeline.

    The pipeline is checked whole before anything is read. Its steps run in order; counts of what they
    flagged are shown, and what they assumed or left out. Records that a check does not let pass go to a file of
    their own beside the output, with the reasons, and the exit code is 1. The run is noted among the records of the
    store: see `workbench runs`.

    Example: `workbench run catalogs/pipelines/scada_quality.yaml --input la_haute_borne.scada --output flagged.nc`
    """
    from workbench.cli._console import console as screen
    from workbench.pipelines import load_pipeline
    from workbench.pipelines.execute import execute

    console = screen(stderr=True)
    pipeline = load_pipeline(spec)
    with _shown(console, pipeline.name) as name:
        report = execute(
            pipeline,
            source,
            output,
            start=start or None,
            end=end or None,
            overwrite=overwrite,
            tell=lambda one: name(one.step.name),
            days=name,
        )
    for each in report.remarks:
        console.print(each, markup=False, highlight=False)
    _flagged(report, console)
    if report.aside is not None:
        kept = report.counts["kept_aside"]
        console.print(f"{report.aside}: {kept:,} records kept aside, with the reasons", markup=False, highlight=False)
    console.print(_line(report, output), markup=False, highlight=False)
    raise typer.Exit(1 if report.aside is not None else 0)


@contextlib.contextmanager
def _shown(console: Console, name: str) -> Iterator[Callable[[str], None]]:
    """Show what is under way and how far it is; yields what is to be called with the name of each step.

    A line that changes on a terminal; elsewhere a line every ten seconds, of steps that tell how far they are.
    """
    from workbench.cli._console import plain
    from workbench.display.progress import LINES, SCREEN, now_and_then
    from workbench.steps import progress_told

    with console.status(f"{plain(name)} …") as status:

        def show(text: str) -> None:
            if console.is_terminal:
                status.update(plain(f"{name} … {text}"))
            else:
                console.print(f"{name}: {text}", markup=False, highlight=False)

        def begin(step: str) -> None:
            nonlocal name
            name = step
            status.update(f"{plain(name)} …")

        every, wait = (SCREEN, 0.0) if console.is_terminal else (LINES, LINES)
        with progress_told(now_and_then(show, every, wait=wait)):
            yield begin


def _flagged(report: RunReport, console: Console) -> None:
    from rich.table import Table

    from workbench.cli._console import cells

    if not report.flagged:
        return
    table = Table("variable", "flag", "values", title="Flagged", title_justify="left", box=None, pad_edge=False)
    for name, flags in report.flagged.items():
        for flag, number in flags.items():
            table.add_row(*cells(name, flag, f"{number:,}"))
    console.print(table)


def _line(report: RunReport, output: str | None) -> str:
    counts = report.counts
    if "records" in counts:
        return f"{report.outputs[0]}: {counts['records']:,} records out of {counts['from']:,}"
    if "made" in counts:
        return (
            f"{output or report.pipeline}: {counts['made']:,} days made of {counts['days']:,}; "
            f"the input of {counts['changed']:,} had changed"
        )
    sizes = ", ".join(f"{name} {size:,}" for name, size in counts.items() if name not in ("variables", "values"))
    return f"{report.outputs[0] if report.outputs else output}: {counts['variables']} variables over {sizes}"
