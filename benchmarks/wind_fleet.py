"""A wind fleet: 100 turbines × 3 years of ten minutes, 15.8 million rows; flags, curves, availability.

The fleet is made up: a farm's wind with the memory that wind has (AR(1), a share of each turbine's own), a day and a year in
temperature, turbines that follow a curve with scatter, stop for hours, are derated, iced, sometimes send nothing, or hold
a sensor still. It is made before the clock runs. Then, as an analyst would: range, stuck and gaps flagged; icing and
curtailment found; what is ordinary told from what is not; a measured power curve and the availability of each turbine. Turbines
do not need one another for that, and go through ten at a time, two at once.

The checks that hold turbines against each other (clocks, northing, drift) need the whole farm at once, and are a figure of
their own, for one sensor each. So do wakes: the turbines stand in a square, and a reanalysis of twenty years gives the long term.

Last, 1 Hz: a day of ten turbines brought to ten minutes, with the circular mean of a direction; the rival is pandas, which
has no circular mean: it is given sine and cosine to average, as its users do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.figures import Cost, Figure, peak_memory_mb

SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
TURBINES, ROWS = max(4, round(100 * SCALE)), 157_824 if SCALE >= 1 else 30_000
AT_ONCE, RATING = 10, 2050.0
VARIABLES = ("wind_speed", "power_output", "temperature", "nacelle_position", "blade_pitch_angle")


def _ar(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> np.ndarray:
    from scipy.signal import lfilter

    noise = rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(1 - memory**2))
    return lfilter([1.0], [1.0, -memory], noise, axis=0).astype(np.float32)


def fleet(seed: int = 1) -> xr.Dataset:
    """dims (time, asset), 32 bits."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2022-01-01", periods=ROWS, freq="10min", unit="ns").to_numpy()
    shared = _ar(rng, (ROWS, 1), 0.9985) * 0.9 + _ar(rng, (ROWS, 1), 0.97) * 0.3
    wind = np.empty((ROWS, TURBINES), np.float32)
    power, turned = np.empty_like(wind), np.empty_like(wind)
    pitch = np.empty_like(wind)
    hours = np.arange(ROWS) / 6
    season = 9 - 11 * np.cos(2 * np.pi * hours / 8766) - 4 * np.cos(2 * np.pi * (hours - 3) / 24)
    climate = (season[:, None] + 3 * _ar(rng, (ROWS, 1), 0.998)).astype(np.float32)
    bearing = np.cumsum(rng.normal(0, 3, ROWS)).astype(np.float32)
    warm = np.empty_like(wind)
    for at in range(0, TURBINES, AT_ONCE):
        part = slice(at, min(at + AT_ONCE, TURBINES))
        shape = (ROWS, part.stop - part.start)
        speed = np.exp(2.0 + 0.48 * shared + 0.07 * _ar(rng, shape, 0.6)).astype(np.float32)
        made = np.float32(RATING) / (1 + np.exp(-(speed - 8.6) / 1.05)) + rng.normal(0, 25, shape).astype(np.float32)
        made[speed < 3.2] = -8.0
        blades = np.maximum(0, (speed - 11.5) * 2) + rng.normal(0, 0.2, shape).astype(np.float32)
        for column in range(shape[1]):
            for start in rng.integers(0, ROWS - 300, 60):  # stops
                made[start : start + int(rng.integers(3, 200)), column] = -6.0
            start = int(rng.integers(0, ROWS - 9000))
            span = slice(start, start + 8640)  # two months at 1,500 kW
            held = made[span, column] > 1500
            made[span, column] = np.where(held, 1500 + rng.normal(0, 3, 8640), made[span, column])
            blades[span, column] += np.where(held, 4, 0)
            still = int(rng.integers(0, ROWS - 50))
            speed[still : still + 30, column] = speed[still, column]
        iced = (climate < -6) & (_ar(rng, shape, 0.999) > 1)
        made[iced] *= np.float32(0.5)
        lost = rng.random(shape, dtype=np.float32) < 0.01
        for array in (speed, made, blades):
            array[lost] = np.nan
        wind[:, part], power[:, part], pitch[:, part] = speed, made, blades
        turned[:, part] = (bearing[:, None] + rng.normal(0, 4, shape)) % 360
        warm[:, part] = climate + rng.normal(0, 0.3, shape)
    units = ("m/s", "kW", "degC", "degree", "degree")
    content = zip(VARIABLES, (wind, power, warm, turned, pitch), units, strict=True)
    return xr.Dataset(
        {name: (("time", "asset"), values, {"units": unit}) for name, values, unit in content},
        coords={
            "time": times,
            "asset": [f"T{i:03d}" for i in range(TURBINES)],
            "rated_capacity": ("asset", np.full(TURBINES, RATING)),
            "elevation": ("asset", np.full(TURBINES, 400.0)),
            "hub_height": ("asset", np.full(TURBINES, 80.0)),
        },
        attrs={"asset_type": "wind_turbine", "cadence": "10min"},
    )


