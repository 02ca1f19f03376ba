"""Runs a report: its notebook with parameters, then HTML, PDF and the manifest.

The same report run again for the same period on the same data gives the same numbers. Nothing half-written is
left: everything is made in a folder of its own and moved when it is whole; of a run that fails, the notebook stays
as far as it got.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError
from workbench.project import Project, find_project
from workbench.reports.definition import ReportDefinition, Value, find_report

if TYPE_CHECKING:
    import pandas as pd

    from workbench.model.assets import Portfolio, Site


class ReportFailed(Exception):  # noqa: N818  it has
    """A cell of a report's notebook raised, its kernel died, or its page could not be made.

    ``cell`` counts from 1 over all cells of ``notebook``, which is the run as far as it got; 0 where all of
    them ran.
    """

    def __init__(self, report: str, cell: int, line: str, error: str, notebook: Path) -> None:
        self.report, self.cell, self.line, self.error, self.notebook = report, cell, line, error, notebook
        where = f"in cell {cell}\n  line:     {line}" if cell else "after its last cell"
        super().__init__(f"the report {report} stopped {where}\n  error:    {error}\n  notebook: {notebook}")


@dataclass
class ReportRun:
    """What a run has made."""

    folder: Path
    files: dict[str, Path]  #: ``notebook``, ``html``, ``pdf``, ``manifest``
    manifest: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def run_report(
    name: str,
    *,
    period: str,
    site: str | None = None,
    out: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
    pdf: bool = True,
    project: Project | None = None,
    progress: bool = False,
    now: pd.Timestamp | None = None,
) -> ReportRun:
    """Run a report for a period.

    Parameters
    ----------
    name
        Of the report.
    period
        Of the calendar of the site: ``2015``, ``2015-06``, ``2015-06-03``, ``start/end``, ``yesterday``, …; words are
        turned into dates before anything runs, so that the run can be repeated.
    site
        Short for the parameter ``site``.
    out
        Folder for the files; ``out/<name>/<site>-<period>`` of the project if left out.
    parameters
        Others than site and period.
    pdf
        Whether to print the PDF; needs Chromium.
    progress
        Show a bar of cells on standard error, and how far the functions called in a cell are.
    now
        The present, for periods that count from it.

    Raises
    ------
    InputError
        The report, the period or a parameter is wrong; nothing was run.
    ReportFailed
        A cell raised; the notebook is there as far as it got.
    """
    project = project or find_project()
    definition = find_report(project.reports, name)
    given = dict(parameters or {})
    if site is not None:
        if "site" not in definition.parameters:
            raise InputError(f"the report {name} takes no site", where="site", found=site)
        given["site"] = site
    values = definition.check(given)
    from workbench.model.assets import load_portfolio

    portfolio = load_portfolio(project.portfolio)
    sites = _sites(definition, values, portfolio)
    fixed = fixed_period(period, sites, now=now)
    label = "-".join(part for part in (str(values.get("site", "")), fixed.replace("/", "_").replace(":", "")) if part)
    folder = Path(out) if out is not None else project.out / name / label
    if folder.exists() and not folder.is_dir():
        raise InputError("not a folder", where="out", found=folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(definition, {**values, "period": fixed}, sites, fixed, folder, project)
    with _recorded(project, definition.name, run.parameters) as detail:
        result = run.make(pdf=pdf, progress=progress)
        detail["folder"] = str(result.folder)
        detail["outputs"] = {one["file"]: one["sha256"] for one in result.manifest["outputs"]}
    return result


def _sites(definition: ReportDefinition, values: Mapping[str, Value], portfolio: Portfolio) -> list[Site]:
    """The sites a run is about."""
    wanted = str(values.get("site", ""))
    kinds = definition.site_kinds
    if not wanted:
        return [one for one in portfolio.sites.values() if kinds is None or one.kind in kinds]
    site = portfolio.site(wanted)
    if kinds is not None and site.kind not in kinds:
        fitting = [one.id for one in portfolio.sites.values() if one.kind in kinds]
        raise InputError(
            f"the report {definition.name} is not for a site of kind {site.kind}",
            where="site",
            found=wanted,
            expected=", ".join(fitting),
        )
    return [site]


def fixed_period(text: str, sites: Sequence[Site], *, now: pd.Timestamp | None = None) -> str:
    """``text`` as a period that means the same tomorrow.

    A word such as ``yesterday`` becomes a date. Where several sites are reported on, the earliest of their dates is
    taken, so that a day is over everywhere.

    Raises
    ------
    InputError
        It is no period.
    """
    from workbench.model.time import parse_period

    zones = sorted({site.timezone for site in sites}) or ["UTC"]
    spelled = text.strip()
    spans = [(parse_period(spelled, tz, now=now), tz) for tz in zones]
    if spelled[:1].isdigit() and "P" not in spelled:
        return spelled
    (start, end), tz = min(spans, key=lambda one: one[0][0].tz_localize("UTC").tz_convert(one[1]).tz_localize(None))
    first, last = (moment.tz_localize("UTC").tz_convert(tz).tz_localize(None) for moment in (start, end))
    if first == first.normalize() and last == last.normalize():
        import pandas as pd

        for pattern, begins, step in (
            ("%Y-%m-%d", True, pd.DateOffset(days=1)),
            ("%Y-%m", first.day == 1, pd.DateOffset(months=1)),
            ("%Y", first.day == 1 and first.month == 1, pd.DateOffset(years=1)),
        ):
            if begins and first + step == last:
                return str(first.strftime(pattern))
        return f"{first:%Y-%m-%d}/{last:%Y-%m-%d}"
    return f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"


@contextlib.contextmanager
def _recorded(project: Project, name: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Note the run among the records, where there is a store; yields the detail to note with it."""
    detail: dict[str, Any] = {}
    if not project.store.is_dir():
        yield detail
        return
    from workbench.store import Records

    records = Records(project.store / "records.sqlite")
    run = records.start_run("report", name, parameters)
    try:
        yield detail
    except BaseException as error:
        records.end_run(run, "failed", {"error": str(error)[:2000] or type(error).__name__})
        raise
    else:
        records.end_run(run, "done", detail)
    finally:
        records.close()


