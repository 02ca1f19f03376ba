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


def next_day(made: Plant, one: Truth, function: Callable[[Any], Any]) -> bool:
    """Whether data that end with the day after the one on which it began tell of it."""
    clock = np.timedelta64(made.offset, "h")
    until = (one.begin + clock).astype("datetime64[D]") + 2 * DAY - clock
    first = np.searchsorted(made.data["time"].values, until)
    found = function(made.data.isel(time=slice(0, int(first)))).events
    return bool(((found["asset"] == one.asset) & found["ongoing"]).any())


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


def figures() -> Iterator[Figure]:
    from workbench.analytics.solar import inverter_faults, string_faults, tracker_faults

    plants: dict[str, tuple[Callable[[Any], Any], list[Plant]]] = {
        "strings": (string_faults, [plant(SEED + k, "string") for k in range(3)]),
        "MPPT inputs": (string_faults, [plant(SEED + k, "mppt", parents=5, each=8) for k in range(3)]),
        "one string of 20, totals": (
            string_faults,
            [plant(SEED + k, "inverter", parents=1, each=20, share=0.5) for k in range(3)],
        ),
        "trackers by position": (tracker_faults, [trackers(SEED + k) for k in range(3)]),
        "trackers by power alone": (tracker_faults, [trackers(SEED + k, position=False) for k in range(3)]),
        "inverters": (inverter_faults, [inverters(SEED + k) for k in range(3)]),
    }
    string_faults(plants["strings"][1][0].data.isel(time=slice(0, 960)))  # compiled
    for title, (function, made) in plants.items():
        score, next_, asked = Score(), 0, 0
        with Cost() as cost:
            found = [function(one.data) for one in made]
        for one, faults in zip(made, found, strict=True):
            score.add(one.faults, faults.events, one.data.sizes["asset"])
        yield from told(title, score, cost.cpu)
        kinds = ("open string", "stuck")
        for one in made:
            for truth in [t for t in one.faults if t.kind in kinds and t.end - t.begin > 3 * DAY][:3]:
                asked += 1
                next_ += next_day(one, truth, function)
        if asked:
            name = "stuck found the next day" if "tracker" in title else "open string found the next day"
            yield Figure(f"{title}: {name}", next_ / asked, "1", target=0.95, better="more", note=f"{next_} of {asked}")
