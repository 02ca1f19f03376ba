"""Batteries: field cycles of known truth from real uses, cells of NASA, a farm of 500.

Each of six real uses (state-of-charge profiles of BLAST-Lite) is followed by a made-up battery of two chemistries, whose health,
efficiency and state of charge are known; see ``_battery_field``. The analyses were built with these in sight. The figures called blind are of
batteries of another make (``_battery_blind``) that were fixed before they were scored. Health and efficiency are those of windows of 60 and 30
days; a use that does not tell the health gives none and says why, and is counted. The drift comes after 15 days, at once; on every second
blind battery within a day.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

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


@dataclass
class Scores:
    """What was found less what is true."""

    kind: str = ""
    healths: dict[str, list[tuple[float, float, float]]] = field(default_factory=lambda: {"maker": [], "typical": []})
    silent: int = 0
    total: int = 0
    trips: list[tuple[float, float]] = field(default_factory=list)
    windows: int = 0
    counted: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    false: int = 0
    sound: int = 0

    def health(self, data: xr.Dataset, truth: float, maker: Any) -> None:
        from workbench.analytics.storage import state_of_health

        for which, curve in (("maker", maker), ("typical", None)):
            found = state_of_health(data, curve=curve).isel(asset=0)
            off = [float(found[n]) - truth for n in ("state_of_health", "lower", "upper")]
            if np.isfinite(off[0]):
                self.healths[which].append((off[0], off[1], off[2]))
            elif which == "maker":
                self.silent += 1
        self.total += 1

    def trip(self, data: xr.Dataset, soc: np.ndarray, truth: float, curve: Any) -> None:
        from workbench.analytics.storage import recount, round_trip_efficiency

        again = recount(data, curve=curve, smooth=True)
        self.counted.append(float(np.sqrt(np.nanmean((again["soc_recount"].values[:, 0] - soc) ** 2))))
        found = round_trip_efficiency(data.assign(again[["soc_recount", "soc_recount_std"]])).isel(asset=0)
        self.windows += 1
        if np.isfinite(found["efficiency"]) and float(found["energy_out"] / data["energy_capacity"][0]) >= 0.5:
            half = float(found["upper"] - found["lower"]) / 2
            self.trips.append((float(found["efficiency"]) - truth, half))

    def drift(self, data: xr.Dataset, curve: Any, day: float) -> None:
        """``day`` from which on it is full."""
        from workbench.analytics.storage import soc_drift

        found = soc_drift(data, curve=curve)
        at = (data["time"].values - data["time"].values[0]) / np.timedelta64(1, "D")
        # an alarm of the time before is one of another matter and is counted where the battery is sound
        after = found["soc_drift_alarm"].values[:, 0] & (at >= day - 1)
        self.late.append(float(at[np.argmax(after)]) - day if after.any() else np.nan)

    def soundness(self, data: xr.Dataset, soc: np.ndarray, curve: Any) -> None:
        """No alarm where the report is never truly off by the threshold: an alarm where it is is none too many."""
        from workbench.analytics.storage import soc_drift

        if np.nanmax(np.abs(data["state_of_charge"].values[:, 0] - soc)) >= 2.0:
            return
        self.sound += 1
        self.false += int(soc_drift(data, curve=curve)["soc_drift_alarm"].any())

    def figures(self) -> Iterator[Figure]:
        for which, found in self.healths.items():
            error, low, high = np.array(found).T
            half = (high - low) / 2
            about = (
                f"{len(error)} of {self.total} windows of 60 days told, most {np.abs(error).max():.2f}, {(np.abs(error) <= 1).sum()} within 1; of "
                f"the {(half <= 1.5).sum()} whose interval is within 1.5, most {np.abs(error[half <= 1.5]).max(initial=0):.2f}; of the "
                f"{(half <= 1).sum()} within 1, most {np.abs(error[half <= 1]).max(initial=0):.2f}"
            )
            target = 1.0 if which == "maker" else None
            mean = round(float(np.abs(error).mean()), 2)
            yield Figure(f"{self.kind}health, {which}'s curve: mean absolute error", mean, "points", target, note=about)
            inside = 100 * float(((low <= 0) & (high >= 0)).mean())
            yield Figure(
                f"{self.kind}health, {which}'s curve: 90 % intervals that hold the truth",
                round(inside, 1),
                "%",
                85,
                "more",
            )
        yield Figure(f"{self.kind}health not told, with a reason", self.silent, f"of {self.total}")
        error, half = np.abs(np.array(self.trips)).T
        about = (
            f"{len(error)} of {self.windows} windows of 30 days have half a cycle or more, most {error.max():.2f}, {(error <= 0.3).sum()} within "
            f"0.3; intervals hold {100 * (error <= half).mean():.0f} %, half of them {np.median(half):.2f} wide each way"
        )
        yield Figure(
            f"{self.kind}round trip: mean absolute error", round(float(error.mean()), 3), "points", 0.3, note=about
        )
        yield Figure(f"{self.kind}round trip: worst error", round(float(error.max()), 2), "points", 0.3)
        yield Figure(
            f"{self.kind}state of charge counted: median error (rms)",
            round(float(np.median(self.counted)), 2),
            "points",
        )
        days = np.array(self.late, dtype=float)
        good = 100 * float((days <= 2).mean())
        about = f"{np.isnan(days).sum()} of {len(days)} never, {(days > 2).sum()} later; median {np.nanmedian(days):.1f} days, latest {np.nanmax(days):.1f}"
        yield Figure(f"{self.kind}3 % drift flagged within 2 days", round(good, 1), "%", 100, "more", note=about)
        yield Figure(f"{self.kind}batteries without drift that were flagged", self.false, f"of {self.sound}", 0)


def fields() -> Iterator[Figure]:
    from workbench.analytics.storage import OpenCircuitCurve

    own = {name: OpenCircuitCurve(SOC, volts, 0.003, 0.001, of_new_cell=False) for name, volts in OCV.items()}
    scores = Scores()
    for name in PROFILES:
        soc, step = profile(DATA / "battery_profiles", name)
        for chemistry in OCV:
            for number, days in enumerate(windows(soc, step, 60)):
                plant = Plant(chemistry=chemistry, health=0.80 + 0.05 * number)
                made = measured(soc, step, days=days, plant=plant, seed=number)
                scores.health(made.data, made.health, own[chemistry])
            for number, days in enumerate(windows(soc, step, 30)):
                made = measured(soc, step, days=days, plant=Plant(chemistry=chemistry), seed=number)
                scores.trip(made.data, made.soc, made.efficiency, None)
                scores.soundness(made.data, made.soc, None)
                # towards the middle: what stands at an end of the range cannot be reported beyond it
                drift = Sensors(drift=-3.0 if made.soc[15 * 144 :].mean() > 50 else 3.0, drift_from=15)
                drifting = measured(soc, step, days=days, plant=Plant(chemistry=chemistry), seed=number, sensors=drift)
                scores.drift(drifting.data, None, 15)
    yield from scores.figures()


def blind() -> Iterator[Figure]:
    from benchmarks._battery_blind import CHEMISTRIES, SEED, SEED_SECOND, USES, battery
    from workbench.analytics.storage import OpenCircuitCurve

    for kind, seed in (("other make: ", SEED_SECOND), ("blind: ", SEED)):
        scores = Scores(kind)
        for use, chemistry, number in product(USES, CHEMISTRIES, range(2)):
            long = battery(use, chemistry, days=60, number=number, seed=seed)
            maker = OpenCircuitCurve(*long.maker)  # with the uncertainty that is taken where nothing is said
            scores.health(long.data, long.health, maker)
            month = battery(use, chemistry, days=30, number=number + 2, seed=seed)
            scores.trip(month.data, month.soc, month.efficiency, maker)
            scores.soundness(month.data, month.soc, maker)
            size = -3.0 if month.soc.mean() > 50 else 3.0
            ramp = float(number)
            off = battery(use, chemistry, days=30, number=number + 2, drift=size, drift_day=15.0, ramp=ramp, seed=seed)
            scores.drift(off.data, maker, 15.0 + ramp)
        yield from scores.figures()


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
    yield from blind()
    yield from nasa()
    yield from farm()
