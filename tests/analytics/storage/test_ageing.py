"""Ageing laws: known ones are found again, intervals hold the truth, real cells end when it was said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.storage import remaining_life
from workbench.model.errors import InputError


def course(
    years: float,
    *,
    a: float,
    b: float,
    noise: float = 0.3,
    keep: float = 0.0,
    seed: int = 0,
    assets: int = 1,
    z: float = 1.0,
):
    """Monthly health of batteries with 300 cycles a year."""
    rng = np.random.default_rng(seed)
    age = np.arange(1, round(12 * years) + 1) / 12
    error = rng.normal(0, noise, (len(age), assets))
    for i in range(1, len(age)):
        error[i] = keep * error[i - 1] + np.sqrt(1 - keep**2) * error[i]
    soh = 100 - a * np.sqrt(age) - b * (0.3 * age) ** z
    dims = ("period", "asset")
    return xr.Dataset(
        {
            "state_of_health": (dims, soh[:, None] + error),
            "cycles": (dims, np.repeat(300 * age[:, None], assets, axis=1)),
            "age": (dims, np.repeat(age[:, None], assets, axis=1)),
        },
        coords={
            "period": pd.date_range("2020-01-31", periods=len(age), freq="ME").to_numpy(),
            "asset": [f"B{i}" for i in range(assets)],
        },
    )


def truth(a: float, b: float, limit: float, z: float = 1.0) -> float:
    years = np.linspace(0, 60, 60_001)
    return float(years[np.argmax(100 - a * np.sqrt(years) - b * (0.3 * years) ** z <= limit)])


@pytest.mark.parametrize(
    ("a", "b", "z", "keep"), [(3.0, 5.0, 1.0, 0.0), (2.0, 7.0, 1.0, 0.7), (4.0, 4.0, 1.0, 0.5), (1.0, 6.0, 0.75, 0.3)]
)
def test_intervals_hold_the_truth(a, b, z, keep):
    health = course(5, a=a, b=b, z=z, keep=keep, assets=25, seed=3)
    found = remaining_life(health, end_of_life=80, simulations=300).life
    left = truth(a, b, 80, z) - 5
    upper = found["upper"].fillna(np.inf)
    inside = ((found["lower"] <= left) & (left <= upper)).mean()
    assert inside >= 0.8  # of 90 % intervals
    assert float(found["remaining_years"].median()) == pytest.approx(left, rel=0.25)


def test_nasa_cells_end_when_it_was_said(test_data, require):
    """B0005 and B0006 first measure below 70 % of 2 Ah after 125 and 109 cycles; said from the first 80 and 60.

    From its first 80 the end of B0006 is said too early (83 to 96): after that its capacity recovers at rests and falls
    more slowly, of which nothing before tells. The benchmark has that figure.
    """
    folder = test_data / "solar" / "nasa_battery"
    require(folder.is_dir(), "nasa_battery is not among the test data")
    for cell, seen, end in (("B0005", 80, 125), ("B0006", 60, 109)):
        soh = pd.read_csv(folder / f"{cell}.csv")["capacity"].to_numpy() / 2.0 * 100
        assert np.argmax(soh <= 70.0) + 1 == end
        dims = ("period", "asset")
        health = xr.Dataset(
            {
                "state_of_health": (dims, soh[:seen, None]),
                "cycles": (dims, np.arange(1.0, seen + 1)[:, None]),
                "age": (dims, np.zeros((seen, 1))),  # aged by use alone
            },
            coords={"period": np.arange(seen), "asset": [cell]},
        )
        found = remaining_life(health, end_of_life=70, cycles_per_year=100, horizon=5).life.isel(asset=0)
        assert seen + 100 * float(found["lower"]) <= end <= seen + 100 * float(found["upper"])
        assert seen + 100 * float(found["remaining_years"]) == pytest.approx(end, abs=15)


def test_the_same_seed_gives_the_same_and_a_farm_is_its_batteries():
    health = course(4, a=3, b=5, assets=2)
    one, two = remaining_life(health, simulations=100), remaining_life(health, simulations=100)
    xr.testing.assert_identical(one.life, two.life)
    alone = remaining_life(health.isel(asset=[0]), simulations=100).life
    assert float(alone["remaining_years"][0]) == float(one.life["remaining_years"][0])
    assert (one.course["lower"] <= one.course["upper"]).all()
    assert (one.course["state_of_health"].diff("ahead") <= 1e-9).all()


def test_what_is_not_known_is_said():
    short = remaining_life(course(0.4, a=3, b=5)).life
    assert np.isnan(short["remaining_years"]).all()
    assert "6 are needed" in short["reason"].item()
    young = remaining_life(course(1, a=0.1, b=0.1, noise=0.5)).life
    assert young["caution"].item()
    with pytest.raises(InputError, match="cycles"):
        remaining_life(course(2, a=1, b=1).drop_vars("cycles"))


def test_the_age_is_counted_from_the_day_it_came_into_service():
    health = course(5, a=3, b=5, noise=0.01).drop_vars("age")
    served = health.assign_coords(in_service=("asset", np.array(["2019-12-31"], dtype="datetime64[ns]")))
    found = remaining_life(served, end_of_life=80, exponents=[1.0])
    assert float(found.life["remaining_years"][0]) == pytest.approx(truth(3, 5, 80) - 5, abs=0.15)
    assert float(found.life["calendar"][0]) == pytest.approx(3, abs=0.3)
    assert float(found.life["cycle"][0]) == pytest.approx(5, abs=0.6)
