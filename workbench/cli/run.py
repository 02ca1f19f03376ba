"""``workbench run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The pipeline: a YAML or JSON file.")],
    source: Annotated[str, typer.Option("--input", metavar="ENTRY", help="A catalog entry to read from.")],
    output: Annotated[
        Path, typer.Option("--output", "--out", metavar="FILE", help="Where to: .nc, .parquet, .csv or .zarr.")
    ],
    start: Annotated[str, typer.Option(help="First time wanted [UTC].")] = "",
    end: Annotated[str, typer.Option(help="Time to stop before [UTC].")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Run a pipeline on an entry of the catalogs.

    The pipeline is checked whole before anything is read. Its steps run in order; counts of what they
    flagged are shown.

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

    console = screen(stderr=True)
    pipeline = load_pipeline(spec)
    check_goal(output, overwrite=overwrite)
    data = open_catalog()[source].read(time=slice(start or None, end or None) if start or end else None)
    with console.status(f"{plain(pipeline.name)} …") as status:
        result = run_pipeline(pipeline, data, tell=lambda one: status.update(f"{one.step.name} …"))
        write(result, output, overwrite=overwrite)
    table = Table("variable", "flag", "values", title="Flagged", title_justify="left", box=None, pad_edge=False)
    for name, flags in count_flags(result).items():
        for flag, number in flags.items():
            table.add_row(*cells(name, flag, f"{number:,}"))
    console.print(table)
    sizes = ", ".join(f"{name} {size:,}" for name, size in result.sizes.items())
    console.print(f"{output}: {len(result.data_vars)} variables over {sizes}", markup=False)
