from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from benchmarks._drift_farms import drift_farm
from workbench.analytics.wind import degradation_rate
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

RATES = np.array([-0.015, -0.008, 0.0, -0.003])


@pytest.fixture(scope="module")
def farm() -> xr.Dataset:
    """Four turbines for five years, hourly."""
    return drift_farm(21, years=5, rates=RATES)


def test_known_rates_are_found_and_covered():
    """Simulated farms; of 40 90 % intervals 31 or more cover with a chance of 99 %.

    200 farms of five years are in benchmarks/wind_intervals_yaw.py.
    """
    for reference in ("own", "neighbours"):
        off, covered = [], []
        for seed in range(10):
            rates = np.random.default_rng(700 + seed).uniform(-0.015, 0.002, 4)
            found = degradation_rate(drift_farm(seed, years=4, rates=rates), reference=reference, seed=seed).rates
            truth = 100 * rates
            if reference == "neighbours":
                truth = truth - (truth.sum() - truth) / 3
            off.append(found["rate"].values - truth)
            covered.append((found["lower"] <= truth) & (truth <= found["upper"]))
        assert np.abs(np.concatenate(off)).mean() < 0.4
        assert 31 <= np.concatenate(covered).sum() <= 40


def test_estimates_agree(farm):
    found = degradation_rate(farm).rates
    for name in ("rate", "theil_sen", "year_on_year"):
        assert found[name].values == pytest.approx(100 * RATES, abs=0.7), name
    assert (found["years"] > 4.9).all()
    assert (found["season"] < 1.5).all()


def test_an_anemometer_that_drifts_is_told_by_the_neighbours(farm):
    """1 % per year more shown of the same wind looks like -2 to -3 % of power per year; beside the neighbours it is none."""
    year = (farm["time"] - farm["time"][0]) / np.timedelta64(1, "D") / 365.25
    drifting = farm.assign(wind_speed=farm["wind_speed"] * (1 + 0.01 * year * (farm["asset"] == "T3")))
    own = degradation_rate(drifting).rates["rate"].sel(asset="T3")
    assert own < -1.2
    one, other = (degradation_rate(d, reference="neighbours").rates["rate"].sel(asset="T3") for d in (farm, drifting))
    assert one == other


def test_density_is_corrected_for(farm):
    """Without temperature the density's season is in the ratio; the rate bears it."""
    with_, without = degradation_rate(farm).rates, degradation_rate(farm.drop_vars("temperature")).rates
    assert (without["season"] > with_["season"] + 1).all()
    assert without["rate"].values == pytest.approx(with_["rate"].values, abs=0.4)


def test_derated_years_do_not_look_like_degradation(farm):
    """A tenth of the slots of the last year at 30 %: no normal operation, and left out."""
    rng = np.random.default_rng(0)
    late = (farm["time"] > np.datetime64("2019-01-01")).values[:, None] & (rng.random(farm["power_output"].shape) < 0.1)
    derated = farm.assign(power_output=farm["power_output"].where(~late, farm["power_output"] * 0.3))
    one, other = (degradation_rate(d, simulations=0).rates["rate"].values for d in (farm, derated))
    assert other == pytest.approx(one, abs=0.1)


def test_less_than_two_years(farm):
    short = degradation_rate(farm.sel(time=slice(None, "2016-05-31"))).rates
    assert np.isfinite(short["rate"]).all()
    assert all("less than 2" in text for text in short["caution"].values)
    long = degradation_rate(farm).rates
    # of residuals that last, more years tell less than of those of single blocks: 2 times as much at least, not 7
    assert (short["upper"] - short["lower"] > 2 * (long["upper"] - long["lower"])).all()
    assert (long["caution"] == "").all()
    none = degradation_rate(farm.sel(time=slice(None, "2015-10-31"))).rates
    assert np.isnan(none["rate"]).all()
    assert all("over a year are needed" in text for text in none["reason"].values)


def test_gaps_and_a_turbine_without_data(farm):
    power = farm["power_output"].copy()
    power[:, 1] = np.nan
    power[(farm["time"] > np.datetime64("2016-03-01")) & (farm["time"] < np.datetime64("2016-09-01")), 0] = np.nan
    found = degradation_rate(farm.assign(power_output=power)).rates
    assert "0 blocks" in found["reason"].sel(asset="T2").item()
    assert found["lower"].sel(asset="T1") < -1.5 < found["upper"].sel(asset="T1")
    assert found["blocks"].sel(asset="T1") < found["blocks"].sel(asset="T3") - 4


def test_same_seed_same_result(farm):
    one, other, third = (degradation_rate(farm, seed=seed, simulations=50).simulations for seed in (1, 1, 2))
    xr.testing.assert_identical(one, other)
    assert not np.allclose(one["rate"], third["rate"])
    # what its farm tells moves the range of a turbine, not its rate
    alone, whole = (
        degradation_rate(d, seed=1, simulations=50).rates.sel(asset="T1") for d in (farm.sel(asset=["T1"]), farm)
    )
    assert alone["rate"] == whole["rate"]
    assert alone["std"] != whole["std"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reference": "sun"}, "unknown reference"),
        ({"level": 0.0}, "no share"),
        ({"block": 0}, "not positive"),
        ({"baseline": 0.0}, "not positive"),
        ({"reference": "neighbours", "neighbours": ["T9"]}, "no such turbine"),
        ({"wind_speed": "wind"}, "no variable"),
    ],
)
def test_wrong_input(farm, wrong, message):
    with pytest.raises(InputError, match=message):
        degradation_rate(farm, **wrong)


def test_a_turbine_alone_has_no_neighbour(farm):
    with pytest.raises(InputError, match="no neighbour"):
        degradation_rate(farm.sel(asset=["T1"]), reference="neighbours")


def test_the_step_says_what_weakens_it(farm):
    with remarks() as told:
        found = get_step("degradation_rate")(farm.sel(time=slice(None, "2016-05-31")), simulations=50)
    assert found["degradation_rate"].dims == ("asset",)
    assert found["degradation_rate_upper"].attrs["units"] == "%/year"
    assert any("less than 2" in one for one in told)
