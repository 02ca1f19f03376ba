"""Icing: put into La Haute Borne, found in its own cold days, and the rules of the method."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind import icing_detection, icing_summary
from workbench.model.quality import count_flags
from workbench.steps import remarks

ICE = {"production_loss": 1, "standstill": 2, "overproduction": 3}


def turbine(seed: int = 1, rows: int = 20_000) -> xr.Dataset:
    """One turbine by a smooth curve with scatter, warm at first, then cold."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(7, 11.5, rows)
    power = 2000 / (1 + np.exp(-(speed - 8))) * rng.normal(1, 0.04, rows)
    cold = np.where(np.arange(rows) < rows // 2, 12.0, -5.0)
    return xr.Dataset(
        {
            "wind_speed": (("time", "asset"), speed[:, None], {"units": "m/s"}),
            "power_output": (("time", "asset"), power[:, None], {"units": "kW"}),
            "temperature": (("time", "asset"), cold[:, None], {"units": "degC"}),
            "air_density": (("time", "asset"), np.full((rows, 1), 1.225), {"units": "kg/m3"}),
        },
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(600, "s"),
            "asset": ["T"],
            "rated_capacity": ("asset", [2000.0]),
        },
        attrs={"cadence": "10min"},
    )


def with_power(data: xr.Dataset, rows: slice, factor: float) -> xr.Dataset:
    made = data.copy(deep=True)
    made["power_output"][rows] *= factor
    return made


def test_half_an_hour_begins_and_half_an_hour_ends_an_event():
    data = turbine()
    quiet = icing_detection(data)["icing"].values[:, 0]
    assert (quiet > 0).sum() <= 3
    for length, found in ((2, 0), (3, 3), (40, 40)):
        ice = icing_detection(with_power(data, slice(15_000, 15_000 + length), 0.5))["icing"].values[:, 0]
        assert (ice[15_000 : 15_000 + length] == ICE["production_loss"]).sum() == found
        assert (ice[15_000 + length : 15_100] == 0).all()


def test_the_same_loss_in_warm_air_is_no_ice():
    ice = icing_detection(with_power(turbine(), slice(5_000, 5_100), 0.5))["icing"].values
    assert (ice[4_900:5_200] <= 0).all()


def test_a_stop_that_begins_with_low_power_is_a_standstill_and_another_is_not():
    data = turbine()
    iced = with_power(with_power(data, slice(15_000, 15_001), 0.4), slice(15_001, 15_060), 0.0)
    ice = icing_detection(iced)["icing"].values[:, 0]
    assert (ice[15_000:15_060] == ICE["standstill"]).all()
    sudden = icing_detection(with_power(data, slice(15_000, 15_002), 0.0))["icing"].values[:, 0]
    assert (sudden[15_000:15_002] <= 0).all()


def test_an_iced_anemometer_shows_as_overproduction_and_its_wind_is_flagged():
    data = turbine()
    data["wind_speed"][15_000:15_050] *= 0.85
    made = icing_detection(data)
    seen = data["wind_speed"].values[15_000:15_050, 0] > 7
    ice = made["icing"].values[15_000:15_050, 0]
    assert (ice[seen] == ICE["overproduction"]).mean() > 0.9
    assert count_flags(made)["wind_speed"]["inconsistent"] == int((made["icing"] == 3).sum())
    assert np.isnan(made["icing_loss"].values[15_000:15_050, 0][ice == 3]).all()


def test_energy_lost_is_the_usual_less_what_was_made():
    data = turbine(seed=4)
    iced = with_power(data, slice(14_000, 14_600), 0.5)
    lost = icing_summary(icing_detection(iced))
    true = float((data["power_output"] - iced["power_output"]).sum()) / 6
    assert float(lost["lost_energy"][0]) == pytest.approx(true, rel=0.03)
    assert float(lost["hours_production_loss"][0]) == pytest.approx(100, abs=1)


def test_ice_put_into_la_haute_borne_is_found(two_years):
    """Power cut to a half for 12 hours in cold wind; precision by what is found beside it in the untouched data."""
    rng = np.random.default_rng(1)
    before = icing_detection(two_years)["icing"].values
    data = two_years.copy(deep=True)
    cold = (data["temperature"] < -0.2) & (data["wind_speed"] > 5) & (data["power_output"] > 200) & (before == 0)
    truth = np.zeros(before.shape, bool)
    for asset in range(4):
        rows = np.flatnonzero(cold.values[:, asset])
        for start in rng.choice(rows, 6, replace=False):
            span = slice(start, start + 72)
            truth[span, asset] |= cold.values[span, asset]
    data["power_output"] = data["power_output"].where(~truth, data["power_output"] * 0.5)
    found = icing_detection(data)["icing"].values
    recall = (found[truth] == 1).mean()
    # events last over the slots between, which are not counted either way
    beside = (found > 0) & (before <= 0) & ~truth
    near = np.apply_along_axis(lambda column: np.convolve(column, np.ones(145), "same") > 0, 0, truth)
    assert truth.sum() > 500
    assert recall > 0.9
    assert (beside & ~near).sum() == 0


def test_la_haute_borne_untouched(two_years):
    ice = icing_detection(two_years)["icing"].values
    days = two_years["time"].values.astype("datetime64[D]")
    loss = (ice == 1) | (ice == 2)
    # nearly all of it in the freezing rain and snow at the end of 2014 and in the cold of February 2015
    spells = ((days >= np.datetime64("2014-12-26")) & (days <= np.datetime64("2015-01-03"))) | (
        (days >= np.datetime64("2015-01-19")) & (days <= np.datetime64("2015-02-10"))
    )
    assert loss[spells].sum() > 0.9 * loss.sum()
    assert (ice > 0).mean() < 0.003
    published = icing_detection(two_years, margin=0.0)["icing"].values
    assert (published > 0).sum() > 2 * (ice > 0).sum()


def test_without_temperature_all_is_unknown():
    data = turbine().drop_vars(["temperature", "air_density"])
    with remarks() as told:
        ice = icing_detection(data)["icing"]
    assert (ice == -1).all()
    assert any("nothing can be judged" in one for one in told)
