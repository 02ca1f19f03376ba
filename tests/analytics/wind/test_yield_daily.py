"""Yields by days and hours; the figures of OpenOA 3.2 are those of its tests, and of runs of it with more simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.analytics.wind.test_plant_yield import hourly
from workbench.analytics.wind.long_term import bin_deviation, clock_offset
from workbench.analytics.wind.plant_yield import plant_yield
from workbench.analytics.wind.yield_daily import DailyData, daily_data, simulate_daily_yield
from workbench.analytics.wind.yield_models import Record, Wanted, simulate
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags
from workbench.steps import remarks

DAYS = pd.DatetimeIndex(["2014-01-02", "2014-10-12", "2015-12-28"])
COMPATIBLE = "openoa-3.2"


@pytest.fixture(scope="module")
def la_haute_borne(example_plant, reanalyses) -> DailyData:
    return daily_data(example_plant, reanalyses)


@pytest.fixture(scope="module")
def wind() -> xr.Dataset:
    made = hourly("2008-01-01", "2021-01-01")
    rng = np.random.default_rng(9)
    angle = np.repeat(rng.uniform(0, 2 * np.pi, made.sizes["time"] // 24), 24)
    season = np.cos(2 * np.pi * (made["time"].dt.dayofyear.values - 200) / 365.25)
    return made.assign(
        wind_u=("time", np.cos(angle)), wind_v=("time", np.sin(angle)), temperature=("time", 10 + 8 * season)
    )


def turbine(speed: xr.DataArray) -> xr.DataArray:
    """Power of a plant of 10 MW [kW]: cubic to 13 m/s."""
    return 10_000 * np.clip(speed / 13, 0, 1) ** 3


def plant_of(wind: xr.Dataset, first: str = "2018-01-01", last: str = "2020-01-01", noise: float = 0.0) -> xr.Dataset:
    """It loses 2 % to availability and 1 % to curtailment, of a gross energy that is off by ``noise`` from day to day."""
    part = wind.sel(time=slice(first, pd.Timestamp(last) - pd.Timedelta(hours=1)))
    day = np.arange(part.sizes["time"]) // 24
    gross = turbine(part["wind_speed"]) * (1 + np.random.default_rng(1).normal(0, noise, day.max() + 1)[day])
    return xr.Dataset(
        {"net_energy": gross * 0.97, "availability_loss": gross * 0.02, "curtailment_loss": gross * 0.01}
    ).assign_coords(rated_capacity=10_000.0)


@pytest.fixture(scope="module")
def made_up(wind) -> DailyData:
    return daily_data(plant_of(wind, noise=0.1), {"one": wind})


YEARS = {"years": (5, 12)}

# --- La Haute Borne against OpenOA 3.2 --------------------------------------------------------------------------


def test_days_of_plant_and_weather(la_haute_borne):
    """test/regression/long_term_monte_carlo_aep.py of OpenOA 3.2: to its 6 decimals [GWh, m/s, degree, K].

    Winds to 5 decimals and temperatures to 4, as the catalog reads 32 bits.
    """
    plant = la_haute_borne.plant.sel(time=DAYS)
    assert plant["energy"].values / 1e6 == pytest.approx([0.0848525, 0.0253657, 0.0668642], abs=1e-6)
    assert plant["availability_loss"].values / 1e6 == pytest.approx([0.0000483644, 0, 0], abs=1e-6)
    assert plant["curtailment_loss"].values / 1e6 == pytest.approx([0, 0.00019581, 0], abs=1e-6)
    assert (la_haute_borne.plant["missing"] == 0).all()
    assert la_haute_borne.plant.sizes["time"] == 730
    weather = la_haute_borne.weather.sel(time=DAYS)
    merra2, era5 = (weather.sel(product=name) for name in ("merra2", "era5"))
    assert merra2["wind_speed"].values == pytest.approx([11.02459231, 7.04306896, 8.41880152], abs=2e-5)
    assert era5["wind_speed"].values == pytest.approx([10.47942319, 7.71069617, 9.60864791], abs=2e-5)
    assert merra2["wind_direction"].values == pytest.approx([213.81683361, 129.08053181, 170.39815032], abs=1e-3)
    assert era5["temperature"].values + 273.15 == pytest.approx([281.14880642, 285.81961816, 280.42017656], abs=1e-4)


@pytest.mark.parametrize(
    ("resolution", "first", "last", "merra2", "era5"),
    [
        ("day", "1999-01-16", "2019-03-31", [12.868168, 5.152958], [12.461761, 5.238968]),
        ("hour", "1999-01-15T12", "2019-03-31T23", [10.509840, 9.096710], [9.202639, 9.486806]),
    ],
)
def test_whole_periods_of_cut_reanalyses(example_plant, reanalyses, resolution, first, last, merra2, era5):
    """The same test: merra2 to 2019-04-15 12:30, era5 from 1999-01-15 12:00."""
    cut = {
        "merra2": reanalyses["merra2"].sel(time=slice(None, "2019-04-15T12:30")),
        "era5": reanalyses["era5"].sel(time=slice("1999-01-15T12:00", None)),
    }
    weather = daily_data(example_plant, cut, resolution=resolution).weather
    assert weather["time"].values[[0, -1]].tolist() == pd.DatetimeIndex([first, last]).as_unit("ns").to_numpy().tolist()
    assert weather["wind_speed"].values[0, [0, -1]] == pytest.approx(merra2, abs=2e-5)
    assert weather["wind_speed"].values[1, [0, -1]] == pytest.approx(era5, abs=2e-5)
    if resolution == "day":
        weather = daily_data(example_plant, cut, end="2019-02-10 12:00").weather
        assert weather["wind_speed"].values[:, -1] == pytest.approx([14.571084, 14.045798], abs=2e-5)
        with pytest.raises(InputError, match="end before"):
            daily_data(example_plant, cut, end="2019-04-20")
        with pytest.raises(InputError, match="too short for the long term"):
            simulate_daily_yield(daily_data(example_plant, cut, end="2019-01-14"), simulations=5)


#: What a run of OpenOA 3.2 gave (its seeds: 42 for 1,000 and 300 simulations, 1 for the others): simulations, mean
#: [GWh] and deviation of the energy, availability loss and its deviation, variability, r2, periods in the regression.
RUNS = {
    "linear": (1000, 12.3504, 1.1989, 1.2787, 0.0695, 0.09162, 0.8495, 709.0),
    "linear, all": (300, 12.3835, 1.1328, 1.2793, 0.0672, 0.09129, 0.8582, 709.0),
    "spline, all": (100, 12.7324, 0.9996, 1.3033, 0.0632, 0.08431, 0.9250, 708.7),
    "spline, all, outliers": (60, 13.0142, 1.1593, 1.2902, 0.0641, 0.08679, 0.9457, 636.0),
}


@pytest.mark.parametrize("name", list(RUNS))
def test_as_openoa_with_as_many_simulations(la_haute_borne, name):
    """Energy, loss, variability, r2 and days within three standard errors of two such runs."""
    number, energy, energy_std, loss, loss_std, variability, r2, periods = RUNS[name]
    found = simulate_daily_yield(
        la_haute_borne,
        regression="spline" if "spline" in name else "linear",
        temperature="all" in name,
        wind_direction="all" in name,
        outliers=(1, 3) if "outliers" in name else None,
        simulations=300,
        compatibility=COMPATIBLE,
    )
    table, root = found.summary["mean"], np.sqrt(1 / number + 1 / 300)
    assert table["annual_energy"] / 1e6 == pytest.approx(energy, abs=3 * energy_std * root)
    assert table["availability_loss"] * 100 == pytest.approx(loss, abs=3 * loss_std * root)
    assert table["variability"] == pytest.approx(variability, abs=0.003)
    # one constant for outliers serves for each of 22 reanalyses and loss limits, whatever the number of simulations
    few = 3 * np.sqrt(2 / 22) if "outliers" in name else 0.0
    assert table["r2"] == pytest.approx(r2, abs=0.003 + few * found.summary.loc["r2", "std"])
    used = found.simulations["periods"]
    assert used.mean().item() == pytest.approx(periods, abs=1 + few * used.std().item())


@pytest.mark.parametrize(
    ("regression", "products", "inputs", "energy", "cv"),
    [
        ("spline", ["merra2", "era5"], {"temperature": True, "wind_direction": True}, 12.781636, 4.428628),
        ("gradient_boosting", ["era5"], {"temperature": True}, 12.955753, 14.918292),
        ("extra_trees", ["merra2"], {}, 12.938535, 8.561778),
    ],
)
def test_the_published_figures_of_five_simulations(example_plant, reanalyses, regression, products, inputs, energy, cv):
    """test/regression/long_term_monte_carlo_aep.py of OpenOA 3.2 [GWh, %], of 5 draws of a year each."""
    data = daily_data(example_plant, reanalyses, products=products)
    found = simulate_daily_yield(data, regression=regression, simulations=10, compatibility=COMPATIBLE, **inputs)
    error = max(cv, 9.0) / 100 * energy * np.sqrt(1 / 5 + 1 / 10)
    assert found.summary.loc["annual_energy", "mean"] / 1e6 == pytest.approx(energy, abs=2 * error)
    # a run of 60 of OpenOA 3.2 (100 of splines), +- 0.16 GWh by the draw of the year; ours is without it, +- 0.08
    more = {"spline": 12.732, "gradient_boosting": 12.614, "extra_trees": 12.624}[regression]
    assert found.summary.loc["long_term_energy", "mean"] / 1e6 == pytest.approx(more, abs=3 * np.hypot(0.16, 0.08))
    assert (found.simulations["r2_unseen"] > 0.8).all()


def test_what_the_compatibility_changes(la_haute_borne):
    ours, theirs = (
        simulate_daily_yield(la_haute_borne, simulations=2000, compatibility=one) for one in (None, COMPATIBLE)
    )
    # of months, whatever the resolution: 1.17 % as by months
    assert ours.summary.loc["availability_loss", "mean"] == pytest.approx(0.0117, abs=0.0002)
    assert theirs.summary.loc["availability_loss", "mean"] == pytest.approx(0.0128, abs=0.0002)
    # stretches of days in place of single ones, and no more known of all years than 10 to 20 tell
    assert ours.summary.loc["long_term_energy", "std"] > 1.5 * theirs.summary.loc["long_term_energy", "std"]
    ratio = (1 - ours.summary.loc[["availability_loss", "curtailment_loss"], "mean"].sum()) / (
        1 - theirs.summary.loc["availability_loss", "mean"]
    )
    assert ours.summary.loc["long_term_energy", "mean"] == pytest.approx(
        theirs.summary.loc["long_term_energy", "mean"] * ratio, rel=0.003
    )


def test_hours_as_openoa(example_plant, reanalyses):
    """A run of OpenOA 3.2 by hours, linear, 30 simulations: 12.669 +- 0.922 GWh, 1.213 +- 0.064 %, IAV 8.30 %, r2 0.674."""
    data = daily_data(example_plant, reanalyses, resolution="hour")
    found = simulate_daily_yield(data, simulations=50, compatibility=COMPATIBLE).summary["mean"]
    assert found["annual_energy"] / 1e6 == pytest.approx(12.669, abs=3 * 0.922 * np.sqrt(1 / 30 + 1 / 50))
    assert found["availability_loss"] * 100 == pytest.approx(1.213, abs=3 * 0.064 * np.sqrt(1 / 30 + 1 / 50))
    assert found["variability"] == pytest.approx(0.0830, abs=0.003)
    assert found["r2"] == pytest.approx(0.674, abs=0.003)


# --- against plain loops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("regression", ["linear", "spline"])
def test_many_at_once_as_one_by_one(regression):
    from workbench.analytics.wind.spline import fit_additive

    rng = np.random.default_rng(5)
    x = np.column_stack([rng.uniform(0, 20, 300), rng.normal(10, 5, 300)])
    energy, lost = 1000 + 50 * x[:, 0] ** 2 + rng.normal(0, 300, 300), rng.uniform(0, 500, 300)
    long = x[rng.integers(0, 300, 1000)]
    cell = np.sort(rng.integers(-1, 4, 1000))
    weight, others = rng.uniform(0.5, 2, 1000), rng.uniform(0, 1, (1000, 2))
    counts = rng.poisson(1.0, (6, 300)).astype(float)
    meter, loss = rng.normal(1, 0.01, 6), rng.normal(1, 0.05, 6)
    found = simulate(
        regression,
        Record(x, energy, lost, np.repeat(np.arange(10), 30)),
        Wanted(long, cell, weight, 4, others),
        lambda first, last: (counts[first:last], (counts[first:last] == 0).astype(float)),
        meter,
        loss,
        np.zeros(6, np.int64),
    )
    for one in range(6):
        rows = np.repeat(np.arange(300), counts[one].astype(int))
        y = meter[one] * energy + loss[one] * lost
        if regression == "linear":
            design = np.column_stack([np.ones(300), x])
            coefficients = np.linalg.lstsq(design[rows], y[rows], rcond=None)[0]
            predicted, seen = np.column_stack([np.ones(1000), long]) @ coefficients, design @ coefficients
        else:
            # the splines span all that is known, so that a fit of the same rows is given its ends without any weight
            model = fit_additive(x[rows], y[rows])
            if not (np.ptp(x[rows], axis=0) == np.ptp(x, axis=0)).all():
                continue
            predicted, seen = model.predict(long), model.predict(x)
        expected = [(predicted * weight)[cell == k].sum() for k in range(4)]
        assert found.sums[one, :4] == pytest.approx(expected, rel=1e-5)
        assert found.sums[one, 4:] == pytest.approx(others.T @ predicted, rel=1e-5)
        rest = ((y[rows] - seen[rows]) ** 2).sum() / ((y[rows] - y[rows].mean()) ** 2).sum()
        assert found.r2[one] == pytest.approx(1 - rest, abs=1e-6)
        out = np.flatnonzero(counts[one] == 0)
        rest = ((y[out] - seen[out]) ** 2).sum() / ((y[out] - y[out].mean()) ** 2).sum()
        assert found.unseen[one] == pytest.approx(1 - rest, abs=1e-5)


def test_bin_deviation():
    by = np.array([0.5, 0.6, 0.7, 1.5, 9.0])
    values = np.array([1.0, 2.0, 6.0, 4.0, 5.0])
    std = np.std([1, 2, 6], ddof=1)
    assert bin_deviation(values, by, np.array([0.0, 1.0, 2.0])) == pytest.approx([1 / std, 0, 4 / std, 0, 0])


# --- a plant of known truth -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regression", "inputs", "tolerance"),
    [
        ("spline", {}, 0.01),
        ("spline", {"temperature": True, "wind_direction": True}, 0.01),
        ("gradient_boosting", {"simulations": 4}, 0.02),
        ("extra_trees", {"simulations": 4}, 0.02),
    ],
)
def test_the_truth_is_found_again(wind, made_up, regression, inputs, tolerance):
    found = simulate_daily_yield(made_up, regression=regression, **({"simulations": 100} | inputs), years=(12, 12))
    daily = turbine(wind["wind_speed"]).sel(time=slice("2009-01-01", None)).sum().item() / 12 * 0.97
    assert found.summary.loc["long_term_energy", "mean"] == pytest.approx(daily, rel=tolerance)
    assert found.summary.loc["availability_loss", "mean"] == pytest.approx(0.02, rel=0.03)
    assert found.simulations["r2_unseen"].mean() > 0.9
    assert found.summary.notna().all(axis=None)
    assert found.summary.loc["annual_energy", ["p50", "p75", "p90", "p99"]].is_monotonic_decreasing


def test_same_seed_same_result(made_up):
    for regression, number in (("linear", 700), ("extra_trees", 2)):
        one, other = (
            simulate_daily_yield(made_up, regression=regression, simulations=number, seed=7, **YEARS) for _ in range(2)
        )
        xr.testing.assert_identical(one.simulations, other.simulations)
    third = simulate_daily_yield(made_up, simulations=700, seed=8, **YEARS).simulations
    assert not np.allclose(third["r2"], simulate_daily_yield(made_up, simulations=700, **YEARS).simulations["r2"])


def test_progress_is_told(made_up):
    told: list[tuple[int, int]] = []
    simulate_daily_yield(made_up, simulations=600, progress=lambda done, total: told.append((done, total)), **YEARS)
    assert told[-1] == (600, 600)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_days_of_large_losses_count_less_or_not_at_all(wind):
    plant = plant_of(wind)
    # in every second week much is lost, and the loss is estimated far too high
    bad = (np.arange(plant.sizes["time"]) // 168) % 2 == 1
    gross = turbine(plant["net_energy"] * 0 + wind["wind_speed"])
    plant["net_energy"] = plant["net_energy"].where(~bad, gross * 0.4)
    plant["availability_loss"] = plant["availability_loss"].where(~bad, gross * 1.0)
    data = daily_data(plant, {"one": wind})
    how = {"regression": "spline", "simulations": 50, "years": (12, 12)}
    out = simulate_daily_yield(data, **how)
    assert out.simulations["periods"].max() < 400
    every, weighted = (
        simulate_daily_yield(data, loss_limit=(1.0, 1.0), loss_weighting=one, **how) for one in (False, True)
    )
    assert (every.simulations["periods"] > 700).all()

    def gross_of(found) -> float:
        draws = found.simulations
        lost = draws["availability_loss"] + draws["curtailment_loss"]
        return float((draws["long_term_energy"] / (1 - lost)).mean())

    assert gross_of(out) < gross_of(weighted) < gross_of(every)


def test_stretches_of_days_tell_of_errors_that_last(wind):
    """The error of a fortnight, not of a day."""
    plant = plant_of(wind)
    lasting = np.random.default_rng(3).normal(1, 0.2, plant.sizes["time"] // (24 * 14) + 1).repeat(24 * 14)
    for name in plant.data_vars:
        plant[name] = plant[name] * lasting[: plant.sizes["time"]]
    data = daily_data(plant, {"one": wind})
    how = {
        "regression": "spline",
        "simulations": 500,
        "years": (12, 12),
        "meter_uncertainty": 0.0,
        "loss_uncertainty": 0.0,
    }
    single, stretch = (
        (draws["long_term_energy"] / draws["long_term_factor"]).to_numpy()
        for draws in (simulate_daily_yield(data, block_days=days, **how).simulations for days in (1, 28))
    )
    assert stretch.std() > 2 * single.std()
    assert stretch.mean() == pytest.approx(single.mean(), rel=0.01)


def test_all_in_one_call(wind):
    plant = plant_of(wind, noise=0.1)
    one = plant_yield(plant, {"one": wind}, resolution="day", regression="spline", simulations=20, **YEARS)
    other = simulate_daily_yield(daily_data(plant, {"one": wind}), regression="spline", simulations=20, **YEARS)
    xr.testing.assert_identical(one.simulations, other.simulations)
    with pytest.raises(InputError, match="months are too few"):
        plant_yield(plant, {"one": wind}, regression="spline")
    with pytest.raises(InputError, match="months are too few"):
        plant_yield(plant, {"one": wind}, temperature=True)


def test_intervals_hold_on_farms_of_known_truth():
    """A quick look at 40 made-up farms, within three standard errors of what 500 were covered: 87 % and 89 %."""
    from benchmarks.wind_intervals_yield import covered

    assert covered("days", 40, simulations=100) == pytest.approx([0.87, 0.89], abs=3 * np.sqrt(0.1 / 40))


# --- bad input --------------------------------------------------------------------------------------------------


def test_no_reanalysis(wind):
    with pytest.raises(InputError, match="no reanalysis"):
        daily_data(plant_of(wind), {})
    with pytest.raises(InputError, match="nothing in common"):
        daily_data(plant_of(wind), {"one": wind.sel(time=slice(None, "2017-12-31"))})


def test_less_than_a_year_or_all_flagged(wind):
    with pytest.raises(InputError, match=r"less than a year.*none in month 1, 2, 12|less than a year") as caught:
        daily_data(plant_of(wind, "2018-03-01", "2018-12-01"), {"one": wind})
    assert "none in month 1, 2, 12" in str(caught.value)
    plant = plant_of(wind)
    flagged = add_flags(plant, "net_energy", xr.ones_like(plant["net_energy"], dtype=bool), Quality.RANGE)
    with pytest.raises(InputError, match="less than a year"):
        daily_data(flagged, {"one": wind})


def test_gaps_of_months_leave_the_rest(wind):
    plant = plant_of(wind)
    gap = (plant["time"] >= np.datetime64("2018-03-01")) & (plant["time"] < np.datetime64("2018-06-11"))
    plant["net_energy"] = plant["net_energy"].where(~gap)
    data = daily_data(plant, {"one": wind})
    found = simulate_daily_yield(data, regression="spline", simulations=20, years=(12, 12))
    assert found.simulations["periods"].max() <= 730 - 102
    truth = turbine(wind["wind_speed"]).sel(time=slice("2009-01-01", None)).sum().item() / 12 * 0.97
    assert found.summary.loc["long_term_energy", "mean"] == pytest.approx(truth, rel=0.01)


def test_gaps_of_a_reanalysis(wind):
    days = wind.where((wind["time"] < np.datetime64("2012-05-03")) | (wind["time"] >= np.datetime64("2012-05-13")))
    how = {"simulations": 20, "years": (12, 12)}
    part, whole = (simulate_daily_yield(daily_data(plant_of(wind), {"one": one}), **how) for one in (days, wind))
    # ten days of 4,383 that are missing are as the others of their month
    assert part.summary.loc["long_term_energy", "mean"] == pytest.approx(
        whole.summary.loc["long_term_energy", "mean"], rel=0.002
    )
    month = wind.where((wind["time"] < np.datetime64("2012-05-01")) | (wind["time"] >= np.datetime64("2012-06-01")))
    with pytest.raises(InputError, match="gap of a month") as caught:
        simulate_daily_yield(daily_data(plant_of(wind), {"one": month}), **how)
    assert "2012-05" in str(caught.value)


def test_impossible_values_are_left_out_and_said(wind):
    plant = plant_of(wind)
    plant["net_energy"][{"time": slice(100, 103)}] = [9e9, -9e9, np.inf]
    plant["availability_loss"][{"time": 200}] = -50.0
    with remarks() as told:
        data = daily_data(plant, {"one": wind})
    assert "net_energy: 1 impossible values (infinite) count as missing" in told
    assert any(one.startswith("2 impossible values of net_energy") for one in told)
    assert any(one.startswith("1 impossible values of availability_loss") for one in told)
    assert int((data.plant["missing"] > 0).sum()) == 2
    assert data.plant["energy"].max() < 10_000 * 24


def test_a_clock_that_is_off_is_said(wind):
    rng = np.random.default_rng(2)
    gusts = np.convolve(rng.normal(0, 4, wind.sizes["time"]), np.ones(5) / 5, mode="same")
    gusty = wind.assign(wind_speed=("time", np.clip(wind["wind_speed"].values + gusts, 0, None)))
    plant = plant_of(gusty)
    with remarks() as told:
        daily_data(plant, {"one": gusty})
    assert not told
    local = plant.assign_coords(time=plant["time"] + np.timedelta64(2, "h"))
    assert clock_offset(local["net_energy"].values, local["time"].values, gusty) == pytest.approx(2.0, abs=0.2)
    with remarks() as told:
        daily_data(local, {"one": gusty})
    assert "2 h late to one" in told[0]
    with remarks() as told:
        plant_yield(local, {"one": gusty}, simulations=5, years=(5, 12))
    assert "2 h late to one" in told[0]


def test_times_with_a_zone_are_refused(wind):
    plant = plant_of(wind)
    zoned = plant.assign_coords(
        time=pd.DatetimeIndex(plant["time"].values)
        .tz_localize("Europe/Paris", ambiguous="NaT", nonexistent="NaT")
        .astype(object)
    )
    with pytest.raises(InputError, match=r"plant\.time"):
        daily_data(zoned, {"one": wind})


@pytest.mark.parametrize("rating", [0.0, -5.0, np.nan])
def test_a_rating_that_is_none(wind, rating):
    with pytest.raises(InputError, match="rated capacity"):
        daily_data(plant_of(wind), {"one": wind}, rated_capacity=rating)


def test_a_reanalysis_without_temperature_or_direction_is_said(wind):
    data = daily_data(plant_of(wind), {"one": wind[["wind_speed", "air_density"]]})
    with pytest.raises(InputError, match="temperature"):
        simulate_daily_yield(data, temperature=True, simulations=5, **YEARS)
    with pytest.raises(InputError, match="wind_u and wind_v"):
        simulate_daily_yield(data, wind_direction=True, simulations=5, **YEARS)


def test_a_meter_read_monthly_has_no_days(wind):
    monthly = plant_of(wind).resample(time="MS").sum().assign_coords(rated_capacity=10_000.0)
    with pytest.raises(InputError, match="not known by days"):
        daily_data(monthly, {"one": wind})


def test_too_few_days_are_left(made_up):
    with pytest.raises(InputError, match="too few days") as caught:
        simulate_daily_yield(made_up, loss_limit=(0.01, 0.02), simulations=5, **YEARS)
    assert "loss_limit" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"regression": "splines"}, "spline"),
        ({"settings": {"trees": 3}}, "no such setting"),
        ({"regression": "spline", "settings": {"splines": 2}}, "too few splines"),
        ({"block_days": 0}, "block_days"),
        ({"simulations": 0}, "simulations"),
        ({"years": (5, 40)}, "too short"),
    ],
)
def test_wrong_settings_name_themselves(made_up, wrong, where):
    with pytest.raises(InputError, match=where):
        simulate_daily_yield(made_up, **({"simulations": 5} | YEARS | wrong))
