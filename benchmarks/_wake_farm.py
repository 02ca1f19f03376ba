"""Made-up wind farms whose wake losses are known: layout, terrain, wakes, sensors, stops, and the wind of years.

Nothing of the analysis under test is in it but the wake model, which the analysis does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.analytics.wind.wake_model import wind_at_turbines

Floats = npt.NDArray[np.float64]

ROTOR, RATING = 100.0, 2500.0
CURVE = (
    np.array([0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 25], dtype=float),
    np.array([0, 0, 95, 225, 410, 670, 1010, 1420, 1850, 2210, 2420, 2485, 2500, 2500], dtype=float),
)
THRUST = (np.array([3, 4, 10, 12, 15, 25], dtype=float), np.array([0.85, 0.82, 0.8, 0.55, 0.28, 0.08]))
_JUMPY = 0.4  #: of the wind at each turbine, within ten minutes [m/s]


@dataclass(frozen=True)
class MadeFarm:
    """A farm and what is true of it; losses by turbine, the farm last."""

    turbines: xr.Dataset
    reanalysis: dict[str, xr.Dataset]
    period: Floats
    long_term: Floats
    offset: float  #: to be added to the measured wind direction [deg]
    terrain: Floats  #: wind speed by direction, every 2 degrees, and turbine, share of the mean


def power(speed: Floats) -> Floats:
    return np.interp(speed, *CURVE)


def slow(rng: np.random.Generator, shape: tuple[int, ...], alike: float) -> Floats:
    """Standard normal values of which each is like the one before."""
    from scipy.signal import lfilter

    noise = rng.normal(size=shape) * np.sqrt(1 - alike**2)
    noise[0] /= np.sqrt(1 - alike**2)
    return lfilter([1.0], [1.0, -alike], noise, axis=0)


def made_farm(
    seed: int,
    *,
    turbines: int | None = None,
    days: int = 365,
    years: int = 8,
    terrain: float | None = None,
    offset: float = 0.0,
    offset_error: float = 1.5,
    sensor_error: float = 3.0,
    growth: float | None = None,
) -> MadeFarm:
    """One farm. ``terrain`` is the standard deviation of the wind speed between turbines, share of the mean."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 9)) if turbines is None else turbines
    places = _layout(rng, n)
    terrain = float(rng.uniform(0.01, 0.03)) if terrain is None else terrain
    growth = float(rng.uniform(0.03, 0.06)) if growth is None else growth
    data = xr.Dataset(
        coords={
            "asset": [f"T{i + 1}" for i in range(n)],
            "latitude": ("asset", 50.0 + places[:, 1] / 111_229.0),
            "longitude": ("asset", 6.0 + places[:, 0] / 71_695.8),
            "rated_capacity": ("asset", np.full(n, RATING)),
            "rotor_diameter": ("asset", np.full(n, ROTOR)),
            "hub_height": ("asset", np.full(n, 90.0)),
        }
    )
    grid_d, grid_u = np.arange(0.0, 360.0, 2.0), np.arange(0.0, 31.0)
    wakes = wind_at_turbines(data, grid_d, np.maximum(grid_u, 0.1), THRUST, growth=growth).values
    wakes /= np.maximum(grid_u, 0.1)[None, :, None]
    factor = _terrain(rng, grid_d, n, terrain)

    # the wind of all years, hourly, of which the last is measured every ten minutes
    hours = years * 8766
    mean, prevailing, wide = rng.uniform(6.5, 8.5), rng.uniform(0, 360), rng.uniform(50, 110)
    shape = slow(rng, (hours,), 0.975)
    from scipy.special import ndtr

    u = mean / 0.8862 * np.sqrt(-np.log1p(-np.clip(ndtr(shape), 0, 1 - 1e-9)))  # Weibull, shape 2
    d = prevailing + wide * slow(rng, (hours,), 0.98)
    time = pd.date_range("2010-01-01", periods=hours, freq="h", unit="ns").to_numpy()

    local, free = _local(u, d, wakes, factor)
    # of the noise at the turbines by five points of Gauss and Hermite
    knots, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    expected = [sum(w * power(one + k * _JUMPY) for k, w in zip(knots, weights, strict=True)) for one in (local, free)]
    long_term = _losses(*expected)

    slots = days * 144
    start = hours - days * 24
    at = start + np.arange(slots) / 6.0
    hour = np.arange(hours)
    u10 = np.maximum(np.interp(at, hour, u) + 0.4 * slow(rng, (slots,), 0.5), 0.0)
    d10 = np.interp(at, hour, d) + 2.0 * slow(rng, (slots,), 0.5)
    local, free = _local(u10, d10, wakes, factor)
    jumpy = _JUMPY * slow(rng, (slots, n), 0.6)
    made, could = power(local + jumpy), power(free + jumpy)
    # stops and limits, hours long, of one turbine each
    for _ in range(int(0.03 * days * n)):
        first, who = int(rng.integers(0, slots)), int(rng.integers(0, n))
        rows = slice(first, first + int(rng.integers(6, 144)))
        limit = 0.0 if rng.random() < 0.6 else rng.uniform(0.3, 0.7) * RATING
        could[rows, who] = made[rows, who] = np.minimum(made[rows, who], limit)
    period = _losses(made, could)
    seen = (local + jumpy) * rng.normal(1.0, 0.02, n) + 0.15 * rng.normal(size=(slots, n))
    error = rng.normal(0.0, offset_error)
    vane = (d10[:, None] - offset + error + rng.normal(0, sensor_error, n) + 3 * rng.normal(size=(slots, n))) % 360
    gone = rng.random((slots, n)) < 0.01
    dims = ("time", "asset")
    ten = pd.date_range(time[start], periods=slots, freq="10min", unit="ns").to_numpy()
    data = data.assign_coords(time=ten).assign(
        power_output=(dims, np.where(gone, np.nan, made)),
        wind_speed=(dims, np.where(gone, np.nan, np.maximum(seen, 0.0))),
        wind_direction=(dims, np.where(gone, np.nan, vane)),
    )
    coarse = np.maximum(0.9 * u + 0.4 + 0.7 * slow(rng, (hours,), 0.8), 0.0)
    turned = np.radians(d + 5 * slow(rng, (hours,), 0.8))
    weather = xr.Dataset(
        {
            "wind_speed": ("time", coarse),
            "wind_u": ("time", -coarse * np.sin(turned)),
            "wind_v": ("time", -coarse * np.cos(turned)),
        },
        coords={"time": time},
    )
    return MadeFarm(data, {"made": weather}, period, long_term, offset, factor)


