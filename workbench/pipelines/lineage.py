"""What a run was made from and gave, as an OpenLineage run event (openlineage.io, specification 2-0-2)."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import workbench
from workbench.model.content import file_hash, versions

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
PRODUCER = f"urn:operations-workbench:{workbench.__version__}"
#: Libraries whose version may move a number.
LIBRARIES = ("numpy", "xarray", "pandas", "polars", "numba", "scipy", "scikit-learn", "icechunk")


def run_event(
    *,
    run: str,
    status: str,
    job: str,
    spec: Mapping[str, Any],
    started: int,
    ended: int,
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    remarks: Sequence[str] = (),
    window: tuple[str, str] | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """The event of a run that has ended.

    Parameters
    ----------
    run
        A UUID.
    status
        ``done`` or ``failed``.
    spec
        ``file`` and ``sha256`` of the pipeline.
    started, ended
        [ns since 1970 UTC]
    inputs, outputs
        :func:`dataset`.
    steps
        Per step its type, and what went in and came out.
    window
        First time asked for, and the one to stop before.
    """
    facets: dict[str, Any] = {
        "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", version=workbench.__version__, name="workbench"),
        "workbench_run": _facet(
            None,
            spec=dict(spec),
            steps=[dict(one) for one in steps],
            seconds=round((ended - started) / 1e9, 3),
            remarks=list(remarks),
            python=platform.python_version(),
            libraries=versions(LIBRARIES),
        ),
    }
    if window is not None and all(window):
        facets["nominalTime"] = _facet(
            "1-0-1/NominalTimeRunFacet", nominalStartTime=stamp(window[0]), nominalEndTime=stamp(window[1])
        )
    if error is not None:
        facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", message=error, programmingLanguage="Python")
    return {
        "eventType": "COMPLETE" if status == "done" else "FAIL",
        "eventTime": clock(ended),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run, "facets": facets},
        "job": {"namespace": "workbench", "name": job, "facets": {}},
        "inputs": [dict(one) for one in inputs],
        "outputs": [dict(one) for one in outputs],
    }


def dataset(
    name: str,
    *,
    kind: str,
    sha256: str,
    fields: Mapping[str, str | None],
    counts: Mapping[str, Any],
    window: tuple[str, str] | None = None,
    state: str = "",
) -> dict[str, Any]:
    """A dataset that was read or written.

    Parameters
    ----------
    kind
        ``file``, ``entry`` or ``store``: its namespace.
    sha256
        Of its content.
    fields
        Names and units.
    counts
        What it held.
    window
        First time, and the one to stop before.
    state
        Snapshot of the store.
    """
    facets = {
        "schema": _facet(
            "1-1-1/SchemaDatasetFacet", fields=[{"name": name, "type": unit or ""} for name, unit in fields.items()]
        ),
        "version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=state or sha256),
        "workbench_content": _facet(None, sha256=sha256, counts=dict(counts), window=list(window) if window else None),
    }
    return {"namespace": kind, "name": name, "facets": facets}


def _facet(schema: str | None, **fields: Any) -> dict[str, Any]:
    url = f"{PRODUCER}:facet" if schema is None else f"{_FACETS}/{schema}.json"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}


def clock(ns: int) -> str:
    """A time [ns since 1970 UTC] as ISO 8601."""
    return datetime.fromtimestamp(ns / 1e9, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp(text: str) -> str:
    """A time of UTC as ISO 8601 with its offset."""
    import pandas as pd

    moment = pd.Timestamp(text)
    moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    return moment.isoformat().replace("+00:00", "Z")


def spec_of(path: Path | None) -> dict[str, Any]:
    """File name and hash of a pipeline file."""
    return {} if path is None else {"file": path.name, "sha256": file_hash(path)}


def now() -> int:
    """[ns since 1970 UTC]"""
    return time.time_ns()
