"""What a run of a report rests on, so that any figure in it can be traced."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.content import file_hash, versions
from workbench.reports.document import FIGURES_MIME, INPUT_MIME

if TYPE_CHECKING:
    from workbench.model.assets import Site
    from workbench.reports.definition import ReportDefinition, Value

#: Libraries whose version may move a number or a picture.
LIBRARIES = (
    "numpy",
    "xarray",
    "pandas",
    "polars",
    "scipy",
    "bokeh",
    "nbconvert",
    "papermill",
    "icechunk",
    "playwright",
)


def gather(notebook: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Key figures and inputs that the cells of an executed notebook noted, each with the number of its cell."""
    figures: list[dict[str, Any]] = []
    inputs: list[dict[str, Any]] = []
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            figures += [{**one, "cell": number} for one in data.get(FIGURES_MIME, {}).get("figures", [])]
            if INPUT_MIME in data:
                inputs.append({**data[INPUT_MIME], "cell": number})
    return figures, inputs


def build_manifest(
    definition: ReportDefinition,
    *,
    parameters: Mapping[str, Value],
    sites: Sequence[Site],
    period: str,
    figures: Sequence[Mapping[str, Any]],
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Path],
    started: int,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The manifest of a run that is done.

    Parameters
    ----------
    started
        ns since 1970 UTC.
    """
    import workbench
    from workbench.model.time import parse_period

    ended = time.time_ns()
    windows = []
    for site in sites:
        start, end = parse_period(period, site.timezone)
        windows.append({"site": site.id, "start": _iso(start), "end": _iso(end), "timezone": site.timezone})
    return {
        "report": definition.name,
        "title": definition.title,
        "status": "done",
        "started": _clock(started),
        "ended": _clock(ended),
        "seconds": round((ended - started) / 1e9, 1),
        "parameters": dict(parameters),
        "period": period,
        "windows": windows,
        "recipients": list(definition.recipients),
        "figures": [dict(one) for one in figures],
        "inputs": [dict(one) for one in inputs],
        "notebook": {"file": definition.notebook, "sha256": file_hash(definition.notebook_path)},
        "definition": {"file": definition.path.name, "sha256": file_hash(definition.path)},
        "outputs": [{"file": one.name, "bytes": one.stat().st_size, "sha256": file_hash(one)} for one in outputs],
        "workbench": workbench.__version__,
        "python": platform.python_version(),
        "libraries": versions(LIBRARIES),
        "warnings": list(warnings),
    }


def _iso(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _clock(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
