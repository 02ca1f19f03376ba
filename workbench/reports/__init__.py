"""Reports: notebooks with typed parameters, run for a period into HTML, PDF and a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.reports.definition import ReportDefinition as ReportDefinition
    from workbench.reports.definition import load_reports as load_reports
    from workbench.reports.document import Report as Report
    from workbench.reports.run import ReportFailed as ReportFailed
    from workbench.reports.run import ReportRun as ReportRun
    from workbench.reports.run import run_report as run_report

_WHERE = {
    "Report": "document",
    "ReportDefinition": "definition",
    "ReportFailed": "run",
    "ReportRun": "run",
    "load_reports": "definition",
    "run_report": "run",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    # a notebook that writes a report does not wait for papermill, nor a list of reports for xarray
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"workbench.reports.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
