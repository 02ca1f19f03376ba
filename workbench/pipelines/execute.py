"""One run of a pipeline from its input to its output, with a record of both."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.content import content_hash, file_hash
from workbench.model.errors import InputError, InputErrors
from workbench.pipelines import lineage
from workbench.pipelines.inputs import Opened, open_input, wanted_kind
from workbench.pipelines.needed import needed_fields
from workbench.pipelines.outputs import Goal, open_goal, write_split, write_telemetry
from workbench.pipelines.plan import plan
from workbench.pipelines.run import stages
from workbench.pipelines.spec import Endpoint, Pipeline, PipelineStep
from workbench.steps import remarks

if TYPE_CHECKING:
    from workbench.catalog import Catalog
    from workbench.store import Records

Tell = Callable[[PipelineStep], None]


@dataclass
class RunReport:
    """What a run has done."""

    run: str  #: its id in the records
    pipeline: str
    counts: Mapping[str, Any] = field(default_factory=dict)  #: of the output
    steps: list[dict[str, Any]] = field(default_factory=list)  #: per step its type, and what went in and came out
    remarks: list[str] = field(default_factory=list)
    flagged: dict[str, dict[str, int]] = field(default_factory=dict)  #: variable to flag to number of values
    outputs: list[Path] = field(default_factory=list)
    aside: Path | None = None  #: where records that did not pass are kept, where there are any


def endpoint_name(one: Endpoint) -> str:
    """What a source or destination of a pipeline file stands for."""
    return one.connection or one.name


def named_source(pipeline: Pipeline) -> str:
    """The one source of a pipeline file. Raises InputError where it names none, or several."""
    if len(pipeline.sources) == 1:
        return endpoint_name(pipeline.sources[0])
    found = ", ".join(map(endpoint_name, pipeline.sources))
    raise InputError(
        "the pipeline does not say what it runs on",
        file=pipeline.file,
        where="sources",
        found=found or "none",
        expected="one source, or --input DATA",
    )


def named_destination(pipeline: Pipeline) -> str:
    """The destination of a pipeline file. Raises InputError where it names none."""
    if pipeline.destination is not None:
        return endpoint_name(pipeline.destination)
    raise InputError(
        "the pipeline does not say where its result goes",
        file=pipeline.file,
        where="destination",
        expected="a destination, or --output FILE",
    )


def execute(
    pipeline: Pipeline,
    source: str | None = None,
    output: str | None = None,
    *,
    start: str | None = None,
    end: str | None = None,
    overwrite: bool = False,
    catalog: Catalog | None = None,
    tell: Tell | None = None,
    days: Callable[[str], None] | None = None,
) -> RunReport:
    """Run ``pipeline`` from a source to an output, and leave a lineage record of it in the store's records.

    Parameters
    ----------
    source, output
        As :func:`open_input` and :func:`open_goal` take them; what the pipeline file names if left out.
    start, end
        Of telemetry [UTC], half-open.
    tell, days
        Called before each step; with the days of a result that are worked out.

    Raises
    ------
    InputError
        Nothing fits; what was there before is there still.
    """
    from workbench.catalog import open_catalog

    catalog = catalog if catalog is not None else open_catalog()
    if catalog.portfolio_errors:  # without the facts of its assets a pipeline would give something else
        raise InputErrors(catalog.portfolio_errors)
    source = source if source is not None else named_source(pipeline)
    kind = wanted_kind(pipeline, source, catalog)
    goal = open_goal(
        output if output is not None else named_destination(pipeline),
        kind,
        overwrite=overwrite or output is None,
        catalog=catalog,
    )
    if goal.folder is not None:
        from workbench.pipelines.incremental import advance

        if start or end:
            raise InputError("a result that is kept up to date takes no window", where="--start", found=start or end)
        return advance(pipeline, source, goal.folder, catalog=catalog, tell=days)
    fields = needed_fields(pipeline) if kind == "records" else None
    opened = open_input(source, kind, catalog=catalog, start=start, end=end, fields=fields)
    try:
        errors = plan(pipeline, opened.fields).errors
        if errors:
            raise errors[0]
        with recorded(pipeline, catalog, opened) as record, remarks() as told, other_sources(catalog, record.inputs):
            report = record.report
            report.remarks = told
            (_records if opened.records else _telemetry)(pipeline, opened, goal, record, tell)
        return report
    finally:
        opened.close()


@dataclass
class Record:
    """What is known of a run while it goes on."""

    report: RunReport
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)


def records_of(catalog: Catalog) -> Records:
    """The operational records beside the store."""
    from workbench.store import Records

    return Records(catalog.store / "records.sqlite")


@contextlib.contextmanager
def recorded(
    pipeline: Pipeline, catalog: Catalog, opened: Opened | None, *, window: tuple[str, str] | None = None
) -> Iterator[Record]:
    """Note a run among the records, with its lineage when it ends, however it ends."""
    record = Record(RunReport(str(uuid.uuid4()), pipeline.name))
    records = records_of(catalog)
    started = lineage.now()
    parameters = {"spec": lineage.spec_of(pipeline.file), "input": opened.name if opened else None}
    records.start_run("pipeline", pipeline.name, parameters, run=record.report.run)

    def event(status: str, error: str | None = None) -> dict[str, Any]:
        return lineage.run_event(
            run=record.report.run,
            status=status,
            job=pipeline.name,
            spec=lineage.spec_of(pipeline.file),
            started=started,
            ended=lineage.now(),
            inputs=record.inputs,
            outputs=record.outputs,
            steps=record.report.steps,
            remarks=record.report.remarks,
            window=window or (opened.window if opened else None),
            error=error,
        )

    try:
        yield record
    except BaseException as error:
        text = str(error)[:2000] or type(error).__name__
        records.end_run(record.report.run, "failed", {"error": text, "lineage": event("failed", text)})
        raise
    else:
        outputs = [one["name"] for one in record.outputs]
        records.end_run(record.report.run, "done", {"outputs": outputs, "lineage": event("done")})
    finally:
        records.close()


@contextlib.contextmanager
def other_sources(catalog: Catalog, inputs: list[dict[str, Any]] | None = None) -> Iterator[None]:
    """Let steps that bring in another source find it: an entry of the catalogs, a file, or telemetry of the store.

    A file of records is looked for from the working directory, then beside the catalogs. Telemetry is opened as the
    input of a pipeline is, all of its time. What was found is noted among ``inputs``.
    """
    from workbench.sources.recordfiles import read_records
    from workbench.transforms.other_sources import others

    def place(name: str) -> Path:
        beside = catalog.path if catalog.path.is_dir() else catalog.path.parent
        return Path(name) if Path(name).is_file() else beside / name

    def note(name: str, path: Path, fields: Iterable[str]) -> None:
        if inputs is not None and name not in [one["name"] for one in inputs]:
            kind = "entry" if name in catalog else "file"
            known = dict.fromkeys(fields, None)
            inputs.append(lineage.dataset(name, kind=kind, sha256=file_hash(path), fields=known, counts={}))

    def find(name: str) -> Any:
        if name in catalog:
            frame, (path,) = catalog[name].records(), catalog[name].reader().places()  # type: ignore[attr-defined]
        else:
            path = place(name)
            frame = read_records(path)
        note(name, path, frame.collect_schema().names())
        return frame

    def find_file(name: str) -> Path:
        path = place(name)
        if path.is_file():  # else the step says that it is not there
            note(name, path, ())
        return path

    with contextlib.ExitStack() as held:

        def telemetry(name: str) -> Any:
            opened = open_input(name, "telemetry", catalog=catalog)
            held.callback(opened.close)
            if inputs is not None and name not in [one["name"] for one in inputs]:
                inputs.append(input_dataset(opened))
            return opened.data

        with others(find, telemetry, find_file):
            yield


def input_dataset(opened: Opened) -> dict[str, Any]:
    """The lineage of what was read: the bytes of files, else the content."""
    import xarray as xr

    files = [path for path in opened.files if path.exists()]
    data = opened.data if isinstance(opened.data, xr.Dataset) else None
    if files and (opened.kind == "file" or data is None):
        sha = file_hash(files[0])
    else:
        sha = content_hash(data) if data is not None else ""
    counts = dict(data.sizes) if data is not None else {}
    return lineage.dataset(
        opened.name,
        kind=opened.kind,
        sha256=sha,
        fields=opened.fields,
        counts={str(name): size for name, size in counts.items()},
        window=opened.window,
        state=opened.snapshot,
    )


def _telemetry(pipeline: Pipeline, opened: Opened, goal: Goal, record: Record, tell: Tell | None) -> None:
    from workbench.model.quality import count_flags

    record.inputs.append(input_dataset(opened))
    found: Any = opened.data
    for one, made in stages(pipeline, found, tell=tell):
        record.report.steps.append({"type": one.step.name, "in": _size(found), "out": _size(made)})
        found = made
    # Before it is written: the goal may be what lazy data are still read from.
    record.report.flagged = count_flags(found)
    record.report.counts = write_telemetry(found, goal)
    fields = {str(name): array.attrs.get("units") for name, array in found.data_vars.items()}
    sha = file_hash(goal.file) if goal.file is not None else content_hash(found)
    record.outputs.append(
        lineage.dataset(
            goal.name,
            kind="file" if goal.file is not None else "store",
            sha256=sha,
            fields=fields,
            counts=record.report.counts,
        )
    )
    record.report.outputs = [goal.file] if goal.file is not None else []


def _size(data: Any) -> dict[str, int]:
    return {**{str(name): size for name, size in data.sizes.items()}, "variables": len(data.data_vars)}


def _records(pipeline: Pipeline, opened: Opened, goal: Goal, record: Record, tell: Tell | None) -> None:
    import polars as pl

    from workbench.transforms.record_checks import split_rejected

    record.inputs.append(input_dataset(opened))
    made = list(stages(pipeline, opened.data, tell=tell))
    frames = [opened.data, *(frame for _, frame in made)]
    # One plan for all: what the parts share is worked out once.
    *lengths, good, bad = pl.collect_all([*(frame.select(pl.len()) for frame in frames), *split_rejected(frames[-1])])
    counts = [{"records": int(one.item())} for one in lengths]
    record.inputs[0]["facets"]["workbench_content"]["counts"] = counts[0]
    for number, (one, _) in enumerate(made):
        record.report.steps.append({"type": one.step.name, "in": counts[number], "out": counts[number + 1]})
    record.report.counts = {**write_split(good, bad, goal), "from": counts[0]["records"]}
    aside = goal.aside() if bad.height else None
    for path, frame in ((goal.file, good), (aside, bad)):
        if path is not None:
            record.report.outputs.append(path)
            record.outputs.append(
                lineage.dataset(
                    str(path),
                    kind="file",
                    sha256=file_hash(path),
                    fields={name: str(dtype) for name, dtype in frame.schema.items()},
                    counts={"records": frame.height},
                )
            )
    record.report.aside = aside
