"""Simulated farms whose upgrades and degradation are known, for tests and for the check of intervals.

Weather of days with seasons of wind and temperature; turbines that see it differently by the wind's direction, with
noise of their own that lasts an hour; performance and anemometers that drift slowly by themselves, as those of real
turbines do; a small season that the density does not explain.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import lfilter

RATED = 2000.0


def _slow(rng: np.random.Generator, shape: tuple[int, ...], slots: float, deviation: float) -> np.ndarray:
    """Noise that forgets itself over so many slots."""
    keep = np.exp(-1.0 / slots)
    noise = rng.normal(0, deviation * np.sqrt(1 - keep**2), shape)
    noise[0] /= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], noise, axis=0)


def drift_farm(
    seed: int,
    *,
    years: float = 1.0,
    turbines: int = 4,
    minutes: int = 60,
    rates: np.ndarray | float = 0.0,
    gain: np.ndarray | float = 0.0,
    drift: float = 0.004,
    anemometer: float = 0.004,
) -> xr.Dataset:
    """A farm, dims (time, asset).

    ``rates`` are of the performance by turbine [1/a]; ``gain`` is what is added to it in each slot, dims (time,
    asset) or less; ``drift`` and ``anemometer`` the deviations of the slow drifts of performance and anemometer
    [1]. Both forget themselves over 60 days.
    """
    rng = np.random.default_rng(seed)
    per_day = 1440 // minutes
    slots = round(years * 365.25 * per_day)
    shape = (slots, turbines)
    year = np.arange(slots) / (365.25 * per_day)
    season = np.cos(2 * np.pi * (year - 0.04))
    speed = np.exp(np.log(7.3) + 0.15 * season + _slow(rng, (slots,), 1.2 * per_day, 0.42))
    direction = (230 + _slow(rng, (slots,), 2.0 * per_day, 90.0)) % 360
    temperature = 10 - 9 * season + _slow(rng, (slots,), 3.0 * per_day, 4.0)
    density = 1.225 * 288.15 / (273.15 + temperature)
    # what each turbine sees by direction: a speed-up and a wake of its own
    phase, depth = rng.uniform(0, 360, (2, turbines)), rng.uniform(0.05, 0.15, turbines)
    terrain = 0.03 * np.sin(np.deg2rad(direction[:, None] - phase[0]))
    off = (direction[:, None] - phase[1] + 180) % 360 - 180
    seen = 1 + terrain - depth * np.exp(-0.5 * (off / 12) ** 2)
    local = speed[:, None] * seen * np.exp(_slow(rng, shape, max(per_day / 24, 0.5), 0.05))
    days = 60.0 * per_day
    performance = 1 + np.asarray(rates) * year[:, None] + np.asarray(gain) + _slow(rng, shape, days, drift)
    performance = performance + 0.004 * season[:, None]
    share = 1 / (1 + np.exp(-(local * np.cbrt(density / 1.225)[:, None] - 8.6) / 1.25)) * 1.01
    share = np.where((local > 3) & (local < 25), np.minimum(share * performance, 1.0), 0.0)
    power = RATED * share * (1 + rng.normal(0, 0.02, shape))
    shown = local * (1 + _slow(rng, shape, days, anemometer)) * (1 + rng.normal(0, 0.02, shape))
    stopped = _slow(rng, shape, 0.5 * per_day, 1.0) > 2.0
    power = np.where(stopped, -5.0, power)
    return xr.Dataset(
        {
            "power_output": (("time", "asset"), power, {"units": "kW"}),
            "wind_speed": (("time", "asset"), shown, {"units": "m/s"}),
            "wind_direction": (
                ("time", "asset"),
                (direction[:, None] + rng.normal(0, 3, shape)) % 360,
                {"units": "degree"},
            ),
            "temperature": (("time", "asset"), temperature[:, None] + np.zeros(shape), {"units": "degC"}),
        },
        coords={
            "time": pd.date_range("2015-01-01", periods=slots, freq=f"{minutes}min", unit="ns"),
            "asset": [f"T{i + 1}" for i in range(turbines)],
            "rated_capacity": ("asset", np.full(turbines, RATED), {"units": "kW"}),
            "elevation": ("asset", np.zeros(turbines), {"units": "m"}),
        },
    )
