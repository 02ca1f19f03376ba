"""Batteries: field cycles of known truth, the demo plant's battery, cells of NASA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="session")
def profiles(test_data: Path, require) -> Path:
    folder = test_data / "solar" / "battery_profiles"
    require(folder.is_dir(), "battery_profiles is not among the test data")
    return folder


@pytest.fixture(scope="session")
def field_of(profiles: Path):
    """``field_of(profile, …)``: a battery that follows the state of charge of a real use; see the benchmark."""
    from benchmarks._battery_field import measured, profile

    kept = {}

    def make(name: str, **options):
        key = (name, repr(sorted(options.items())))
        if key not in kept:
            kept[key] = measured(*profile(profiles, name), **options)
        return kept[key]

    return make


@pytest.fixture(scope="session")
def own_curve():
    """The curve that the made-up cells have, as their maker would give it."""
    from benchmarks._battery_field import OCV, SOC
    from workbench.analytics.storage import OpenCircuitCurve

    return {name: OpenCircuitCurve(SOC, volts, 0.003, 0.001, of_new_cell=False) for name, volts in OCV.items()}


@pytest.fixture(scope="session")
def demo_site(checkout: Path):
    """The demo's solar plant with battery: fifteen days of ten-minute statistics by kind of asset, facts as coordinates."""
    from workbench.model.assets import load_portfolio, with_assets
    from workbench.simulate.plant import build_site

    portfolio = load_portfolio(checkout / "catalogs" / "portfolio")
    now, day = int(np.datetime64("2026-03-20T18:00", "ns").astype(np.int64)), 86_400 * 10**9
    past = build_site(portfolio.sites["sun_valley"], 3, now).past(now - 15 * day, now, fine=600)
    return {str(k).partition("/")[0]: with_assets(v, portfolio) for k, v in past.items() if "10min" in str(k)}


@pytest.fixture(scope="session")
def demo_battery(demo_site) -> xr.Dataset:
    return demo_site["battery"]


def battery(
    days: float = 10, *, assets: int = 1, health: float = 1.0, seed: int = 1, slot: str = "10min"
) -> xr.Dataset:
    """A battery of 1,000 kWh that is charged to 90 % by day and discharged to 10 % in the evening; 92 % each way."""
    import pandas as pd

    times = pd.date_range(
        "2025-01-01", periods=int(days * 86400 / pd.Timedelta(slot).total_seconds()), freq=slot, unit="ns"
    )
    hours = pd.Timedelta(slot).total_seconds() / 3600
    rng = np.random.default_rng(seed)
    clock = (times.hour + times.minute / 60).to_numpy()
    flow = np.where((clock >= 9) & (clock < 13), -200.0, np.where((clock >= 17) & (clock < 21), 200.0, 0.0)) * health
    stored = np.concatenate([[100.0 * health], 100.0 * health - np.cumsum(flow) * hours])
    soc = 100 * (stored[1:] + stored[:-1]) / 2 / (1000.0 * health)
    charge, discharge = np.maximum(-flow, 0) / 0.92, np.maximum(flow, 0) * 0.92
    values = {
        "charge_power": charge,
        "discharge_power": discharge,
        "active_power": discharge - charge - 2.0,
        "dc_power": flow,
        "dc_voltage": np.full(len(times), 660.0),
        "state_of_charge": soc,
        "stored_energy": soc * 10.0 * health,
        "cell_temperature_max": 25 + 0.02 * np.abs(flow),
        "cell_temperature_mean": 24 + 0.02 * np.abs(flow),
        "cell_temperature_min": 23 + 0.02 * np.abs(flow),
        "ambient_temperature": 15 + 5 * np.cos(2 * np.pi * (clock - 15) / 24),
    }
    shape = (len(times), assets)
    return xr.Dataset(
        {n: (("time", "asset"), v[:, None] + 1e-3 * rng.random(shape)) for n, v in values.items()},
        coords={
            "time": times.to_numpy(),
            "asset": [f"B{i + 1}" for i in range(assets)],
            "rated_capacity": ("asset", np.full(assets, 250.0), {"units": "kW"}),
            "energy_capacity": ("asset", np.full(assets, 1000.0), {"units": "kWh"}),
        },
    )


@pytest.fixture(scope="session")
def plain():
    return battery
