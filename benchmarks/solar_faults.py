"""Faults of strings, inputs, inverters and trackers in plants of known truth.

Settings were fixed on seeds 1 to 3 of each kind of plant; here is another, named before it was looked at. Each plant is a year of
15 minutes. A fault is found by an event of its asset that shares time with it; an event that shares none is a false alarm.
``the next day`` is told by running on the data to the end of the day after the one on which it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks._fault_scores import Score
from benchmarks._faulty_plant import Plant, Truth, plant
from benchmarks._faulty_trackers import inverters, trackers
from benchmarks.figures import Cost, Figure

SEED = 20_261
DAY = np.timedelta64(1, "D")
#: Days of the year after which the daily runs are made; all of them would take an hour.
DAILY = {"strings": (100, 125), "one string of 20, totals": (100, 130)}


def next_day(made: Plant, one: Truth, function: Callable[[Any], Any]) -> bool:
    """Whether data that end with the day after the one on which it began tell of it."""
    clock = np.timedelta64(made.offset, "h")
    until = (one.begin + clock).astype("datetime64[D]") + 2 * DAY - clock
    first = np.searchsorted(made.data["time"].values, until)
    found = function(made.data.isel(time=slice(0, int(first)))).events
    return bool(((found["asset"] == one.asset) & found["ongoing"]).any())


def seen_next(made: Plant, one: Truth) -> bool:
    """Whether anything of the asset is recorded in the daylight of the day after."""
    clock = np.timedelta64(made.offset, "h")
    until = (one.begin + clock).astype("datetime64[D]") + 2 * DAY - clock
    first, stop = np.searchsorted(made.data["time"].values, [until - DAY, until])
    name = next(str(n) for n in made.data.data_vars if str(n).endswith(("current", "power")))
    values = made.data[name].isel(time=slice(int(first), int(stop)))
    day = values.max("asset") > 0.1 * values.max()
    return bool((np.isfinite(values.sel(asset=one.asset)) & day).sum() > 0.25 * day.sum())


def standing(made: Plant, function: Callable[[Any], Any], first: int, stop: int) -> tuple[list[tuple[str, str]], float]:
    """False alarms as an operator sees them who runs it after each of the days ``first`` to ``stop``, and years of one asset.

    An alarm is an event that lasts to the end of the data so far, whether or not a later run takes it back. It is false where no
    fault of its asset shares time with it; the same asset on the next day is the same alarm.
    """
    times, clock = made.data["time"].values, np.timedelta64(made.offset, "h")
    midnight = (times[0] + clock).astype("datetime64[D]") - clock
    out: list[tuple[str, str]] = []
    before: set[str] = set()
    for day in range(first, stop):
        end = midnight + day * DAY
        events = function(made.data.isel(time=slice(0, int(np.searchsorted(times, end))))).events
        now: set[str] = set()
        for _, row in events[events["ongoing"]].iterrows():
            mine = [t for t in made.faults if t.asset == row["asset"]]
            # one of a fault that has just ended is late and not false
            if not any(row["begin"] <= t.end + DAY and row["end"] >= t.begin for t in mine):
                now.add(row["asset"])
                if row["asset"] not in before:
                    out.append((row["asset"], f"{row['fault']} {str(end)[:10]}"))
        before = now
    return out, made.data.sizes["asset"] * (stop - first) / 365.0


def told(title: str, score: Score, cost: float, *, target: float | None = 1.0, energy: bool = True) -> Iterator[Figure]:
    note = f"{score.faults} faults, {score.years:.0f} years of one; right class {100 * score.right_kind / max(score.hits, 1):.0f} %"
    yield Figure(f"{title}: recall", score.recall, "1", target=0.95, better="more", note=note)
    yield Figure(f"{title}: false alarms", score.false_rate, "per 100 years", target=target)
    yield Figure(
        f"{title}: day it began, 90 % within", float(np.quantile(np.abs(score.begin_off), 0.9)), "day", target=1.0
    )
    if energy:
        total, single = score.energy()
        yield Figure(f"{title}: lost energy of all, error", abs(total), "%", target=10.0, note=f"{total:+.1f} %")
        yield Figure(
            f"{title}: lost energy of one, median error", single, "%", target=10.0, note="faults of 20 kWh or more"
        )
    yield Figure(f"{title}: CPU", cost, "s", note="of all its plants")


KINDS: dict[str, Callable[[int], Plant]] = {
    "strings": lambda seed: plant(seed, "string"),
    "MPPT inputs": lambda seed: plant(seed, "mppt", parents=5, each=8),
    "one string of 20, totals": lambda seed: plant(seed, "inverter", parents=1, each=20, share=0.5),
    "trackers by position": trackers,
    "trackers whose position errs": lambda seed: trackers(seed, sensors=True),
    "trackers by power alone": lambda seed: trackers(seed, position=False),
    "inverters": inverters,
}


def figures() -> Iterator[Figure]:
    for title in KINDS:
        yield from of_kind(title)


def of_kind(title: str) -> Iterator[Figure]:
    """Figures of three plants of one kind."""
    from workbench.analytics.solar import inverter_faults, string_faults, tracker_faults

    function: Callable[[Any], Any] = string_faults
    if title.startswith("trackers"):
        function = tracker_faults
    elif title == "inverters":
        function = inverter_faults
    made = [KINDS[title](SEED + k) for k in range(3)]
    function(made[0].data.isel(time=slice(0, 960)))  # compiled
    score, next_, asked, silent = Score(), 0, 0, 0
    with Cost() as cost:
        found = [function(one.data) for one in made]
    for one, faults in zip(made, found, strict=True):
        score.add(one.faults, faults.events, one.data.sizes["asset"])
    yield from told(title, score, cost.cpu)
    most = 10 if "totals" in title else 3  # of a plant
    for one in made:
        for truth in [t for t in one.faults if t.kind in ("open string", "stuck") and t.end - t.begin > 3 * DAY][:most]:
            if not seen_next(one, truth):
                silent += 1
                continue
            asked += 1
            next_ += next_day(one, truth, function)
    if asked:
        name = "stuck found the next day" if "tracker" in title else "open string found the next day"
        note = f"{next_} of {asked}, {silent} more without data that day"
        yield Figure(f"{title}: {name}", next_ / asked, "1", target=0.95, better="more", note=note)
    if title in DAILY:
        false: list[tuple[str, str]] = []
        years = 0.0
        for one in made:
            more, span = standing(one, function, *DAILY[title])
            false += more
            years += span
        yield Figure(
            f"{title}: false alarms of daily runs", 100 * len(false) / years, "per 100 years", target=1.0,
            note=f"{len(false)} in {years:.0f} years; one that is later taken back counts",
        )  # fmt: skip