def analysed(data: xr.Dataset) -> dict[str, xr.Dataset]:
    """Flags, curves and availability of some turbines; counts of the flags, not the flags themselves."""
    from workbench.analytics.wind import (
        availability,
        curtailment_detection,
        icing_detection,
        icing_summary,
        normal_operation,
        power_curve,
        production_state,
    )
    from workbench.model.quality import count_flags
    from workbench.transforms.quality import flag_quality

    flagged = curtailment_detection(icing_detection(flag_quality(data)))
    state = production_state(flagged)
    candidates = (state == 2) & (flagged["icing"] <= 0) & (flagged["curtailment"] <= 0)
    ordinary = normal_operation(flagged, candidates)
    counts = {f"{name}_{flag}": n for name, found in count_flags(flagged).items() for flag, n in found.items()}
    counts["curtailed"] = int((flagged["curtailment"] > 0).sum())
    return {
        "curve": power_curve(flagged, where=ordinary),
        "availability": availability(state),
        "icing": icing_summary(flagged),
        "counts": xr.Dataset({name: ((), n) for name, n in counts.items()}),
    }


def one_hertz() -> xr.Dataset:
    rng = np.random.default_rng(2)
    shape = (86_400, AT_ONCE)
    return xr.Dataset(
        {
            "wind_speed": (("time", "asset"), rng.gamma(8, 1, shape)),
            "power_output": (("time", "asset"), rng.normal(900, 60, shape)),
            "wind_direction": (("time", "asset"), rng.normal(0, 20, shape) % 360),
        },
        coords={
            "time": pd.date_range("2024-01-01", periods=86_400, freq="s", unit="ns"),
            "asset": [f"T{i}" for i in range(AT_ONCE)],
        },
    )


def by_pandas(data: xr.Dataset) -> list[pd.DataFrame]:
    made = [data[name].to_pandas().resample("10min").mean() for name in ("wind_speed", "power_output")]
    turned = np.deg2rad(data["wind_direction"].to_pandas())
    s, c = np.sin(turned).resample("10min").mean(), np.cos(turned).resample("10min").mean()
    return [*made, np.rad2deg(np.arctan2(s, c)) % 360]


