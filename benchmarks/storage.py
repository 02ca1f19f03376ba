"""Batteries: field cycles of known truth from real uses, cells of NASA, a farm of 500.

Each of six real uses (state-of-charge profiles of BLAST-Lite) is followed by a made-up battery of two chemistries, whose health,
efficiency and state of charge are known; see ``_battery_field``. Health and efficiency are those of windows of 60 and 30 days; a use that
does not tell the health gives none and says why, and is counted. The drift comes at once after 15 days.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks._battery_field import OCV, PROFILES, SOC, Plant, Sensors, measured, profile
from benchmarks.figures import Cost, Figure, peak_memory_mb

DATA = Path(os.environ.get("WORKBENCH_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "solar"
SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
WINDOWS = 4


def windows(soc: np.ndarray, step: float, length: float) -> list[tuple[float, float]]:
    """Windows of the profile, spread over it."""
    most = len(soc) * step / 24
    length = min(length, most - 1)
    return [(begin, begin + length) for begin in np.linspace(0, most - length - 0.5, WINDOWS)]


def fields() -> Iterator[Figure]:
    from workbench.analytics.storage import (
        OpenCircuitCurve,
        recount,
        round_trip_efficiency,
        soc_drift,
        state_of_health,
    )

    own = {name: OpenCircuitCurve(SOC, volts, 0.003, 0.001) for name, volts in OCV.items()}
    healths: dict[str, list[tuple[float, float, float]]] = {"maker": [], "typical": []}
    silent = total = 0
    round_trips, late, false, counted = [], [], 0, []
    for name in PROFILES:
        soc, step = profile(DATA / "battery_profiles", name)
        for chemistry in OCV:
            for number, days in enumerate(windows(soc, step, 60)):
                plant = Plant(chemistry=chemistry, health=0.80 + 0.05 * number)
                made = measured(soc, step, days=days, plant=plant, seed=number)
                for which, curve in (("maker", own[chemistry]), ("typical", None)):
                    found = state_of_health(made.data, curve=curve).isel(asset=0)
                    bounds = [float(found[n]) - made.health for n in ("state_of_health", "lower", "upper")]
                    if np.isfinite(bounds[0]):
                        healths[which].append((bounds[0], bounds[1], bounds[2]))
                    elif which == "maker":
                        silent += 1
                total += 1
            for number, days in enumerate(windows(soc, step, 30)):
                made = measured(soc, step, days=days, plant=Plant(chemistry=chemistry), seed=number)
                again = recount(made.data, smooth=True)
                counted.append(float(np.sqrt(np.mean((again["soc_recount"].values[:, 0] - made.soc) ** 2))))
                kept = made.data.assign(again[["soc_recount", "soc_recount_std"]])
                found = round_trip_efficiency(kept).isel(asset=0)
                cycles = float(found["energy_out"] / made.data["energy_capacity"][0])
                if np.isfinite(found["efficiency"]) and cycles >= 0.5:
                    half = float(found["upper"] - found["lower"]) / 2
                    round_trips.append((float(found["efficiency"]) - made.efficiency, half))
                false += int(soc_drift(made.data)["soc_drift_alarm"].any())
                # towards the middle: what stands at an end of the range cannot be reported beyond it
                drift = Sensors(drift=-3.0 if made.soc[15 * 144 :].mean() > 50 else 3.0, drift_from=15)
                drifting = measured(soc, step, days=days, plant=Plant(chemistry=chemistry), seed=number, sensors=drift)
                first = soc_drift(drifting.data)["first_alarm"].values[0] - drifting.data["time"].values[0]
                late.append(first / np.timedelta64(1, "D") - 15)
    for which, found in healths.items():
        error, low, high = np.array(found).T
        inside = 100 * float(((low <= 0) & (high >= 0)).mean())
        sure = (high - low) / 2 <= 1.5
        about = (
            f"{len(error)} of {total} windows of 60 days told, most {np.abs(error).max():.1f}; of the {sure.sum()} whose interval is within "
            f"1.5 points, most {np.abs(error[sure]).max():.2f}"
        )
        target = 1.0 if which == "maker" else None
        yield Figure(
            f"health, {which}'s curve: mean absolute error",
            round(float(np.abs(error).mean()), 2),
            "points",
            target,
            note=about,
        )
        yield Figure(f"health, {which}'s curve: 90 % intervals that hold the truth", round(inside, 1), "%", 85, "more")
    yield Figure("health not told, with a reason", silent, f"of {total}")
    error, half = np.array(round_trips).T
    about = f"{len(error)} of {len(late)} windows of 30 days have half a cycle or more, most {np.abs(error).max():.2f}; intervals hold {100 * (np.abs(error) <= half).mean():.0f} %"
    yield Figure(
        "round-trip efficiency: mean absolute error", round(float(np.abs(error).mean()), 3), "points", 0.3, note=about
    )
    yield Figure(
        "round-trip efficiency: 95 % of errors within", round(float(np.quantile(np.abs(error), 0.95)), 2), "points", 0.3
    )
    yield Figure("state of charge counted: median error (rms)", round(float(np.median(counted)), 2), "points")
    days = np.array(late, dtype=float)
    good = 100 * float(((days > 0) & (days <= 2)).mean())
    about = f"{np.isnan(days).sum()} never, {(days > 2).sum()} later, {(days <= 0).sum()} before it; median {np.nanmedian(days):.1f} days"
    yield Figure("3 % drift flagged within 2 days", round(good, 1), "%", 90, "more", note=about)
    yield Figure("batteries without drift that were flagged", false, f"of {len(late)}", 0)


def nasa() -> Iterator[Figure]:
    from workbench.analytics.storage import discharge_capacity, remaining_life

    series = pd.read_csv(DATA / "nasa_battery" / "B0005_timeseries.csv.gz")
    published = pd.read_csv(DATA / "nasa_battery" / "B0005_discharge.csv")["capacity"].to_numpy()
    seconds = series["Time"] + series["cycle_idx"] * 7200
    times = np.datetime64("2008-04-02", "ns") + (1e9 * seconds).round().astype("int64").to_numpy().astype(
        "timedelta64[ns]"
    )
    columns = {"voltage": series["Voltage_measured"], "current": -series["Current_measured"]}
    data = xr.Dataset({n: ("time", v.to_numpy()) for n, v in columns.items()}, coords={"time": times})
    found = discharge_capacity(data, cut_off=2.7)
    off = 100 * np.abs(found["charge"].to_numpy() / published - 1)
    about = f"{len(found)} cycles of {len(published)}, most {off.max():.4f} %; of B0006 no series is at hand"
    yield Figure(
        "NASA B0005: capacity from V and I, mean absolute error", round(float(off.mean()), 5), "%", 1.0, note=about
    )
    for cell in ("B0005", "B0006"):
        soh = pd.read_csv(DATA / "nasa_battery" / f"{cell}.csv")["capacity"].to_numpy() / 0.02
        end = int(np.argmax(soh <= 70)) + 1
        told = []
        for seen in (50, 60, 70, 80, 90, 100):
            health = xr.Dataset(
                {
                    "state_of_health": ("period", soh[:seen]),
                    "cycles": ("period", np.arange(1.0, seen + 1)),
                    "age": ("period", np.zeros(seen)),
                },
                coords={"period": np.arange(seen)},
            ).expand_dims(asset=[cell])
            life = remaining_life(health, end_of_life=70, cycles_per_year=100, horizon=5).life.isel(asset=0)
            told.append(
                (seen, *(seen + 100 * float(life[n].fillna(np.inf)) for n in ("lower", "remaining_years", "upper")))
            )
        held = sum(low <= end <= high for _, low, _, high in told)
        about = "; ".join(f"from {seen}: {middle:.0f} [{low:.0f}, {high:.0f}]" for seen, low, middle, high in told)
        yield Figure(
            f"NASA {cell}, end at cycle {end}: 90 % intervals that hold it", held, f"of {len(told)}", note=about
        )


def farm() -> Iterator[Figure]:
    from workbench.analytics.storage import cycle_summary, rainflow, recount, round_trip_efficiency, state_of_health

    assets = max(2, round(500 * SCALE))
    soc, step = profile(DATA / "battery_profiles", "frequency")
    one = measured(soc, step, days=(0, 364), slot=0.25).data
    many = one.isel(asset=np.zeros(assets, dtype=int)).assign_coords(asset=[f"B{i:03d}" for i in range(assets)])
    for function in (recount, state_of_health, round_trip_efficiency, cycle_summary):
        function(one)  # compiled
    for name, function in (
        ("recount", recount), ("state_of_health", state_of_health), ("round_trip_efficiency", round_trip_efficiency),
        ("cycle_summary", cycle_summary),
    ):  # fmt: skip
        with Cost() as cost:
            function(many)
        about = f"{many.sizes['time'] * assets / 1e6:.1f} M rows, {cost.wall:.0f} s of wall, {peak_memory_mb() / 1024:.1f} GB"
        yield Figure(f"{name}, {assets} batteries × a year of 15 min", round(cost.cpu, 1), "CPU-s", 120, note=about)
    values = np.ascontiguousarray(many["state_of_charge"].values[:, 0])
    with Cost() as ours:
        depth, _, count, _, _ = rainflow(values)
    try:
        from rainflow import extract_cycles
    except ImportError:
        yield Figure(
            "rainflow of a year of 15 min",
            round(1e3 * ours.wall, 2),
            "ms",
            note="the package rainflow is not installed",
        )
        return
    with Cost() as theirs:
        cycles = [(c[0], c[2]) for c in extract_cycles(values)]
    mine = sorted(zip(depth, count, strict=True))
    off = max(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in zip(mine, sorted(cycles), strict=True))
    about = f"{len(cycles)} cycles, largest difference {off:.1g}"
    yield Figure(
        "rainflow of a year of 15 min",
        round(1e3 * ours.wall, 2),
        "ms",
        rival="rainflow 3.2",
        rival_value=round(1e3 * theirs.wall, 1),
        note=about,
    )


def figures() -> Iterator[Figure]:
    yield from fields()
    yield from nasa()
    yield from farm()
