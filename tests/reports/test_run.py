from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from workbench.model.assets import load_portfolio
from workbench.model.content import file_hash
from workbench.model.errors import InputError
from workbench.reports import ReportFailed, run_report
from workbench.reports.run import fixed_period

SETUP = """\
import numpy as np
from workbench.reports import Report
from workbench.reports.document import Column, Figure
report = Report(period, site)
numbers = np.random.default_rng(count).normal(size=3)
"""
SHOWS = """\
report.title('Test', report.site.name, period, [('count', str(count))])
report.figures(Figure('mean', 'Mean', float(numbers.mean()), 'kW', 3), Figure('gone', 'Gone', None))
report.table([{'a': 'x', 'b': 1234.5}], [Column('a', 'A', text=True), Column('b', 'B', 'kWh', 1)], title='T')
report.note('Mind <this>.', warning=True)
"""
WRITES = (SETUP, "# Words with *emphasis*", SHOWS, "float(numbers.sum())")


def outputs(path: Path) -> list[object]:
    """What the cells of a notebook gave, without BokehJS."""
    cells = nbformat.read(path, as_version=4).cells
    return [[dict(one.get("data", {})) for one in cell.outputs] for cell in cells if cell.cell_type == "code"]


def test_a_run_gives_its_files_and_again_the_same_numbers(workshop, tmp_path: Path):
    workshop.write("small", *WRITES)
    workshop.project.store.mkdir(parents=True)
    first = run_report("small", period="2026-05", out=tmp_path / "one", parameters={"count": "7"}, pdf=False)
    second = run_report("small", period="2026-05", out=tmp_path / "two", parameters={"count": 7}, pdf=False)
    assert sorted(path.name for path in first.folder.iterdir()) == ["manifest.json", "small.html", "small.ipynb"]
    assert outputs(first.files["notebook"]) == outputs(second.files["notebook"])
    manifest = json.loads(first.files["manifest"].read_text())
    again = json.loads(second.files["manifest"].read_text())
    for key in ("parameters", "figures", "inputs", "windows", "notebook", "definition", "libraries"):
        assert manifest[key] == again[key], key
    assert manifest["parameters"] == {"site": "coastal_flats", "count": 7, "kind": "short", "period": "2026-05"}
    assert manifest["status"] == "done"
    assert manifest["windows"] == [
        {
            "site": "coastal_flats",
            "start": "2026-04-30T22:00:00Z",
            "end": "2026-05-31T22:00:00Z",
            "timezone": "Europe/Berlin",
        }
    ]
    mean, gone = manifest["figures"]
    assert (mean["name"], mean["units"], mean["site"]) == ("mean", "kW", "coastal_flats")
    assert isinstance(mean["value"], float)
    assert gone["value"] is None
    cell = nbformat.read(first.files["notebook"], as_version=4).cells[mean["cell"] - 1]
    assert "Figure('mean'" in cell.source  # the figure names the cell that made it
    for one in manifest["outputs"]:
        assert file_hash(first.folder / one["file"]) == one["sha256"]

    from workbench.store import Records

    records = Records(workshop.project.store / "records.sqlite")
    runs = records.runs("report", "small")
    records.close()
    assert runs["status"].to_list() == ["done", "done"]
    assert json.loads(runs["parameters"][0])["count"] == 7

    html = first.files["html"].read_text()  # shows the outputs, and folds the code away
    assert "<em>emphasis</em>" in html
    assert "Mind &lt;this&gt;." in html
    assert "1,234.5" in html
    assert html.count("<details") == html.count('class="wb-code"') > 3
    assert "site: str" not in html.split("<details")[0]


def test_a_run_that_fails_leaves_the_notebook_as_far_as_it_got(workshop, tmp_path: Path):
    workshop.write("small", "done = 1", "# Text", "\n# the part that breaks\nvalue = {}['missing']\nvalue", "after = 1")
    with pytest.raises(ReportFailed) as error:
        run_report("small", period="2026-05", out=tmp_path / "out", pdf=False)
    # parameters, injected parameters, done, Text, the one that breaks
    assert error.value.cell == 5
    assert error.value.line == "value = {}['missing']"
    assert "KeyError" in error.value.error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small.failed.ipynb"]
    cells = nbformat.read(error.value.notebook, as_version=4).cells
    assert cells[4].outputs[0].output_type == "error"
    assert cells[2].execution_count is not None
    assert cells[5].execution_count is None


