"""Simulated farms whose yaw misalignment is known, for tests and for the check of intervals.

A minute at a time: the wind of the farm turns slowly and in gusts, at each turbine a little differently; each vane
shows the wind relative to its nacelle, less its misalignment, with noise of the minute and noise that lasts ten
minutes (the flow behind the rotor); a controller turns the nacelle when the mean of what the vane shows leaves its
dead band, until the vane shows zero. Power is that of the minute's wind times cos^n of the true yaw error. The
anemometer behind the rotor has a bias and noise. What is given are ten-minute means, as SCADA gives them.

Chosen so that ten-minute means resemble those of La Haute Borne in partial load (there: vane 7 degrees of deviation,
0.64 correlated with the slot before and 0.7 to 0.85 with what a neighbour sees, power 0.13 about its curve).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
import xarray as xr

MINUTES = 10
RATED = 2000.0


@dataclass(frozen=True)
class Truth:
    misalignment: np.ndarray  #: [degree] by turbine, as the analysis signs it
    exponent: float


@numba.njit(cache=True)
def _run(wind, local, gusts, fast, slow, offset, band, exponent, rated_speed):
    """Ten-minute means: power share, wind speed, its square, vane, nacelle, pitched; dims (slot, turbine)."""
    minutes, turbines = local.shape
    slots = minutes // 10
    made = np.zeros((6, slots, turbines))
    for t in range(turbines):
        nacelle = wind[0]
        mean = 0.0
        for m in range(slots * 10):
            s = m // 10
            true = wind[m] + local[m, t] - nacelle
            vane = true + offset[t] + fast[m, t] + slow[s, t]
            mean += 0.1 * (vane - mean)
            if abs(mean) > band[t]:
                nacelle += mean
                mean = 0.0
            speed = gusts[m, t]
            caught = speed * np.cos(true * np.pi / 180.0) ** (exponent / 3.0)
            share = (caught / rated_speed) ** 3
            made[0, s, t] += min(share, 1.0) if caught > 3.0 else 0.0
            made[1, s, t] += speed
            made[2, s, t] += speed * speed
            made[3, s, t] += vane
            made[4, s, t] += nacelle
            made[5, s, t] += 1.0 if share > 1.0 else 0.0
    return made


def _ou(rng: np.random.Generator, shape: tuple[int, ...], minutes: float, deviation: float) -> np.ndarray:
    from scipy.signal import lfilter

    keep = np.exp(-1.0 / minutes)
    noise = rng.normal(0, deviation * np.sqrt(1 - keep**2), shape)
    noise[0] /= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], noise, axis=0)


def yaw_farm(
    seed: int,
    *,
    days: int = 180,
    turbines: int = 4,
    misalignment: np.ndarray | None = None,
    vane_noise: float = 1.5,
    coupling: float = 0.0,
) -> tuple[xr.Dataset, Truth]:
    """A farm, dims (time, asset), and the truth of it.

    ``coupling`` is how much more the anemometer shows per radian of yaw error [1]; none unless told.
    """
    rng = np.random.default_rng(seed)
    slots, minutes = days * 144, days * 1440
    shape, wide = (minutes, turbines), (slots, turbines)
    if misalignment is None:
        misalignment = rng.uniform(-8, 8, turbines)
    exponent = float(rng.uniform(1.6, 3.0))
    wind = np.cumsum(rng.normal(0, 1.2, minutes)) + _ou(rng, (minutes,), 15, 2.5)
    local = _ou(rng, shape, 15, 2.5)
    # hours and minutes of the wind speed; turbulence from calm nights to convective days
    base = np.exp(np.log(7.5) + _ou(rng, (slots,), 60.0, 0.42))
    at_turbine = base[:, None] * np.exp(_ou(rng, wide, 3.0, 0.05))
    intensity = 0.10 * np.exp(_ou(rng, (slots,), 30.0, 0.3))[:, None] * np.ones(turbines)
    gusts = np.repeat(at_turbine, MINUTES, 0) * (1 + np.repeat(intensity, MINUTES, 0) * rng.normal(0, 1, shape))
    made = _run(
        wind, local, np.maximum(gusts, 0.1), rng.normal(0, 4.0, shape), rng.normal(0, vane_noise, wide),
        np.asarray(misalignment, dtype=float), rng.uniform(12, 16, turbines), exponent, 11.5,
    )  # fmt: skip
    share, speed, square, vane, nacelle, pitched = made / MINUTES
    share = share * (1 + rng.normal(0, 0.05, wide))
    true = vane - misalignment
    bias = rng.normal(1, 0.05, turbines)
    shown = speed * bias * (1 + coupling * np.deg2rad(true)) * (1 + rng.normal(0, 0.03, wide))
    gone = rng.random(wide) < 0.02
    stopped = rng.random(wide) < 0.02
    power = np.where(stopped, -5.0, share * RATED)

    def field(values: np.ndarray, units: str) -> tuple:
        return ("time", "asset"), np.where(gone, np.nan, values), {"units": units}

    data = xr.Dataset(
        {
            "power_output": field(power, "kW"),
            "wind_speed": field(shown, "m/s"),
            "wind_speed_std": field(np.sqrt(np.maximum(square - speed**2, 0)) * bias, "m/s"),
            "yaw_error": field(vane, "degree"),
            # each nacelle has a north of its own
            "nacelle_position": field((nacelle + rng.uniform(0, 360, turbines)) % 360, "degree"),
            "blade_pitch_angle": field(np.where(stopped, 89.0, 8 * pitched + rng.normal(0, 0.05, wide)), "degree"),
        },
        coords={
            "time": pd.date_range("2020-01-01", periods=slots, freq="10min", unit="ns"),
            "asset": [f"T{i + 1}" for i in range(turbines)],
            "rated_capacity": ("asset", np.full(turbines, RATED), {"units": "kW"}),
        },
    )
    return data, Truth(np.asarray(misalignment, dtype=float), exponent)