def _first_line(source: str) -> str:
    """The first line of a cell that is no comment."""
    lines = [line for line in str(source).splitlines() if line.strip()]
    return next((line for line in lines if not line.lstrip().startswith("#")), "")


def _nbformat() -> Any:
    import nbformat

    return nbformat


@dataclass
class _Run:
    """One run under way."""

    definition: ReportDefinition
    parameters: dict[str, Value]
    sites: list[Site]
    period: str
    folder: Path
    project: Project

    def make(self, *, pdf: bool, progress: bool) -> ReportRun:
        from workbench.reports.manifest import build_manifest, gather

        name, wanted = self.definition.name, self.definition.outputs
        started = time.time_ns()
        warnings: list[str] = []
        # beside the goal, so that moving the files is a rename
        with tempfile.TemporaryDirectory(prefix=".report-", dir=self.folder) as scratch:
            made = Path(scratch)
            notebook = self._execute(made / f"{name}.ipynb", progress=progress)
            figures, inputs = gather(notebook)
            if "html" in wanted or ("pdf" in wanted and pdf):
                try:
                    self._write_html(notebook, made / f"{name}.html")
                except Exception as error:
                    kept = self._keep(notebook, made)
                    raise ReportFailed(name, 0, "", f"{type(error).__name__}: {error}", kept) from error
            if "pdf" in wanted and pdf:
                problem = self._print(made / f"{name}.html", made / f"{name}.pdf")
                warnings += [problem] if problem else []
            files: dict[str, str] = {"notebook": f"{name}.ipynb", "html": f"{name}.html", "pdf": f"{name}.pdf"}
            there: dict[str, str] = {
                kind: file for kind, file in files.items() if kind in map(str, wanted) and (made / file).exists()
            }
            manifest = build_manifest(
                self.definition,
                parameters=self.parameters,
                sites=self.sites,
                period=self.period,
                figures=figures,
                inputs=inputs,
                outputs=[made / file for file in there.values()],
                started=started,
                warnings=warnings,
            )
            return ReportRun(self.folder, self._place(made, there, manifest), manifest, warnings)

    def _execute(self, path: Path, *, progress: bool) -> Any:
        """The executed notebook; of one that fails, what there is moves to the goal."""
        import logging

        import papermill

        from workbench.reports.watch import watched

        nbformat = _nbformat()

        logging.getLogger("papermill").setLevel(logging.ERROR)
        source = nbformat.read(self.definition.notebook_path, as_version=4)
        for cell in source.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        clean = path.with_suffix(".source.ipynb")
        nbformat.write(source, clean)
        try:
            with watched(path.with_suffix(".progress")) if progress else contextlib.nullcontext() as engine:
                papermill.execute_notebook(
                    clean,
                    path,
                    parameters=self.parameters,
                    kernel_name="python3",
                    engine_name=engine,
                    progress_bar=progress,
                    extra_arguments=["--log-level=40"],  # the kernel's own remarks are not the user's
                )
        except papermill.PapermillExecutionError as error:
            raise self._failed(path, error) from None
        except BaseException as error:
            # The kernel died (out of memory, say) or somebody pressed Ctrl-C: papermill saved after each cell.
            failed = self._broken_off(path, error)
            if failed is None or not isinstance(error, Exception):
                raise
            raise failed from error
        finally:
            clean.unlink(missing_ok=True)
        notebook = nbformat.read(path, as_version=4)
        # where papermill ran says nothing about the report
        notebook.metadata.pop("papermill", None)
        for cell in notebook.cells:
            cell.metadata.pop("papermill", None)
        nbformat.write(notebook, path)
        return notebook

    def _failed(self, path: Path, error: Any) -> ReportFailed:
        notebook = _nbformat().read(path, as_version=4)
        # papermill puts marks of its own before the cell that raised; the number is that without them
        notebook.cells = [
            cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
        ]
        raised = (any(out.output_type == "error" for out in cell.get("outputs", [])) for cell in notebook.cells)
        number = next((i for i, it in enumerate(raised, 1) if it), 0)
        message = f"{error.ename}: {str(error.evalue).strip()}"
        return ReportFailed(
            self.definition.name, number, _first_line(error.source), message, self._keep(notebook, path.parent)
        )

    def _broken_off(self, path: Path, error: BaseException) -> ReportFailed | None:
        """The failure of a run that ended in the middle; None where nothing was run yet."""
        if not path.exists():
            return None
        notebook = _nbformat().read(path, as_version=4)
        states = [cell.metadata.get("papermill", {}).get("status") for cell in notebook.cells]
        number = max((i for i, state in enumerate(states, 1) if state not in (None, "pending")), default=0)
        line = _first_line(notebook.cells[number - 1].source) if number else ""
        message = f"{type(error).__name__}: {error}".removesuffix(": ")
        return ReportFailed(self.definition.name, number, line, message, self._keep(notebook, path.parent))

    def _keep(self, notebook: Any, beside: Path) -> Path:
        """Keep the notebook of a run that failed, by way of the folder ``beside``; returns where."""
        goal = self.folder / f"{self.definition.name}.failed.ipynb"
        part = beside / goal.name
        notebook.metadata.pop("papermill", None)
        _nbformat().write(notebook, part)
        part.replace(goal)
        return goal

    def _write_html(self, notebook: Any, path: Path) -> None:
        from workbench.reports.export import to_html

        path.write_text(to_html(notebook, title=self.headline, footer=self.headline), encoding="utf-8")

    @property
    def headline(self) -> str:
        """Title for window, head and foot of pages."""
        about = self.sites[0].name if len(self.sites) == 1 else "Portfolio"
        return f"{self.definition.title} · {about} · {self.period}"

    def _print(self, html: Path, pdf: Path) -> str | None:
        """Print the PDF; returns why there is none, for a warning."""
        from workbench.reports.export import find_browser, to_pdf

        browser = find_browser()
        if browser is None:
            return "no PDF: Chromium was not found; install it, or name it with WORKBENCH_CHROMIUM"
        try:
            to_pdf(html, pdf, browser=browser, header=self.definition.title, footer=self.headline)
        except RuntimeError as error:
            pdf.unlink(missing_ok=True)
            return f"no PDF: {browser} could not print it: {error}"
        return None

    def _place(self, made: Path, there: Mapping[str, str], manifest: Mapping[str, Any]) -> dict[str, Path]:
        """Move what was made to its folder, the manifest last; what an earlier run left and this one has not goes."""
        import orjson

        goal = self.folder
        files = {kind: goal / file for kind, file in there.items()}
        for kind, suffix in (("notebook", "ipynb"), ("html", "html"), ("pdf", "pdf"), ("failed", "failed.ipynb")):
            old = goal / f"{self.definition.name}.{suffix}"
            if kind not in there:
                old.unlink(missing_ok=True)
        for kind, file in there.items():
            (made / file).replace(files[kind])
        if "manifest" in self.definition.outputs:
            part = made / f"manifest.{uuid.uuid4().hex[:8]}.json"
            part.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY) + b"\n")
            files["manifest"] = goal / "manifest.json"
            shutil.move(part, files["manifest"])
        return files