def test_a_failure_leaves_the_good_files_of_an_earlier_run(workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from workbench.reports import export
    from workbench.store import Records

    # without a browser everything but the PDF is made
    monkeypatch.setattr(export, "_BROWSERS", ("no-such-browser",))
    monkeypatch.delenv("WORKBENCH_CHROMIUM", raising=False)
    workshop.write("small", "print(1)")
    (tmp_path / "small.failed.ipynb").write_text("of the day before")
    good = run_report("small", period="2026-05", out=tmp_path)
    assert sorted(good.files) == ["html", "manifest", "notebook"]
    assert any("Chromium" in warning for warning in good.warnings)
    assert json.loads(good.files["manifest"].read_text())["warnings"] == good.warnings
    assert not (tmp_path / "small.failed.ipynb").exists()

    kept = {path: file_hash(path) for path in good.files.values()}
    workshop.write("small", "raise ValueError('no')")
    workshop.project.store.mkdir(parents=True)
    with pytest.raises(ReportFailed):
        run_report("small", period="2026-05", out=tmp_path)
    assert {path: file_hash(path) for path in kept} == kept
    assert (tmp_path / "small.failed.ipynb").exists()
    records = Records(workshop.project.store / "records.sqlite")
    (status,) = records.runs("report", "small")["status"].to_list()
    records.close()
    assert status == "failed"


def test_a_kernel_that_dies_leaves_what_was_done(workshop, tmp_path: Path):
    workshop.write("small", "print('so far')", "# Then", "import os\nos._exit(1)")
    with pytest.raises(ReportFailed, match="stopped in cell 5") as told:
        run_report("small", period="2026-05", out=tmp_path / "out", project=workshop.project)
    assert told.value.line == "import os"
    kept = told.value.notebook.read_text()
    assert "so far" in kept
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small.failed.ipynb"]


def test_a_page_that_cannot_be_made_leaves_the_notebook(workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("no template")

    monkeypatch.setattr("workbench.reports.export.to_html", broken)
    workshop.write("small", *WRITES)
    with pytest.raises(ReportFailed, match=r"after its last cell\n.*no template"):
        run_report("small", period="2026-05", out=tmp_path, project=workshop.project)
    assert (tmp_path / "small.failed.ipynb").exists()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("smal", {}, "did you mean 'small'"),
        ("small", {"period": "2026-13"}, "2026-13"),
        ("small", {"period": "soon"}, "not a period"),
        ("small", {"site": "coastal_flat"}, "did you mean 'coastal_flats'"),
        ("small", {"parameters": {"kount": 1}}, "did you mean 'count'"),
        ("small", {"parameters": {"count": "x"}}, "not a whole number"),
    ],
)
def test_wrong_input_is_told_before_anything_is_made(workshop, tmp_path: Path, name, change, message):
    workshop.write("small", *WRITES)
    with pytest.raises(InputError, match=message):
        run_report(name, **{"period": "2026-05", "out": tmp_path / "out", **change})
    assert not (tmp_path / "out").exists()


def test_a_report_for_wind_farms_refuses_a_solar_plant(checkout: Path, tmp_path: Path):
    with pytest.raises(InputError, match="not for a site of kind solar_storage"):
        run_report("wind_farm", period="2026-05", site="sun_valley", out=tmp_path / "out")


def test_a_browser_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    from workbench.reports.export import find_browser

    monkeypatch.setenv("WORKBENCH_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(InputError, match="WORKBENCH_CHROMIUM"):
        find_browser()


NOW = pd.Timestamp("2026-03-29T05:00", tz="UTC")  # in California it is still the 28th


@pytest.mark.parametrize(
    ("text", "sites", "fixed"),
    [
        ("2026-03", ["coastal_flats"], "2026-03"),
        ("2026-03-01/2026-03-08", ["coastal_flats"], "2026-03-01/2026-03-08"),
        ("yesterday", ["coastal_flats"], "2026-03-28"),
        ("yesterday", ["sun_valley"], "2026-03-27"),
        ("yesterday", ["coastal_flats", "sun_valley"], "2026-03-27"),
        ("today", ["coastal_flats"], "2026-03-29"),
        ("last-month", ["coastal_flats"], "2026-02"),
        ("this-year", ["coastal_flats"], "2026"),
        ("P1D", ["coastal_flats"], "2026-03-28T06:00:00Z/2026-03-29T05:00:00Z"),
        ("2026-03-01/P7D", ["coastal_flats"], "2026-03-01/2026-03-08"),
    ],
)
def test_words_become_dates(checkout: Path, text, sites, fixed):
    portfolio = load_portfolio(checkout / "catalogs" / "portfolio")
    assert fixed_period(text, [portfolio.site(site) for site in sites], now=NOW) == fixed


def test_the_bar_of_cells_says_how_far_a_cell_is_and_the_report_does_not(workshop, tmp_path: Path, capsys):
    long = "import time\nfrom workbench.steps import progress\nprogress(1, 3, 'turbines')\ntime.sleep(1)"
    workshop.write("long", long, "1 + 1")
    shown = run_report("long", period="2026-05", out=tmp_path / "one", pdf=False, progress=True)
    assert "turbines 33 %" in capsys.readouterr().err
    silent = run_report("long", period="2026-05", out=tmp_path / "two", pdf=False)
    assert "turbines" not in capsys.readouterr().err

    first, second = (
        [(cell.source, cell.get("outputs")) for cell in nbformat.read(run.files["notebook"], as_version=4).cells]
        for run in (shown, silent)
    )
    assert first == second
    assert sorted(path.name for path in shown.folder.iterdir()) == ["long.html", "long.ipynb", "manifest.json"]