def _layout(rng: np.random.Generator, n: int) -> Floats:
    """Turbines at least four rotors apart, in a patch that makes the closest five or so apart."""
    side = 5.0 * ROTOR * np.sqrt(n)
    places: list[Floats] = []
    while len(places) < n:
        one = rng.uniform(0, side, 2)
        if all(np.hypot(*(one - other)) > 4 * ROTOR for other in places):
            places.append(one)
        side *= 1.002
    return np.array(places)


def _terrain(rng: np.random.Generator, directions: Floats, n: int, size: float) -> Floats:
    """Wind speed by direction and turbine, share of the mean: a part that is always there, and waves."""
    always = rng.uniform(0.0, 1.0)
    waves = [np.sqrt(always) * rng.normal(size=n)[None, :] * np.ones((len(directions), 1))]
    share = np.array([1.0, 0.7, 0.4, 0.2])
    share = np.sqrt((1 - always) * share / share.sum())
    angle = np.radians(directions)[:, None]
    for number, part in enumerate(share, 1):
        c, s = rng.normal(size=(2, n))
        waves.append(part * (c * np.cos(number * angle) + s * np.sin(number * angle)))
    return 1.0 + size * sum(waves)


def _local(u: Floats, d: Floats, wakes: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Wind speed at each turbine behind wakes and without, dims (row, asset)."""
    place = (d % 360.0) / 2.0
    low = place.astype(np.int64) % 180
    part = (place - np.floor(place))[:, None]
    high = (low + 1) % 180
    free = u[:, None] * ((1 - part) * factor[low] + part * factor[high])
    bottom = np.minimum(u.astype(np.int64), 29)
    over = np.minimum(u - bottom, 1.0)[:, None]
    share = sum(
        a * b * wakes[row, bottom + up]
        for a, row in ((1 - part, low), (part, high))
        for b, up in ((1 - over, 0), (over, 1))
    )
    return free * share, free


def _losses(made: Floats, could: Floats) -> Floats:
    a, b = made.sum(axis=0), could.sum(axis=0)
    return np.append(1 - a / b, 1 - a.sum() / b.sum())
