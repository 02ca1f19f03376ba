"""The report on batteries, run whole on a store with two simulated days."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from workbench.analytics import storage
from workbench.reports import ReportRun, run_report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def run(checkout: Path, sample: Path, tmp_path_factory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    patch.setenv("WORKBENCH_STORE", str(sample))
    out = tmp_path_factory.mktemp("battery")
    yield run_report("battery_health", period="2026-06", site="sun_valley", out=out, pdf=False)
    patch.undo()


def figure(run: ReportRun, name: str) -> float:
    (found,) = [one for one in run.manifest["figures"] if one["name"] == name]
    return found["value"]


def test_it_has_the_figures_of_the_store(run: ReportRun, sample: Path):
    from workbench.catalog import open_catalog
    from workbench.catalog.battery_plant import battery_plant
    from workbench.catalog.site import SiteView

    catalog = open_catalog(store=sample)
    plant = battery_plant(SiteView("sun_valley", catalog.portfolio, sample), catalog)
    told = storage.assess(plant.batteries, tz="America/Los_Angeles", plant=plant.beside)
    assert figure(run, "efficiency") == pytest.approx(float(told.efficiency["efficiency"][0]))
    assert figure(run, "equivalent_full_cycles") == pytest.approx(float(told.cycles["equivalent_full_cycles"][0]))
    assert figure(run, "lost_energy") == pytest.approx(float(told.lost_energy[0]) / 1e3)
    assert figure(run, "lost_value") == pytest.approx(float(told.lost_energy[0]) / 1e3 * 60)
    assert figure(run, "state_of_health") == pytest.approx(float(told.health["state_of_health"][0]), nan_ok=True)
    names = [one["name"] for one in run.manifest["inputs"]]
    assert names == [
        f"sun_valley {kind}/10min" for kind in ("battery", "battery_cell", "battery_rack", "inverter", "grid_meter")
    ]
    assert all(len(one["sha256"]) == 64 for one in run.manifest["inputs"])


def test_each_section_says_what_it_can_and_why_not_the_rest(run: ReportRun):
    text = run.files["html"].read_text(encoding="utf-8")
    text = re.sub(r"<script.*?</script>|<details.*?</details>", "", text, flags=re.DOTALL)
    for section in (
        "Summary", "State of charge", "State of health", "Round-trip efficiency", "Cycles and use", "Cells",
        "Temperatures and alarms", "Usable energy", "Warranty", "Remaining life", "Panels, battery and grid", "Settings",
    ):  # fmt: skip
        assert f">{section}</h2>" in text
    assert re.search(r"SV-BESS-R\d-C\d\d", text)  # cells by name
    assert "6 are needed" in text  # months, for a life
    if figure(run, "state_of_health") is None:  # of two days
        tile = re.search(r'wb-label">State of health</span>(.*?)</div>', text, flags=re.DOTALL).group(1)
        assert "not told" in tile
        assert "only" in tile or "needed" in tile or "no rest" in tile  # the reason
    assert "– to –" not in text
    assert "a trend wants" in text
    assert "Within the terms: cycles per year 365" in text
    assert "nan" not in text.lower().split("<body")[1].split()


def test_a_site_without_batteries_is_refused(run: ReportRun, tmp_path: Path):
    from workbench.model.errors import InputError

    with pytest.raises(InputError, match="coastal_flats"):
        run_report("battery_health", period="2026-06", site="coastal_flats", out=tmp_path, pdf=False)