def figures() -> Iterator[Figure]:
    from workbench.analytics.wind import (
        clock_shifts,
        northing_jumps,
        sensor_drift,
        simulate_wake_losses,
        ten_minute,
        wake_losses,
    )

    analysed(fleet_of_two())  # what is compiled once is no part of the work
    data = fleet()
    before = peak_memory_mb()
    parts = [data.isel(asset=slice(at, at + AT_ONCE)) for at in range(0, TURBINES, AT_ONCE)]
    with Cost() as cost, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(analysed, parts))
    peak = peak_memory_mb()
    rows = ROWS * TURBINES / 1e6
    counts = sum(int(one) for result in results for one in result["counts"].data_vars.values())
    known = float(xr.concat([r["availability"]["availability"] for r in results], "asset").mean())
    about = f"{rows:.1f} M rows, {cost.cpu:.1f} CPU-s, {counts:,} flags, availability {known:.3f}"
    whole = SCALE >= 1
    yield Figure("flags, curves, availability", round(cost.wall, 2), "s", 30 if whole else None, note=about)
    yield Figure(
        "peak memory with the fleet in it", round(peak / 1000, 2), "GB", 4 if whole else None,
        note=f"before the analysis, with its making, {before / 1000:.2f} GB",
    )  # fmt: skip
    with Cost() as cost:
        jumps, shifts, drifts = northing_jumps(data), clock_shifts(data), sensor_drift(data)
    false = len(jumps) - TURBINES + len(shifts) - TURBINES + int((drifts["kind"] != "none").sum())
    yield Figure(
        "northing, clocks and drift against neighbours", round(cost.wall, 1), "s",
        note=f"{rows:.1f} M rows, one core, {cost.cpu:.1f} CPU-s; found where nothing is: {false}",
    )  # fmt: skip
    del parts, results
    farm, reanalysis = placed(data)
    del data
    part = farm.isel(time=slice(0, 3_000), asset=slice(0, 4))
    wake_losses(part, reanalysis)  # compiled
    before = peak_memory_mb()
    with Cost() as cost:
        waked = wake_losses(farm, reanalysis)
    loss = 100 * float(waked.summary.loc["plant", "long_term"])
    yield Figure(
        "wake losses, with the long term", round(cost.cpu, 1), "CPU-s", 30 if whole else None,
        note=f"{rows:.1f} M rows, one core, {cost.wall:.1f} s; of a farm without wakes {loss:.2f} %; peak memory so far "
        f"{before / 1000:.2f}, with it {peak_memory_mb() / 1000:.2f} GB",
    )  # fmt: skip
    simulate_wake_losses(part, reanalysis, simulations=2)
    with Cost() as cost:
        simulate_wake_losses(farm, reanalysis, simulations=10)
    yield Figure(
        "wake losses, 10 simulations", round(cost.cpu, 1), "CPU-s",
        note=f"{cost.wall:.1f} s; peak memory {peak_memory_mb() / 1000:.2f} GB",
    )  # fmt: skip
    del farm, waked
    fast = one_hertz()
    ten_minute(fast)
    with Cost() as mine:
        ours = ten_minute(fast)
    with Cost() as other:
        theirs = by_pandas(fast)
    off = (ours["wind_direction"].values - theirs[2].to_numpy() + 180) % 360 - 180
    yield Figure(
        "1 Hz to ten minutes, a day of ten turbines", round(mine.cpu, 3), "CPU-s", rival="pandas",
        rival_value=round(other.cpu, 3), note=f"largest difference of a direction {np.abs(off).max():.1g} degrees",
    )  # fmt: skip


def placed(data: xr.Dataset) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """The fleet in a square, 600 m apart, with its directions by the name they have elsewhere; and a reanalysis."""
    turbines = data.sizes["asset"]
    side, place = int(np.ceil(np.sqrt(turbines))), np.arange(turbines)
    farm = data[["wind_speed", "power_output"]].assign(wind_direction=data["nacelle_position"])
    farm = farm.assign_coords(
        latitude=("asset", 48.0 + (place // side) * 0.0054),
        longitude=("asset", 5.0 + (place % side) * 0.0081),
        rotor_diameter=("asset", np.full(turbines, 92.0)),
    )
    hours = pd.date_range("2005-01-01", "2025-01-01", freq="h", inclusive="left", unit="ns").to_numpy()
    rng = np.random.default_rng(5)
    speed, angle = rng.weibull(2.0, len(hours)) * 8, rng.uniform(0, 2 * np.pi, len(hours))
    measured = farm.isel(asset=0, time=slice(0, None, 6))
    at = np.searchsorted(hours, measured["time"].values)
    wind, bearing = measured["wind_speed"].values, np.deg2rad(measured["wind_direction"].values)
    known = np.isfinite(wind) & np.isfinite(bearing) & (at < len(hours))
    speed[at[known]], angle[at[known]] = 0.9 * wind[known], bearing[known]
    content = {"wind_speed": speed, "wind_u": -speed * np.sin(angle), "wind_v": -speed * np.cos(angle)}
    dims = ("time", "asset")
    made = xr.Dataset({name: (dims, one[:, None]) for name, one in content.items()}, {"time": hours, "asset": ["P"]})
    return farm, {"made": made}


def fleet_of_two() -> xr.Dataset:
    """The kind of data that the fleet is, to compile for."""
    rng = np.random.default_rng(3)
    shape = (2_000, 2)
    values = {name: (("time", "asset"), rng.random(shape, dtype=np.float32) * 10) for name in VARIABLES}
    return xr.Dataset(
        values,
        coords={
            "time": pd.date_range("2022-01-01", periods=2_000, freq="10min", unit="ns"),
            "asset": ["A", "B"],
            "rated_capacity": ("asset", [10.0, 10.0]),
            "elevation": ("asset", [0.0, 0.0]),
            "hub_height": ("asset", [80.0, 80.0]),
        },
        attrs={"asset_type": "wind_turbine", "cadence": "10min"},
    )
