"""Losses that close, slot by slot and whatever happens; a truth that is recovered; money."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.analytics.wind.categories import CategoryTable
from workbench.analytics.wind.category_seconds import stack
from workbench.analytics.wind.losses import energy_losses, loss_waterfall
from workbench.model.errors import InputError

TABLE = CategoryTable(own={"bats": "environmental_standby"})


def by_category(**seconds: list[list[float]]) -> xr.Dataset:
    """Seconds of slots of ten minutes, dims (time, asset) each; the rest is unknown."""
    shape = np.asarray(next(iter(seconds.values()))).shape
    coords = {"time": pd.date_range("2024-03-31", periods=shape[0], freq="10min"), "asset": list("ABC"[: shape[1]])}
    arrays = {
        name: xr.DataArray(np.asarray(v, float), dims=("time", "asset"), coords=coords) for name, v in seconds.items()
    }
    arrays["unknown"] = 600.0 - sum(arrays.values())
    return stack(arrays, 600.0, TABLE, {})


def like(seconds: xr.Dataset, values: object) -> xr.DataArray:
    shape = (seconds.sizes["time"], seconds.sizes["asset"])
    coords = {"time": seconds["time"].values, "asset": seconds["asset"].values}
    return xr.DataArray(np.broadcast_to(np.asarray(values, float), shape).copy(), dims=("time", "asset"), coords=coords)


def column(*values: float) -> list[list[float]]:
    return [[one] for one in values]


def test_each_category_loses_what_it_could_have_made():
    seconds = by_category(available=column(600, 300, 0, 600), forced_outage=column(0, 300, 600, 0))
    power = like(seconds, column(1100, 500, -12, 900))
    found = energy_losses(seconds, power, like(seconds, 1200.0)).sel(asset="A")
    lost = {str(one): found["lost_energy"].sel(category=one).item() for one in found["category"].values}
    # 100 for 10 min; 600 kW for 5 minutes that are 50 kWh by halves 1200 / 2; 1212; 300
    assert lost["forced_outage"] == pytest.approx((600 + 1212) / 6)
    assert lost["available"] == pytest.approx((100 + (600 - 500) + 300) / 6)
    assert found["actual_energy"].sum().item() == pytest.approx((1100 + 500 - 12 + 900) / 6)
    assert found["actual_energy"].sel(category="forced_outage").item() == pytest.approx(-2)


def test_waterfall_names_what_is_lost_in_service():
    seconds = by_category(
        available=column(600, 600, 300, 0), partially_available=column(0, 0, 0, 600), bats=column(0, 0, 300, 0)
    )
    power = like(seconds, column(1000, 790, 500, 600))
    limit = like(seconds, column(np.nan, 800, np.nan, np.nan))
    losses = energy_losses(seconds, power, like(seconds, 1200.0), limit=limit, price=100.0, currency="GBP")
    frame = loss_waterfall(losses)
    assert frame.index.tolist() == ["potential", "bats", "unknown", "derating", "curtailment", "performance", "actual"]
    energy = (frame["energy"] * 6).to_dict()
    assert energy == pytest.approx(
        {
            "potential": 4800,
            "bats": -600,
            "unknown": 0,
            "derating": -600,
            "curtailment": -400,  # 1200 less the 800 that were allowed
            "performance": -(200 + 10 + 100),
            "actual": 2890,
        }
    )
    assert frame["level"].iloc[-2] == pytest.approx(frame["energy"].iloc[-1])
    assert frame["value"]["curtailment"] == pytest.approx(-400 / 6 / 1000 * 100)
    assert frame["value"][1:-1].sum() == pytest.approx(losses["lost_value"].sum().item() * -1)
    assert frame.attrs["currency"] == "GBP"


NAMES = ["available", "partially_available", "forced_outage", "bats", "grid_outage"]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_it_closes_whatever_happens(seed):
    rng = np.random.default_rng(seed)
    shape = (50, 2)
    parts = rng.dirichlet(np.full(len(NAMES) + 1, 0.3), shape) * (rng.random((*shape, len(NAMES) + 1)) < 0.7)
    whole = parts.sum(axis=2, keepdims=True)
    parts = np.divide(parts, whole, out=np.zeros_like(parts), where=whole > 0)
    seconds = by_category(**{name: 600 * parts[..., n] for n, name in enumerate(NAMES)})

    def some(low: float, high: float, missing: float) -> xr.DataArray:
        return like(seconds, np.where(rng.random(shape) < missing, np.nan, rng.uniform(low, high, shape)))

    power, potential = some(-50, 2000, 0.1), some(0, 2000, 0.1)
    losses = energy_losses(seconds, power, potential, limit=some(0, 2000, 0.5), stopped_is_zero=False)
    known = np.isfinite(power.values) & np.isfinite(potential.values)
    for name, values in (("potential_energy", potential), ("actual_energy", power)):
        np.testing.assert_allclose(losses[name].sum("category"), (values.where(known).sum("time") / 6), atol=1e-6)
    np.testing.assert_allclose(losses["known_share"], known.mean(axis=0))
    frame = loss_waterfall(losses)
    assert frame["energy"][:-1].sum() == pytest.approx(frame["energy"]["actual"], abs=1e-6)
    assert frame["level"].iloc[-2] == pytest.approx(frame["energy"]["actual"], abs=1e-6)
    assert losses["curtailed_energy"].min().item() >= -1e-9
    days = energy_losses(seconds, power, potential, by="day", stopped_is_zero=False)
    np.testing.assert_allclose(days["lost_energy"].sum("period"), losses["lost_energy"], atol=1e-6)


def test_a_stop_that_hid_the_power_made_nothing_unless_told_otherwise():
    seconds = by_category(available=column(600, 300, 0), forced_outage=column(0, 300, 600))
    power = like(seconds, np.nan)
    found = energy_losses(seconds, power, like(seconds, 1200.0))
    assert found["lost_energy"].sel(category="forced_outage").item() == 200.0
    assert found["lost_energy"].sel(category="available").item() == 0.0
    assert found["assumed_hours"].item() == pytest.approx(1 / 6)
    assert found["known_share"].item() == pytest.approx(1 / 3)
    none = energy_losses(seconds, power, like(seconds, 1200.0), stopped_is_zero=False)
    assert none["lost_energy"].sum().item() == 0.0
    assert none["known_share"].item() == 0.0


def test_prices_change_and_may_be_missing():
    seconds = by_category(forced_outage=column(600, 600, 600))
    price = xr.DataArray([50.0, -20.0], dims="time", coords={"time": seconds["time"].values[:2]})
    found = energy_losses(seconds, like(seconds, 0.0), like(seconds, 1200.0), price=price)
    assert found["lost_value"].sum().item() == pytest.approx(0.2 * (50 - 20))
    assert found["unpriced_energy"].item() == pytest.approx(200.0)
    assert found["lost_value"].attrs["units"] == "EUR"


def test_truth_of_a_simulated_year_is_recovered():
    """Outages, market stops and a soiled rotor of known size come back in their own steps."""
    rng = np.random.default_rng(7)
    n = 20_000
    could = np.clip(rng.normal(900, 500, (n, 2)), 0, 2000)
    state = rng.choice(3, (n, 2), p=[0.93, 0.05, 0.02])
    made = np.where(state == 0, 0.97 * could, 0.0)
    seconds = by_category(
        available=600.0 * (state == 0), forced_outage=600.0 * (state == 1), requested_shutdown=600.0 * (state == 2)
    )
    frame = loss_waterfall(energy_losses(seconds, like(seconds, made), like(seconds, could)))
    truth = {
        "forced_outage": (state == 1) * could,
        "requested_shutdown": (state == 2) * could,
        "performance": (state == 0) * 0.03 * could,
    }
    for name, values in truth.items():
        assert -frame["energy"][name] == pytest.approx(values.sum() / 6, rel=1e-9), name


def test_bad_input_is_told():
    seconds = by_category(available=[[600.0, 600.0]])
    power = like(seconds, 1.0)
    with pytest.raises(InputError, match=r"(?s)power.*nothing of some turbines.*B"):
        energy_losses(seconds, power.isel(asset=[0]), power)
    with pytest.raises(InputError, match="not a value of each slot"):
        energy_losses(seconds, power, power.mean("time"))
    with pytest.raises(InputError, match="several periods"):
        loss_waterfall(energy_losses(seconds, power, power, by="day"))
