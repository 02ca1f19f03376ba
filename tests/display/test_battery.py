"""What the page of batteries works out and shows, without a browser."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics import storage
from workbench.catalog.battery_plant import BatteryPlant
from workbench.display import battery, battery_charts, battery_figures, theme
from workbench.display.battery import BatteryHealth, CellNow
from workbench.display.parts import battery_cells, battery_health
from workbench.display.readings import Now, Reading

DAYS = 4


def record() -> xr.Dataset:
    """A battery of 1,000 kWh, charged by day and discharged in the evening, 92 % each way."""
    times = pd.date_range("2025-11-20", periods=144 * DAYS, freq="10min", unit="ns")
    clock = (times.hour + times.minute / 60).to_numpy()
    flow = np.where((clock >= 9) & (clock < 13), -200.0, np.where((clock >= 17) & (clock < 21), 200.0, 0.0))
    stored = 100.0 - np.cumsum(flow) / 6
    values = {
        "charge_power": (np.maximum(-flow, 0) / 0.92, "kW"),
        "discharge_power": (np.maximum(flow, 0) * 0.92, "kW"),
        "state_of_charge": (stored / 10, "%"),
        "cell_temperature_max": (20 + 30.0 * ((clock > 12) & (clock < 13)), "degC"),
        "cell_voltage_min": (3.28 + 0 * clock, "V"),
        "cell_voltage_max": (3.30 + 0 * clock, "V"),
    }
    return xr.Dataset(
        {name: (("time", "asset"), value[:, None], {"units": unit}) for name, (value, unit) in values.items()},
        coords={
            "time": times,
            "asset": ["SV-BESS"],
            "energy_capacity": ("asset", [1000.0]),
            "rated_capacity": ("asset", [400.0]),
        },
    )


@pytest.fixture(scope="module")
def found(portfolio) -> BatteryHealth:
    data = record()
    terms = {"cycles_per_year": 10.0}
    told = storage.assess(data, tz="America/Los_Angeles", terms=terms)
    plant = BatteryPlant(data, None, None, None, None, {"R1": "SV-BESS", "C1": "R1"}, ())
    return BatteryHealth(portfolio.site("sun_valley"), plant, told, terms=terms)


def now_of(site) -> Now:
    return Now(site.now, 1, None, {site.id: site})


def cells(values, parent="R1") -> list[CellNow]:
    return [
        CellNow(f"{parent}-C{i}", parent, Reading(v, 10**18, 1.0, "V"), Reading(20.0 + i, 10**18, 1.0, "degC"))
        for i, v in enumerate(values)
    ]


def test_deviations_are_from_the_rack_that_a_cell_is_in():
    both = cells([3.30, 3.31, 3.29]) + cells([3.40, 3.40, math.nan], "R2")
    assert battery_cells.cell_values(both, "deviation") == pytest.approx([0, 10, -10, 0, 0, math.nan], nan_ok=True)
    assert battery_cells.cell_values(both, "temperature").tolist() == [20, 21, 22, 20, 21, 22]
    assert battery_cells.show_of("nonsense") == "deviation"


def test_colours_go_apart_from_the_middle_and_end_there():
    assert battery_cells.colour(0.0, 0.0, 5.0) == theme.DIVERGING[3]
    assert battery_cells.colour(-99.0, 0.0, 5.0) == theme.DIVERGING[0]
    assert battery_cells.colour(5.0, 0.0, 5.0) == theme.DIVERGING[-1]
    assert battery_cells.colour(math.nan, 0.0, 5.0) == "transparent"


def test_cells_of_a_battery_are_found_over_their_racks(make_site, found):
    site = make_site(
        "sun_valley",
        {
            "battery": {"SV-BESS": {"state_of_charge": 50.0}},
            "battery_cell": {"C1": {"voltage": 3.3, "temperature": 24.0}, "C2": {"voltage": 3.2}},
        },
    )
    found.plant.parents["C2"] = "OTHER"
    there = battery.cells_now(now_of(site), "sun_valley", "SV-BESS", found)
    assert [(one.name, one.parent, one.voltage.value) for one in there] == [("C1", "R1", 3.3)]
    assert there[0].temperature.value == 24.0
    assert found.plant.battery_of("C1") == "SV-BESS"


def test_the_map_names_each_cell_and_links_to_it(make_site, found):
    site = make_site("sun_valley", {"battery_cell": {"C1": {"voltage": 3.3, "temperature": 24.0}}})
    live = SimpleNamespace(remember=lambda *_, **__: found)
    html = battery_cells.cell_map(live, "sun_valley", "SV-BESS", "voltage").render(now_of(site))
    assert 'href="asset?site=sun_valley&amp;asset=C1"' in html
    assert "C1: 3.300 V" in html
    assert "1 cell," in html
    empty = battery_cells.cell_map(live, "sun_valley", "SV-BESS").render(now_of(make_site("sun_valley", {})))
    assert "not measured: there are no data of single cells" in empty


def test_the_tiles_say_what_is_now_and_what_is_wrong(make_site):
    good = {"state_of_charge": 48.0, "active_power": -300.0, "cell_temperature_max": 30.0, "cell_temperature_min": 28.0,
            "cell_voltage_min": 3.281, "cell_voltage_max": 3.294}  # fmt: skip
    site = make_site("sun_valley", {"battery": {"SV-BESS": good}})
    html = battery_health.battery_now("sun_valley", "SV-BESS").render(now_of(site))
    assert "charging" in html
    assert "<b>13</b><i>mV</i>" in html
    assert battery_health.alarms_now(site, "SV-BESS", now_of(site)) == []
    bad = good | {"cell_temperature_max": 57.0, "cell_temperature_min": -1.0, "warning_code": 12.0}
    wrong = make_site("sun_valley", {"battery": {"SV-BESS": bad}})
    said = battery_health.alarms_now(wrong, "SV-BESS", now_of(wrong))
    assert said == ["warning code 12", "very hot: 57.0 °C", "uneven: 58.0 K", "charged in the cold"]
    silent = make_site("sun_valley", {"battery": {"SV-BESS": bad}}, ages={"SV-BESS": 900})
    assert "nothing new is known" in battery_health.battery_now("sun_valley", "SV-BESS").render(now_of(silent))


def test_what_was_assessed_is_shown_with_its_reasons(found):
    tiles = battery_health.health_tiles(found, "SV-BESS").render(None)
    assert "84.6" in tiles  # 92 % each way
    assert "no trend yet" in tiles
    table = battery_health.warranty(found, "SV-BESS").render(None)
    assert "Cycles per year, pro rata" in table
    assert "2025-11" in table
    log = battery_health.thermal_log(found, "SV-BESS").render(None)
    assert log.count("50.0 °C") >= DAYS
    assert "excess" in log
    weak = battery_cells.weakest(found, "SV-BESS").render(None)
    assert "20.0 mV" in weak
    assert "Which cell it is cannot be told: there are no data of single cells" in weak


def test_what_is_not_told_has_its_reason_and_no_dashes(portfolio):
    data = record().isel(time=slice(0, 20))  # before it was ever charged
    told = storage.assess(data, tz="America/Los_Angeles")
    plant = BatteryPlant(data, None, None, None, None, {}, ())
    tiles = battery_health.health_tiles(BatteryHealth(portfolio.site("sun_valley"), plant, told), "SV-BESS").render(
        None
    )
    health, trip = tiles.split('<div class="tile ')[1:3]
    assert "not told" in health
    assert "4 are needed" in health
    assert "not told" in trip
    assert "not both charged and discharged" in trip
    assert "– to –" not in tiles
    assert "<b>–</b>" not in tiles


def test_pictures_are_drawn_where_there_is_something(found):
    there = {
        name: battery_charts.drawn(found, "SV-BESS", name)
        for name in ("efficiency", "losses", "depth", "use", "spread", "heat")
    }
    assert all(one is not None for one in there.values())
    assert battery_charts.drawn(found, "SV-BESS", "flows") is None  # no panels
    assert battery_charts.drawn(found, "another", "depth") is None


def test_the_waterfall_of_a_round_trip_closes(found):
    trip = found.told.efficiency.sel(asset="SV-BESS")
    names, values = battery_figures.waterfall_bars(trip)
    assert names[0] == "charged"
    assert values[:-1].sum() == pytest.approx(values[-1])
    assert values[-1] == pytest.approx(float(trip["energy_out"]))
    split = trip.assign(efficiency_cell=96.0, efficiency_converter=88.0, energy_auxiliary=25.0)
    names, values = battery_figures.waterfall_bars(split)
    assert names[1:4] == ["cells", "converter", "auxiliaries"]
    assert values[2] < values[1] < 0  # the converter loses more
    assert values[:-1].sum() == pytest.approx(values[-1])
