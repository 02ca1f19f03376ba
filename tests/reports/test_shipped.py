"""The reports that ship, run whole: on the real wind farm, and on a store with a simulated past."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from workbench.analytics import kpi
from workbench.model.time import parse_period
from workbench.reports import ReportRun, run_report
from workbench.reports.export import find_browser

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def patch():
    patch = pytest.MonkeyPatch()
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def wind_farm(test_data: Path, checkout: Path, tmp_path_factory, require, patch) -> ReportRun:
    require((test_data / "wind" / "la_haute_borne.zip").exists(), "la_haute_borne.zip is not among the test data")
    patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    patch.setenv("WORKBENCH_STORE", str(tmp_path_factory.mktemp("none") / "store"))
    return run_report("wind_farm", period="2015-06", site="la_haute_borne", out=tmp_path_factory.mktemp("wind_farm"))


@pytest.fixture(scope="module")
def performance(test_data: Path, checkout: Path, tmp_path_factory, patch) -> ReportRun:
    patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    patch.setenv("WORKBENCH_STORE", str(tmp_path_factory.mktemp("none") / "store"))
    given = {"assessment_net_energy": 13.1, "assessment_losses": "availability 3 %, electrical 2 %, wake 6 %"}
    return run_report(
        "wind_performance",
        parameters=given,
        period="2015-06",
        site="la_haute_borne",
        out=tmp_path_factory.mktemp("wind"),
    )


@pytest.fixture(scope="module")
def daily(checkout: Path, sample: Path, tmp_path_factory, patch) -> ReportRun:
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    patch.setenv("WORKBENCH_STORE", str(sample))
    return run_report("daily_operations", period="2026-06-15", out=tmp_path_factory.mktemp("daily"))


def figure(run: ReportRun, name: str, site: str | None = None) -> float:
    (found,) = [one for one in run.manifest["figures"] if one["name"] == name and one["site"] == site]
    return found["value"]


def test_the_wind_farm_report_has_the_figures_of_its_data(wind_farm: ReportRun, haute_borne_june):
    turbines, window = haute_borne_june
    energy = kpi.energy(turbines, window=window)
    assert figure(wind_farm, "energy", "la_haute_borne") == pytest.approx(float(energy["energy"].sum()) / 1e3)
    assert figure(wind_farm, "completeness", "la_haute_borne") == pytest.approx(float(energy["completeness"].mean()))
    assert figure(wind_farm, "electrical_loss", "la_haute_borne") == pytest.approx(0.02, abs=0.001)
    assert 0.9 < figure(wind_farm, "availability", "la_haute_borne") < 1
    names = [one["name"] for one in wind_farm.manifest["inputs"]]
    assert names == ["la_haute_borne.scada", "la_haute_borne.plant"]
    assert wind_farm.manifest["inputs"][0]["slots"] == 30 * 144
    assert wind_farm.manifest["warnings"] == []


@pytest.fixture(scope="module")
def haute_borne_june(test_data: Path, checkout: Path, patch) -> tuple[Any, Any]:
    from workbench.catalog import open_catalog
    from workbench.transforms.quality import flag_quality

    patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    window = parse_period("2015-06", "Europe/Paris")
    catalog = open_catalog(checkout / "catalogs")
    return flag_quality(catalog["la_haute_borne.scada"].open(time=slice(*window))), window


def test_run_again_it_gives_the_same_numbers(wind_farm: ReportRun, tmp_path: Path):
    again = run_report("wind_farm", period="2015-06", site="la_haute_borne", out=tmp_path, pdf=False)
    for key in ("figures", "inputs", "parameters", "windows"):
        assert again.manifest[key] == wind_farm.manifest[key]

    def told(run: ReportRun) -> list[str]:
        cells = nbformat.read(run.files["notebook"], as_version=4).cells
        return [out["data"].get("text/plain", "") for cell in cells for out in cell.get("outputs", []) if "data" in out]

    assert told(again) == told(wind_farm)
    assert sum(len(text) for text in told(again)) > 3000  # tables are among them


def test_the_executed_notebook_names_no_machine(wind_farm: ReportRun, checkout: Path):
    text = wind_farm.files["notebook"].read_text()
    assert str(checkout) not in text
    assert "/tmp/" not in text


def browse(html: Path, script: str, *, width: int = 1100) -> tuple[Any, list[str], list[str]]:
    """The value of ``script`` on the page once its plots are drawn, what it asked for, and what went wrong."""
    from playwright.sync_api import sync_playwright

    from workbench.reports.export import _DRAWN

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(html.resolve().as_uri())
        page.wait_for_function(_DRAWN, timeout=90_000)
        value = page.evaluate(script)
        chromium.close()
    return value, [url for url in asked if not url.startswith(("file:", "data:", "blob:"))], wrong


_FRAMES = """() => Bokeh.index.roots.filter((v) => v.frame).map((v) => [v.frame.bbox.width, v.frame.bbox.height])"""


@pytest.mark.parametrize("which", ["wind_farm", "performance", "daily"])
def test_the_page_opens_offline_with_every_plot_drawn(which: str, request: pytest.FixtureRequest, require):
    require(find_browser(), "no Chromium on this machine")
    run: ReportRun = request.getfixturevalue(which)
    frames, asked, wrong = browse(run.files["html"], _FRAMES)
    assert asked == []
    assert wrong == []
    assert len(frames) >= 9
    assert all(width > 100 and height > 60 for width, height in frames)


@pytest.mark.parametrize("which", ["wind_farm", "performance", "daily"])
def test_nothing_is_wider_than_the_page(which: str, request: pytest.FixtureRequest, require):
    require(find_browser(), "no Chromium on this machine")
    run: ReportRun = request.getfixturevalue(which)
    for width in (688, 1100):  # paper, screen
        wide, _, _ = browse(run.files["html"], "() => document.documentElement.scrollWidth", width=width)
        assert wide <= width


def test_the_pdf_has_its_words_and_page_numbers(wind_farm: ReportRun, require):
    require(find_browser(), "no Chromium on this machine")
    require(shutil.which("pdftotext"), "pdftotext is not installed")
    import subprocess

    text = subprocess.run(
        ["pdftotext", "-layout", wind_farm.files["pdf"], "-"], capture_output=True, text=True, check=True
    ).stdout
    pages = text.split("\f")[:-1]
    assert 4 <= len(pages) <= 12
    for number, page in enumerate(pages, start=1):
        assert re.search(rf"\b{number} ?/ ?{len(pages)}\b", page)
    assert "La Haute Borne" in pages[0]
    assert "Electrical loss" in text
    assert "How each figure was computed" in text


def test_the_performance_report_tells_what_was_lost_and_what_is_to_come(performance: ReportRun, haute_borne_june):
    turbines, window = haute_borne_june
    made = float(kpi.energy(turbines, window=window)["energy"].sum()) / 1e3
    # slots whose potential nobody tells are in neither sum
    assert figure(performance, "actual_energy", "la_haute_borne") == pytest.approx(made, rel=0.01)
    assert -0.05 < figure(performance, "lost_share", "la_haute_borne") < 0.1
    assert 0.95 < figure(performance, "availability", "la_haute_borne") < 1
    assert 11 < figure(performance, "p90", "la_haute_borne") + 1 < figure(performance, "p50", "la_haute_borne") < 14
    names = {one["name"] for one in performance.manifest["inputs"]}
    assert names == {f"la_haute_borne.{name}" for name in ("scada", "plant", "era5", "merra2")}
    text = re.sub(r"<details.*?</details>", "", performance.files["html"].read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "Not told:" not in text
    assert "Not to be told:" not in text
    assert "between the changes of the clock of Europe/Paris" in text  # of the record: daylight saving
    for bar in ("Wind and turbines", "Unexplained", "Loss as assessed"):
        assert bar in text
    for section in (
        "Losses",
        "Long-term yield",
        "Gap to the assessment",
        "Power curves",
        "Wakes",
        "Yaw",
        "Degradation",
        "Data quality",
        "Settings",
    ):
        assert f">{section}</h2>" in text


def test_the_performance_report_of_a_farm_without_meter_and_reanalysis_says_why(
    checkout: Path, sample: Path, tmp_path: Path, patch
):
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    patch.setenv("WORKBENCH_STORE", str(sample))
    run = run_report("wind_performance", period="2026-06-15", site="coastal_flats", out=tmp_path, pdf=False)
    text = run.files["html"].read_text(encoding="utf-8")
    assert figure(run, "actual_energy", "coastal_flats") > 0
    assert "no entry of the driver reanalysis in the catalog of the site" in text
    assert "No assessment from before the plant was built was given" in text
    assert "without a reanalysis a shift that all turbines share cannot be seen" in text
    assert all(one["name"] not in ("p50", "p90") for one in run.manifest["figures"])
    assert "nan" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL).lower().split("<body")[1].split()


def test_the_performance_report_of_one_turbine_compares_it_with_nobody(
    checkout: Path, sample: Path, tmp_path: Path, patch
):
    for folder in ("catalogs", "reports"):
        shutil.copytree(checkout / folder, tmp_path / "project" / folder)
    site = tmp_path / "project" / "catalogs" / "portfolio" / "coastal_flats.yaml"
    site.write_text(re.sub(r"  - {id: CF-T0[234].*\n", "", site.read_text()))
    patch.setenv("WORKBENCH_PROJECT", str(tmp_path / "project"))
    patch.setenv("WORKBENCH_STORE", str(sample))
    run = run_report("wind_performance", period="2026-06-15", site="coastal_flats", out=tmp_path / "out", pdf=False)
    text = re.sub(r"<script.*?</script>", "", run.files["html"].read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"<details.*?</details>|<[^>]*>", "", text.split("<body")[1], flags=re.DOTALL)  # without the code
    assert "CF-T01 was available" in text
    assert "available least" not in text
    assert "there are no neighbours to tell it" in text
    assert "A turbine alone has none." in text
    assert "weighted by their errors" not in text


def test_the_daily_report_has_the_figures_of_the_store(daily: ReportRun, sample: Path):
    from workbench.catalog import open_portfolio
    from workbench.catalog.site import SiteView

    portfolio = open_portfolio()
    energy = 0.0
    for site, series, power in (("coastal_flats", "wind_turbine/10min", "power_output"),
                                ("sun_valley", "inverter/10min", "total_ac_power")):  # fmt: skip
        start, end = parse_period("2026-06-15", portfolio.site(site).timezone)
        data = SiteView(site, portfolio, sample).telemetry(series, time=slice(start, end), variables=[power])
        part = float(data[power].sum()) / 6e3
        assert figure(daily, "energy", site) == pytest.approx(part, rel=0.002)  # a few samples were bad
        energy += part
    assert figure(daily, "energy") == pytest.approx(energy, rel=0.002)
    assert figure(daily, "completeness") > 0.99
    assert figure(daily, "battery_throughput") > 0
    windows = {one["site"]: one["start"] for one in daily.manifest["windows"]}
    assert windows["coastal_flats"] == "2026-06-14T22:00:00Z"
    assert windows["sun_valley"] == "2026-06-15T07:00:00Z"
    assert json.loads(daily.files["manifest"].read_text())["status"] == "done"
