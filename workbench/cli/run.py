"""``workbench run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.pipelines import Pipeline


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The pipeline: a YAML or JSON file.")],
    source: Annotated[
        str,
        typer.Option(
            "--input", metavar="DATA", help="A catalog entry, or a file of records: .json, .ndjson, .csv or .parquet."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "--out",
            metavar="FILE",
            help="Where to: .nc, .zarr, .parquet or .csv; records also .json or .ndjson.",
        ),
    ],
    start: Annotated[str, typer.Option(help="First time wanted [UTC].")] = "",
    end: Annotated[str, typer.Option(help="Time to stop before [UTC].")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Run a pipeline on an entry of the catalogs, or on a file of records.

    The pipeline is checked whole before anything is read. Its steps run in order; counts of what they
    flagged are shown, and what they assumed or left out. Records that a check does not let pass go to a file of
    their own beside the output, with the reasons, and the exit code is 1.

    Example: `workbench run catalogs/pipelines/scada_quality.yaml --input la_haute_borne.scada --output flagged.nc`
    """
    from rich.table import Table

    from workbench.catalog import open_catalog
    from workbench.catalog.export import check_goal, write
    from workbench.cli._console import cells, plain
    from workbench.cli._console import console as screen
    from workbench.model.quality import count_flags
    from workbench.pipelines import load_pipeline
    from workbench.pipelines import run as run_pipeline
    from workbench.pipelines.recordfiles import is_record_file
    from workbench.pipelines.run import works_on
    from workbench.steps import remarks

    console = screen(stderr=True)
    pipeline = load_pipeline(spec)
    if is_record_file(source) and all("records" in works_on(one.step.function) for one in pipeline.steps):
        raise typer.Exit(_records(pipeline, source, output, overwrite=overwrite))
    check_goal(output, overwrite=overwrite)
    data = open_catalog()[source].read(time=slice(start or None, end or None) if start or end else None)
    with console.status(f"{plain(pipeline.name)} …") as status, remarks() as told:
        result = run_pipeline(pipeline, data, tell=lambda one: status.update(f"{one.step.name} …"))
        write(result, output, overwrite=overwrite)
    for each in told:
        console.print(each, markup=False, highlight=False)
    table = Table("variable", "flag", "values", title="Flagged", title_justify="left", box=None, pad_edge=False)
    for name, flags in count_flags(result).items():
        for flag, number in flags.items():
            table.add_row(*cells(name, flag, f"{number:,}"))
    console.print(table)
    sizes = ", ".join(f"{name} {size:,}" for name, size in result.sizes.items())
    console.print(f"{output}: {len(result.data_vars)} variables over {sizes}", markup=False)


def _records(pipeline: Pipeline, source: str, output: Path, *, overwrite: bool) -> int:
    """Run a pipeline on a file of records; 1 where some were kept aside."""
    import polars as pl

    from workbench.cli._console import console as screen
    from workbench.cli._console import plain
    from workbench.pipelines import run as run_pipeline
    from workbench.pipelines.recordfiles import check_record_goal, read_records, write_records
    from workbench.steps import remarks
    from workbench.transforms.record_checks import split_rejected

    console = screen(stderr=True)
    aside = output.with_name(f"{output.stem}.rejected{output.suffix}")
    check_record_goal(output, overwrite=overwrite)
    check_record_goal(aside, overwrite=overwrite)
    data = read_records(source)
    with console.status(f"{plain(pipeline.name)} …") as status, remarks() as told:
        result = run_pipeline(pipeline, data, tell=lambda one: status.update(f"{one.step.name} …"))
        # One plan for all: what both parts share is worked out once.
        before, good, bad = pl.collect_all([data.select(pl.len()), *split_rejected(result)])
        if bad.height:
            write_records(bad, aside, overwrite=overwrite)
        elif overwrite:
            aside.unlink(missing_ok=True)
        write_records(good, output, overwrite=overwrite)
    for each in told:
        console.print(each, markup=False, highlight=False)
    console.print(f"{output}: {good.height:,} records out of {before.item():,}", markup=False, highlight=False)
    if bad.height:
        console.print(f"{aside}: {bad.height:,} records kept aside, with the reasons", markup=False, highlight=False)
    return 1 if bad.height else 0
