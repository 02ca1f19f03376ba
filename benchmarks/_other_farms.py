"""Made-up farms of another make, to hold intervals against that were not written together with the analyses.

Nothing is shared with `_drift_farms`, `_yaw_farms`, `_wake_farm` and `wind_intervals_yield`, neither code nor
assumptions, and all was decided before any analysis was run on them:

*Yield*: years of the real ERA5 of La Haute Borne (22 of them, drawn with replacement), so that seasons, days, storms and
the difference between years are those of weather; errors of the reanalyses in the logarithm, of Student's t with four
degrees of freedom, lasting for days, with a season and a time of day, and wandering over years; turbines that run badly for
weeks without anyone noting it; outages with lengths of long tail; losses noted wrongly; two to four years with gaps.
*Wakes*: rows and single turbines; cones with a cosine across, wide by day and narrow by night, deficits added up; wind by
Ornstein-Uhlenbeck in its logarithm with season and time of day, directions that stay and jump as fronts pass; ridges.
*Yaw*: no controller but its outcome, a yaw error in the dead band with excursions; a vane the noisier the calmer it is;
power noise of long tail; two to six turbines. *Degradation*: rates that begin at some time, blades that are repaired, dirt that
rain washes off, anemometers that are replaced; a worse rotor costs nothing at rated power.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.signal import lfilter
from scipy.special import erf

Floats = npt.NDArray[np.float64]
Seed = int | tuple[int, int]

TEST = 20_261  #: the one seed of what is reported
TRAINING = 7  #: of what a method may be mended by


# --- what they have in common ---------------------------------------------------------------------------------


def pulled(rng: np.random.Generator, shape: tuple[int, ...], slots: float, *, tail: float | None = None) -> Floats:
    """Ornstein-Uhlenbeck along the first axis, of deviation 1, forgotten over ``slots``; shocks of Student's t."""
    keep = np.exp(-1.0 / slots)
    shocks = rng.normal(size=shape) if tail is None else rng.standard_t(tail, shape) / np.sqrt(tail / (tail - 2))
    shocks[1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], shocks, axis=0)


