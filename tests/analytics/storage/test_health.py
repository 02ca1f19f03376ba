"""Health from partial cycles: the truth is found, and the interval says how well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.storage import CURVES, OpenCircuitCurve, learn_curve, state_of_health
from workbench.model.errors import InputError


@pytest.mark.parametrize(
    ("profile", "chemistry", "days"),
    [
        ("commercial", "NMC", (90, 150)), ("peak shaving", "NMC", (90, 180)), ("frequency", "NMC", (10, 40)),
        ("frequency", "LFP", (10, 40)), ("residential", "NMC", (10, 70)), ("residential, hard", "NMC", (10, 40)),
        ("residential, hard", "LFP", (10, 40)), ("telecom", "NMC", (10, 70)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("health", [0.95, 0.81])
def test_health_within_one_per_cent(field_of, own_curve, profile, chemistry, days, health):
    from benchmarks._battery_field import Plant

    made = field_of(profile, days=days, plant=Plant(chemistry=chemistry, health=health), seed=round(100 * health))
    found = state_of_health(made.data, curve=own_curve[chemistry]).isel(asset=0)
    assert found["method"] == "voltage"
    assert float(found["state_of_health"]) == pytest.approx(100 * health, abs=1.0)
    assert found["lower"] < 100 * health < found["upper"]


def test_by_months(field_of, own_curve):
    made = field_of("frequency", days=(0, 59))
    found = state_of_health(made.data, curve=own_curve["NMC"], by="month")
    assert found["period"].dt.strftime("%Y-%m").values.tolist() == ["2025-01", "2025-02"]
    np.testing.assert_allclose(found["state_of_health"], 92, atol=1.0)
    assert float(found["charge_capacity_now"][0, 0]) == pytest.approx(920, abs=10)


def test_a_curve_is_learned_from_the_batterys_own_rests(field_of):
    from benchmarks._battery_field import OCV, SOC, Plant

    made = field_of("frequency", days=(0, 60), plant=Plant(health=1.0))
    curve = learn_curve(made.data)["B1"]
    inside = np.linspace(15, 85, 30)
    assert np.abs(curve.at(inside) - np.interp(inside, SOC, OCV["NMC"])).max() < 0.02
    later = field_of("frequency", days=(100, 160), plant=Plant(health=0.88))
    found = state_of_health(later.data, curve={"B1": curve}).isel(asset=0)
    assert found["lower"] < 88 < found["upper"]
    assert found["caution"].item() == ""
    assert "typical curve" in state_of_health(later.data)["caution"].item()


def test_too_little_is_told_and_never_guessed(field_of):
    made = field_of("peak shaving", days=(20, 30))
    found = state_of_health(made.data).isel(asset=0)
    assert np.isnan(found["state_of_health"])
    assert "apart" in found["reason"].item() or "only" in found["reason"].item()


def test_without_cells_by_the_reported_state_of_charge_which_is_said(field_of, plain):
    made = field_of("residential, hard")
    bare = made.data[["charge_power", "discharge_power", "dc_power", "state_of_charge"]]
    found = state_of_health(bare).isel(asset=0)
    assert found["method"] == "reported"
    assert "no cell voltage" in found["caution"].item()
    assert float(found["state_of_health"]) == pytest.approx(92, abs=2.5)
    nothing = state_of_health(plain(3)[["active_power"]]).isel(asset=0)
    assert "nor is a state of charge reported" in nothing["reason"].item()


def test_the_demo_battery_holds_what_the_simulator_says(demo_battery):
    truth = float(demo_battery["state_of_health"][-1, 0])
    # the simulator's cells lose capacity and keep their curve (workbench/simulate), which real ones do not: as a measured one
    curve = replace(CURVES["LFP"], of_new_cell=False)
    found = state_of_health(demo_battery, curve=curve).isel(asset=0)
    assert found["method"] == "voltage"
    assert found["lower"] < truth < found["upper"]
    assert float(found["state_of_health"]) == pytest.approx(truth, abs=1.0)


def test_the_curve_of_a_new_cell_on_an_aged_one_makes_the_interval_wider(field_of, own_curve):
    made = field_of("frequency", days=(0, 30))
    now = state_of_health(made.data, curve=own_curve["NMC"]).isel(asset=0)
    new = state_of_health(made.data, curve=replace(own_curve["NMC"], of_new_cell=True)).isel(asset=0)
    if np.isfinite(new["state_of_health"]):
        assert float(new["upper"] - new["lower"]) > 1.5 * float(now["upper"] - now["lower"])
    else:
        assert new["reason"].item()


def test_the_curve_of_an_aged_lfp_cell_is_that_of_its_graphite():
    """Half a cell's graphite shifted by the lithium lost, against the curve of the new one: benchmarks' half-cells, Prada 2013."""
    from benchmarks._battery_blind import cell
    from workbench.analytics.storage.aged_curve import aged

    new, first = cell("LFP", 0.0)
    old, now = cell("LFP", 0.08)
    points = np.linspace(0, 100, 101)
    curve = OpenCircuitCurve(points, np.maximum.accumulate(new[::10]))
    inside = np.arange(15, 95, 5)
    error = aged(curve, 1 - now / first).at(inside) - old[inside * 10]
    before = curve.at(inside) - old[inside * 10]
    assert np.abs(error).mean() < 0.35 * np.abs(before).mean()


def test_bad_settings_and_curves(plain):
    with pytest.raises(InputError, match="setting"):
        state_of_health(plain(3), level=1.0)
    with pytest.raises(InputError, match="rises"):
        OpenCircuitCurve(np.array([0.0, 100.0]), np.array([3.4, 3.0]))


def test_a_farm_is_its_batteries_one_by_one(field_of, own_curve):
    one = field_of("frequency", days=(0, 20)).data
    other = field_of("telecom", days=(0, 20), asset="B2", seed=5).data
    both = state_of_health(
        xr.concat([one, other], "asset", coords="minimal", compat="override"), curve=own_curve["NMC"]
    )
    for name, alone in (("B1", one), ("B2", other)):
        expected = state_of_health(alone, curve=own_curve["NMC"])["state_of_health"].item()
        assert float(both["state_of_health"].sel(asset=name)) == pytest.approx(expected)
