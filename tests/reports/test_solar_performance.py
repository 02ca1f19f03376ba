"""The report on solar performance, run whole on a store with two simulated days."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from workbench.analytics import solar
from workbench.model.errors import InputError
from workbench.reports import ReportRun, run_report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DAY = "2026-06-15"


@pytest.fixture(scope="module")
def run(checkout: Path, sample: Path, tmp_path_factory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    patch.setenv("WORKBENCH_STORE", str(sample))
    given = {"price": 80.0, "cleaning_cost": 50.0}
    out = tmp_path_factory.mktemp("solar")
    yield run_report("solar_performance", period=DAY, site="sun_valley", parameters=given, out=out, pdf=False)
    patch.undo()


def figure(run: ReportRun, name: str) -> float:
    (found,) = [one for one in run.manifest["figures"] if one["name"] == name]
    return found["value"]


def test_it_has_the_figures_of_the_store(run: ReportRun, sample: Path):
    from workbench.catalog import open_catalog
    from workbench.catalog.site import SiteView
    from workbench.catalog.solar_plant import solar_plant
    from workbench.model.time import parse_period

    catalog = open_catalog(store=sample)
    tz = catalog.portfolio.site("sun_valley").timezone
    window = parse_period(DAY, tz)
    plant = solar_plant(SiteView("sun_valley", catalog.portfolio, sample), catalog, *window)
    parts = ("orientation", "degradation", "capacity")
    told = solar.assess(plant.inverters, window=window, tz=tz, price=80.0, without=parts, **plant.given)
    whole = told.kpi.groups.isel(period=0, group=0)
    assert figure(run, "energy") == pytest.approx(float(whole["energy"]) / 1e3)
    assert figure(run, "performance_ratio") == pytest.approx(float(whole["performance_ratio"]))
    assert figure(run, "energy_performance_index") == pytest.approx(float(whole["energy_performance_index"]))
    bars = told.waterfall()
    assert figure(run, "potential_energy") == pytest.approx(float(bars.loc["potential", "energy"]) / 1e3)
    assert figure(run, "actual_energy") == pytest.approx(figure(run, "energy"), rel=0.01)
    assert figure(run, "faults") == len(told.faults.events)
    names = [one["name"] for one in run.manifest["inputs"]]
    kinds = ("inverter", "irradiance_sensor", "weather_station", "mppt", "string", "tracker", "grid_meter")
    assert names == [f"sun_valley {kind}/10min" for kind in kinds]
    assert all(len(one["sha256"]) == 64 for one in run.manifest["inputs"])


def test_each_section_says_what_it_can_and_why_not_the_rest(run: ReportRun):
    text = run.files["html"].read_text(encoding="utf-8")
    text = re.sub(r"<script.*?</script>|<details.*?</details>", "", text, flags=re.DOTALL)
    for section in (
        "Summary", "Losses", "Key figures", "Availability", "Degradation and soiling", "Faults", "Capacity test",
        "Data quality", "How each figure was computed", "Settings", "Sources",
    ):  # fmt: skip
        assert f">{section}</h2>" in text
    assert "two years are needed to tell a season from a trend" in text
    assert "Not to be told: soiling is not known" in text
    assert "the meter counts battery too" in text
    assert "SV-INV08" in text
    assert "DC wiring" in text
    assert "nan" not in text.lower().split("<body")[1].split()


def test_a_site_without_panels_is_refused(run: ReportRun, tmp_path: Path):
    with pytest.raises(InputError, match="coastal_flats"):
        run_report("solar_performance", period=DAY, site="coastal_flats", out=tmp_path, pdf=False)