def laplace(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> Floats:
    return rng.laplace(0.0, deviation / np.sqrt(2), shape)


def curve(speed: Floats, rated_speed: float = 11.5) -> Floats:
    """Share of the rated power: an error function, from 3.5 m/s; less and less in storm."""
    half, width = 0.68 * rated_speed, 0.3 * rated_speed
    rise = 0.5 * (1 + erf((speed - half) / width))
    start = 0.5 * (1 + erf((3.2 - half) / width))
    share = np.clip((rise - start) / (1 - start) * 1.005, 0.0, 1.0) * (speed > 3.2)
    return share * np.clip((28.0 - speed) / 5.0, 0.0, 1.0)


def outages(rng: np.random.Generator, slots: int, turbines: int, per_year: float, median: float, slots_a_year: float):
    """Which turbines stand, dims (slot, turbine); lengths lognormal with a long tail, of ``median`` slots."""
    down = np.zeros((slots, turbines), bool)
    for one in range(turbines):
        for _ in range(rng.poisson(per_year * (slots + 20 * median) / slots_a_year)):
            first = int(rng.integers(-int(20 * median), slots))
            length = int(np.ceil(median * np.exp(1.3 * rng.normal())))
            down[max(first, 0) : max(first + length, 0), one] = True
    return down


# --- yield ----------------------------------------------------------------------------------------------------


@cache
def _real_years() -> tuple[Floats, Floats, Floats]:
    """Wind speed at 100 m [m/s], temperature [degC], pressure [hPa] of ERA5, dims (year, hour of 365 days)."""
    from workbench.catalog import open_catalog

    data = open_catalog()["la_haute_borne.era5"].read().load()
    if "asset" in data.dims:
        data = data.isel(asset=0)
    time = data["time"].to_index()
    first = time.year.min() + (1 if time[0] > pd.Timestamp(f"{time.year.min()}-01-01") else 0)
    rows = []
    for year in range(first, time.year.max() + 1):
        part = data.sel(time=str(year))
        if part.sizes["time"] >= 8760:
            leap = (part["time"].dt.month == 2) & (part["time"].dt.day == 29)
            rows.append(part.isel(time=~leap.values))
    names = ("wind_speed", "temperature", "barometric_pressure")
    stacked = [np.stack([one[name].values[:8760] for one in rows]).astype(np.float64) for name in names]
    return tuple(np.where(np.isfinite(one), one, np.nanmean(one)) for one in stacked)  # type: ignore[return-value]


@dataclass(frozen=True)
class MadeYield:
    """Hourly energy and losses of a plant, its reanalyses, and the truth [kWh]."""

    plant: xr.Dataset
    reanalysis: dict[str, xr.Dataset]
    mean: float
    year: float


def yield_farm(seed: Seed, *, years: int = 21) -> MadeYield:
    """Whole years of 365 days, in a calendar of real dates; the record ends with them."""
    rng = np.random.default_rng(seed)
    speed, celsius, pressure = _real_years()
    n, rating = int(rng.integers(3, 25)), float(rng.uniform(1800, 4000))
    rated_speed = rng.uniform(10.5, 13.0)
    up = rng.uniform(1.0, 1.35)  # of the site over the grid cell
    density = 100 * pressure / (287.05 * (273.15 + celsius))
    lift = np.cbrt(density / density.mean())
    hour = np.arange(8760)
    # what reanalyses miss: nights and winters differ at the site, in all years alike
    season = rng.uniform(0, 0.05) * np.cos(2 * np.pi * (hour / 8760 - rng.uniform()))
    daily = rng.uniform(0, 0.12) * np.cos(2 * np.pi * (hour / 24 - rng.uniform()))
    local = up * np.exp(season + daily)
    miss = rng.uniform(0.08, 0.16)  # of an hour, half of it for hours and half for days
    wake = rng.uniform(0.04, 0.1)

    def plant_share(wind: Floats, rise: Floats) -> Floats:
        return (1 - wake) * curve(wind * rise, rated_speed)

    # turbines that run badly for weeks; outages
    bad_each, bad_days, bad_depth = rng.uniform(0.2, 0.8), 25.0, rng.uniform(0.08, 0.2)
    per_year, median = rng.uniform(8, 20), rng.uniform(3, 6)
    wrong = rng.normal(1.0, 0.05)  # of what is noted as lost

    def fates(slots: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which turbines run badly and which stand, dims (hour, turbine)."""
        bad = np.zeros((slots, n), bool)
        for one in range(n):
            for _ in range(rng.poisson(bad_each * (slots + 4000) / 8760)):
                first = int(rng.integers(-4000, slots))
                bad[max(first, 0) : max(first + int(24 * rng.exponential(bad_days)), 0), one] = True
        return bad, outages(rng, slots, n, per_year, median, 8760.0)

    def record_of(order: npt.NDArray[np.int64], error: Floats) -> tuple[Floats, Floats]:
        """Gross energy as it would be, and what of it is lost, dims (hour)."""
        wind = (speed[order] * local).ravel() * np.exp(error)
        bad, down = fates(len(order) * 8760)
        each = rating * plant_share(wind, lift[order].ravel())[:, None] * (1 - bad_depth * bad)
        return each.sum(axis=1), (each * down).sum(axis=1)

    def errors(slots: int, count: int) -> Floats:
        """Dims (hour, series)."""
        quick, slow = pulled(rng, (slots, count), 5.0, tail=4.0), pulled(rng, (slots, count), 72.0, tail=4.0)
        return miss * np.sqrt(0.5) * (quick + slow)

    # the mean of the errors' distribution on the curve, and the shares that stand or run badly, of a long time
    many = errors(40_000, 1)[:, 0]
    grid = np.linspace(0, 45, 226)
    blurred = np.array([plant_share(one * np.exp(many), np.ones(1)).mean() for one in grid])
    gross = float(np.interp((speed * local * lift).ravel(), grid, blurred).mean() * 8760 * n * rating)
    badly, stands = (one.mean() for one in fates(60 * 8760))
    mean = gross * (1 - stands) * (1 - bad_depth * badly)

    order = rng.integers(0, len(speed), years)
    slots = years * 8760
    # what the site has and neither product sees, and an error of each product's own
    noise = errors(slots, 3)
    wander = 0.003 * pulled(rng, (years * 73, 2), 5 * 73.0)
    start = pd.Timestamp("2000-01-01")
    days = pd.date_range(start, periods=years * 365 + years // 3 + 4, freq="D", unit="ns")
    days = days[~((days.month == 2) & (days.day == 29))][: years * 365]
    time = (days.to_numpy()[:, None] + np.arange(24) * np.timedelta64(1, "h")).ravel()
    products = {}
    for place, name in enumerate(("one", "two")):
        own = rng.uniform(0.4, 0.8) * noise[:, 1 + place] + np.repeat(wander[:, place], 120)
        shown = speed[order].ravel() * rng.uniform(0.85, 1.1) * np.exp(own)
        products[name] = xr.Dataset(
            {
                "wind_speed": ("time", shown),
                "temperature": ("time", celsius[order].ravel() + rng.normal(0, 1)),
                "barometric_pressure": ("time", pressure[order].ravel()),
            },
            coords={"time": time},
        )
        products[name] = _every_hour(products[name])
    kept = int(rng.integers(2, 5))
    made, lost = record_of(order[-kept:], noise[-kept * 8760 :, 0])
    made, lost = made * (1 + laplace(rng, made.shape, 0.01)), lost * wrong
    meter = rng.uniform(-0.005, 0.005) * np.sqrt(3)
    net = (made - lost / wrong) * (1 + meter)
    gone = outages(rng, len(net), 1, 2.0, 12.0, 8760.0)[:, 0]
    part = {"net_energy": net, "availability_loss": lost, "curtailment_loss": 0 * lost}
    plant = xr.Dataset(
        {name: ("time", np.where(gone, np.nan, values)) for name, values in part.items()},
        coords={"time": time[-kept * 8760 :], "rated_capacity": n * rating},
    )
    ahead = rng.integers(0, len(speed), 1)
    made, lost = record_of(ahead, errors(8760, 1)[:, 0])
    return MadeYield(_every_hour(plant), products, mean, float((made - lost).sum()))


def _every_hour(data: xr.Dataset) -> xr.Dataset:
    """With the 29th of February, which is as the 28th."""
    time = pd.date_range(data["time"].values[0], data["time"].values[-1], freq="h", unit="ns")
    rows = np.searchsorted(data["time"].values, time.to_numpy())
    leap = (time.month == 2) & (time.day == 29)
    rows = np.where(leap, rows - 24 + time.hour.to_numpy(), rows)
    return data.isel(time=rows).assign_coords(time=time.to_numpy())


# --- weather of Ornstein and Uhlenbeck ------------------------------------------------------------------------


def _weather(rng: np.random.Generator, slots: int, per_day: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Wind speed [m/s], direction [degree], how stable the air is in [0, 1], temperature [degC], dims (slot)."""
    day = np.arange(slots) / per_day
    season, night = np.cos(2 * np.pi * (day / 365.25 - 0.03)), np.cos(2 * np.pi * (day - 0.1))
    calm = pulled(rng, (slots,), 1.0 * per_day, tail=5.0)
    log = np.log(rng.uniform(6.2, 8.2)) + 0.12 * season + 0.08 * night * rng.uniform(-1, 1) + 0.45 * calm - 0.08
    speed = np.minimum(np.exp(log), 32.0)
    # directions stay for days and jump as fronts pass, most often among two or three sectors
    favoured, often = rng.uniform(0, 360, 3), rng.dirichlet([2, 2, 1])
    fronts = np.cumsum(rng.random(slots) < 1 / (1.5 * per_day))
    which = rng.choice(3, fronts[-1] + 1, p=often)
    middle = favoured[which] + rng.normal(0, 30, len(which))
    anywhere = rng.random(len(which)) < 0.25
    middle[anywhere] = rng.uniform(0, 360, anywhere.sum())
    direction = middle[fronts] + 12 * pulled(rng, (slots,), 0.25 * per_day)
    stable = np.clip(0.5 + 0.35 * night + 0.15 * season + 0.2 * pulled(rng, (slots,), 0.5 * per_day), 0, 1)
    return speed, direction, stable, 9 - 8 * season - 3 * night + 3 * pulled(rng, (slots,), 4.0 * per_day)


# --- wakes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MadeWakes:
    """A farm, its reanalysis and its losses, by turbine and of the farm (last), in the year and in all years."""

    turbines: xr.Dataset
    reanalysis: dict[str, xr.Dataset]
    period: Floats
    long_term: Floats


def _cones(places: Floats, rotor: float, growth: float) -> Floats:
    """Share of the wind speed left, dims (direction of 2 degrees, speed from 0 to 32, turbine)."""
    speeds = np.arange(33.0)
    left = np.empty((180, 33, len(places)))
    for row, direction in enumerate(np.radians(np.arange(0, 360, 2.0))):
        along = -places[:, 0] * np.sin(direction) - places[:, 1] * np.cos(direction)
        across = places[:, 0] * np.cos(direction) - places[:, 1] * np.sin(direction)
        now = np.ones((33, len(places)))
        for one in np.argsort(along):
            thrust = np.interp(speeds * now[:, one], [3, 9, 11, 13, 16, 25], [0.88, 0.79, 0.7, 0.42, 0.22, 0.07])
            x = along - along[one]
            behind = x > 0.5 * rotor
            radius = 0.5 * rotor + growth * np.maximum(x, 0)
            deep = (1 - np.sqrt(1 - thrust))[:, None] * (0.5 * rotor / radius) ** 2
            angle = np.minimum(np.abs(across - across[one]) / (1.4 * radius), 1.0)
            now -= deep * 0.5 * (1 + np.cos(np.pi * angle)) * behind
        left[row] = np.maximum(now, 0.3)
    return left


def wake_farm(seed: Seed, *, years: int = 8) -> MadeWakes:
    """A year of ten minutes at the end of ``years`` of hours."""
    rng = np.random.default_rng(seed)
    rotor, rating, n = 112.0, 3000.0, int(rng.integers(3, 11))
    if rng.random() < 0.5:  # rows
        columns = int(rng.integers(1, 4))
        grid = np.array([(i % columns, i // columns) for i in range(n)], float)
        places = grid * rotor * rng.uniform([5, 3.5], [8, 6]) + rng.normal(0, 0.4 * rotor, (n, 2))
    else:
        found: list[Floats] = [np.zeros(2)]
        while len(found) < n:
            one = found[int(rng.integers(len(found)))] + rotor * rng.uniform(-9, 9, 2)
            if all(np.hypot(*(one - other)) > 3.5 * rotor for other in found):
                found.append(one)
        places = np.array(found)
    turn = rng.uniform(0, 2 * np.pi)
    places = places @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    left = [_cones(places, rotor, growth) for growth in (0.085, 0.045)]  # of day and of night
    # a ridge: faster across it than along it; and who stands higher is faster
    ridge, height = rng.uniform(0, np.pi), rng.uniform(-0.02, 0.02, n)
    strength = rng.uniform(0, 0.03, n) * rng.choice([-1, 1], n)

    def local(speed: Floats, direction: Floats, stable: Floats) -> tuple[Floats, Floats]:
        free = speed[:, None] * (1 + height + strength * np.cos(2 * (np.radians(direction)[:, None] - ridge)))
        row, bin_ = (direction % 360 / 2).astype(int) % 180, np.minimum(speed, 31.9)
        low = bin_.astype(int)
        part = (bin_ - low)[:, None]
        share = [(1 - part) * one[row, low] + part * one[row, low + 1] for one in left]
        return free * ((1 - stable[:, None]) * share[0] + stable[:, None] * share[1]), free

    hours, slots = years * 8766, 365 * 144
    speed, direction, stable, _ = _weather(rng, hours, 24)
    time = pd.date_range("2011-01-01", periods=hours, freq="h", unit="ns").to_numpy()
    rated_speed = rng.uniform(10.5, 12.5)
    # the gusts between turbines raise the mean power as they do in the ten minutes below
    gust = 0.05
    made, could = local(speed, direction, stable)
    kicks = np.sqrt(3) * gust * np.array([-1, 0, 1])
    both = [sum(w * curve(v * (1 + k), rated_speed) for w, k in zip((1 / 6, 2 / 3, 1 / 6), kicks, strict=True)) for v in (made, could)]  # fmt: skip
    long_term = _lost(*both)

    at = hours - 365 * 24 + np.arange(slots) / 6
    hour = np.arange(hours)
    u, d, s = (np.interp(at, hour, one) for one in (speed, direction, stable))
    made, could = local(u * (1 + 0.04 * pulled(rng, (slots,), 3.0)), d + 3 * pulled(rng, (slots,), 4.0), s)
    jumpy = 1 + gust * pulled(rng, (slots, n), 2.0, tail=6.0)
    seen = made * jumpy
    power, free = (rating * curve(one * jumpy, rated_speed) for one in (made, could))
    down = outages(rng, slots, n, rng.uniform(6, 15), 24.0, 52_560.0)
    limits = outages(rng, slots, 1, 10.0, 30.0, 52_560.0)[:, 0]
    power, free = np.where(down, 0.0, power), np.where(down, 0.0, free)
    power[limits], free[limits] = (np.minimum(one[limits], 0.5 * rating) for one in (power, free))
    period = _lost(power, free)
    shown = seen * rng.uniform(0.96, 1.04, n) * (1 + laplace(rng, (slots, n), 0.02))
    vane = d[:, None] + rng.normal(0, 1.0) + laplace(rng, (1, n), 3.0) + laplace(rng, (slots, n), 4.0)
    gone = outages(rng, slots, n, 4.0, 12.0, 52_560.0)
    dims = ("time", "asset")
    turbines = xr.Dataset(
        {
            "power_output": (dims, np.where(gone, np.nan, np.where(power > 0, power, -8.0))),
            "wind_speed": (dims, np.where(gone, np.nan, shown)),
            "wind_direction": (dims, np.where(gone, np.nan, vane % 360)),
        },
        coords={
            "time": pd.date_range(time[hours - 365 * 24], periods=slots, freq="10min", unit="ns").to_numpy(),
            "asset": [f"W{i + 1}" for i in range(n)],
            "latitude": ("asset", 54.0 + places[:, 1] / 111_306.0),
            "longitude": ("asset", -3.0 + places[:, 0] / 65_578.0),
            "rated_capacity": ("asset", np.full(n, rating)),
            "rotor_diameter": ("asset", np.full(n, rotor)),
            "hub_height": ("asset", np.full(n, 84.0)),
        },
    )
    coarse = speed * rng.uniform(0.85, 1.05) * np.exp(0.1 * pulled(rng, (hours,), 12.0, tail=4.0))
    turned = np.radians(direction + 8 * (stable - 0.5) + 6 * pulled(rng, (hours,), 6.0, tail=4.0))
    weather = xr.Dataset(
        {
            "wind_speed": ("time", coarse),
            "wind_u": ("time", -coarse * np.sin(turned)),
            "wind_v": ("time", -coarse * np.cos(turned)),
        },
        coords={"time": time},
    )
    return MadeWakes(turbines, {"made": weather}, period, long_term)


def _lost(made: Floats, could: Floats) -> Floats:
    a, b = made.sum(axis=0), could.sum(axis=0)
    return 1 - np.append(a, a.sum()) / np.append(b, b.sum())


# --- yaw ------------------------------------------------------------------------------------------------------


def yaw_farm(seed: Seed) -> tuple[xr.Dataset, Floats]:
    """A farm, dims (time, asset), and its misalignments [degree]."""
    rng = np.random.default_rng(seed)
    n, slots = int(rng.integers(2, 7)), int(rng.integers(150, 366)) * 144
    truth = rng.uniform(0, 8, n) * rng.choice([-1, 1], n)
    speed, direction, stable, _ = _weather(rng, slots, 144)
    rated_speed, exponent, rating = rng.uniform(10.5, 12.5), rng.uniform(1.5, 2.8), 2300.0
    wide = (slots, n)
    free = speed[:, None] * np.exp(0.05 * pulled(rng, wide, 6.0))
    turns = direction[:, None] + 4.0 * pulled(rng, wide, 3.0)
    # within the dead band the error is anything; now and then the wind runs away from the nacelle
    band = rng.uniform(4, 8, n)
    idle = band * np.tanh(1.2 * pulled(rng, wide, 4.0))
    away = 9.0 * pulled(rng, wide, 1.5, tail=3.0) * (pulled(rng, wide, 12.0) > 1.0)
    true = np.clip(idle + away, -40, 40) - truth
    # the vane behind the rotor: the noisier the calmer, partly for an hour
    noise = (0.6 + 9.0 / np.maximum(free, 3.0)) * (0.8 * laplace(rng, wide, 1.0) + 0.6 * pulled(rng, wide, 6.0))
    vane = true + truth + noise
    gusty = np.clip(0.14 - 0.08 * stable, 0.04, 0.2) * np.exp(0.2 * pulled(rng, (slots,), 20.0))
    caught = free * np.maximum(np.cos(np.radians(true)), 0.1) ** (exponent / 3)
    spread = caught * gusty[:, None]
    # of the gusts within the slot
    share = sum(w * curve(caught + k * spread, rated_speed) for w, k in ((1 / 6, -1.732), (2 / 3, 0), (1 / 6, 1.732)))
    power = rating * share * np.exp(laplace(rng, wide, 0.04))
    shown = free * rng.uniform(0.93, 1.07, n) * (1 + laplace(rng, wide, 0.03))
    shown = shown * (1 + 0.01 * np.abs(np.radians(true)))  # the flow round the nacelle
    pitch = np.where(share > 0.97, 6.0, 0.0) + rng.normal(0, 0.1, wide)
    down = outages(rng, slots, n, 12.0, 30.0, 52_560.0)
    gone = outages(rng, slots, n, 4.0, 12.0, 52_560.0)

    def field(values: Floats, units: str):
        return ("time", "asset"), np.where(gone, np.nan, values), {"units": units}

    north = rng.uniform(0, 360, n)
    data = xr.Dataset(
        {
            "power_output": field(np.where(down, -6.0, power), "kW"),
            "wind_speed": field(shown, "m/s"),
            "wind_speed_std": field(shown * gusty[:, None] * rng.uniform(0.9, 1.1, n), "m/s"),
            "yaw_error": field(vane, "degree"),
            "nacelle_position": field((turns - true + north) % 360, "degree"),
            "blade_pitch_angle": field(np.where(down, 85.0, pitch), "degree"),
        },
        coords={
            "time": pd.date_range("2019-03-01", periods=slots, freq="10min", unit="ns"),
            "asset": [f"W{i + 1}" for i in range(n)],
            "rated_capacity": ("asset", np.full(n, rating), {"units": "kW"}),
        },
    )
    return data, truth


# --- degradation ----------------------------------------------------------------------------------------------


def worn_farm(seed: Seed) -> tuple[xr.Dataset, Floats]:
    """Hours of three to seven years, and by how much less each turbine makes of the same wind [%/a].

    The truth is the slope of the straight line through the logarithm of what it makes over what it would have made if
    new, by blocks of 28 days.
    """
    rng = np.random.default_rng(seed)
    n, slots = int(rng.integers(2, 9)), int(rng.uniform(3, 7) * 8766)
    rating, rated_speed = 2000.0, rng.uniform(11, 13)
    speed, direction, _, celsius = _weather(rng, slots, 24)
    year = np.arange(slots) / 8766
    density = 1.21 * 288.15 / (273.15 + celsius)
    wide = (slots, n)
    seen = 1 + 0.05 * np.cos(np.radians(direction[:, None]) - rng.uniform(0, 2 * np.pi, n))
    free = speed[:, None] * seen * np.exp(0.05 * pulled(rng, wide, 4.0, tail=5.0))
    worn = np.zeros(wide)
    for one in range(n):
        kind, rate = rng.integers(3), rng.uniform(0.0, 0.02)
        if kind == 0:  # from the beginning
            worn[:, one] = rate * year
        elif kind == 1:  # from some time on
            worn[:, one] = 1.5 * rate * np.maximum(year - rng.uniform(0, year[-1] * 0.7), 0)
        else:  # from the beginning, and repaired in part
            worn[:, one] = rate * year - 0.6 * rate * year[-1] * rng.uniform(0, 1) * (year > rng.uniform(0.3, 0.9) * year[-1])  # fmt: skip
    made, new = (
        curve(free * np.cbrt(density / 1.21)[:, None] * np.cbrt(1 - loss), rated_speed) for loss in (worn, 0.0)
    )
    block = np.arange(slots) // (28 * 24)
    size = slots // (28 * 24)
    log = np.log(
        np.stack([np.bincount(block, made[:, i])[:size] / np.bincount(block, new[:, i])[:size] for i in range(n)])
    )
    truth = 100 * np.polyfit((np.arange(size) + 0.5) * 28 / 365.25, log.T, 1)[0]
    # what is no degradation: dirt until it rains, a season of its own, anemometers that are replaced
    dirt = np.zeros(wide)
    for one in range(n):
        rains = np.concatenate([[0], np.flatnonzero(rng.random(slots) < 1 / (30 * 24))])
        since = np.arange(slots) - rains[np.searchsorted(rains, np.arange(slots), side="right") - 1]
        dirt[:, one] = 0.008 * (1 - np.exp(-since / (45 * 24)))
    odd = 0.003 * np.sin(2 * np.pi * year + rng.uniform(0, 6))[:, None]
    power = rating * curve(
        free * np.cbrt(density / 1.21)[:, None] * np.cbrt((1 - worn) * (1 - dirt) * (1 + odd)), rated_speed
    )
    power = power * np.exp(laplace(rng, wide, 0.03))
    drift = np.zeros(wide)
    for one in range(n):
        for at in np.flatnonzero(rng.random(slots) < 1 / (2.5 * 8766)):
            drift[at:, one] += rng.normal(0, 0.003)
    drift += 0.002 * pulled(rng, wide, 90 * 24.0)
    shown = free * (1 + drift) * (1 + laplace(rng, wide, 0.02)) * rng.uniform(0.95, 1.05, n)
    down = outages(rng, slots, n, 12.0, 6.0, 8766.0)
    dims = ("time", "asset")
    data = xr.Dataset(
        {
            "power_output": (dims, np.where(down, -4.0, power), {"units": "kW"}),
            "wind_speed": (dims, shown, {"units": "m/s"}),
            "temperature": (dims, celsius[:, None] + rng.normal(0, 0.5, n), {"units": "degC"}),
        },
        coords={
            "time": pd.date_range("2014-05-01", periods=slots, freq="h", unit="ns"),
            "asset": [f"W{i + 1}" for i in range(n)],
            "rated_capacity": ("asset", np.full(n, rating), {"units": "kW"}),
            "elevation": ("asset", np.zeros(n), {"units": "m"}),
        },
    )
    return data, truth
