"""Faults of strings, inputs, inverters and trackers in plants of known truth.

Settings were fixed on seeds 1 to 6 of each kind of plant; here is another, named before it was looked at. Each plant is a year of
15 minutes. A fault is found by an event of its asset that shares time with it; an event that shares none is a false alarm.

Then some of them (``DAILY``) are looked at as its operator would: at the end of every day, with the ``BACK`` days before it alone. Of these daily
runs are the faults found by the end of the day after the one on which they began, and the false alarms: events that last to the
end of the data, whether or not a later run takes them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks._fault_scores import Score
from benchmarks._faulty_plant import Plant, Truth, plant
from benchmarks._faulty_trackers import inverters, trackers
from benchmarks.figures import Cost, Figure

SEED = 20_267
DAY = np.timedelta64(1, "D")
BACK = 60  #: days that a daily run looks back
FIRST = 20  #: day of the year after which the first is made
#: Plants of each kind that have a year of daily runs; all of them would take a quarter of an hour more.
DAILY = {"strings": 2, "one string of 20, totals": 3, "trackers by position": 1, "trackers by power alone": 3}


def seen_next(made: Plant, one: Truth) -> bool:
    """Whether anything of the asset is recorded in the daylight of the day after."""
    clock = np.timedelta64(made.offset, "h")
    until = (one.begin + clock).astype("datetime64[D]") + 2 * DAY - clock
    first, stop = np.searchsorted(made.data["time"].values, [until - DAY, until])
    name = next(str(n) for n in made.data.data_vars if str(n).endswith(("current", "power")))
    values = made.data[name].isel(time=slice(int(first), int(stop)))
    day = values.max("asset") > 0.1 * values.max()
    return bool((np.isfinite(values.sel(asset=one.asset)) & day).sum() > 0.25 * day.sum())


@dataclass
class Daily:
    """What the runs at the end of each day told of one plant."""

    false: list[tuple[str, str]] = field(default_factory=list)  #: asset, and what was said when
    found: dict[int, int] = field(default_factory=dict)  #: by the place of its fault, days until the first alarm
    years: float = 0.0  #: of one asset


def daily_runs(made: Plant, function: Callable[[Any], Any]) -> Daily:
    """Alarms of a year of daily runs; the same asset on the next day is the same alarm."""
    times, clock = made.data["time"].values, np.timedelta64(made.offset, "h")
    midnight = (times[0] + clock).astype("datetime64[D]") - clock
    out, before = Daily(), set[str]()
    last = int((times[-1] - midnight) / DAY) + 1
    for day in range(FIRST, last + 1):
        end = midnight + day * DAY
        first, stop = np.searchsorted(times, [end - BACK * DAY, end])
        events = function(made.data.isel(time=slice(int(first), int(stop)))).events
        now: set[str] = set()
        for _, row in events[events["ongoing"]].iterrows():
            # one of a fault that has just ended is late and not false
            mine = [
                n
                for n, t in enumerate(made.faults)
                if t.asset == row["asset"] and row["begin"] <= t.end + DAY and row["end"] >= t.begin
            ]
            for n in mine:
                out.found.setdefault(n, day - 1 - int((made.faults[n].begin - midnight) / DAY))
            if not mine:
                now.add(row["asset"])
                if row["asset"] not in before:
                    out.false.append((row["asset"], f"{row['fault']} {str(end)[:10]}"))
        before = now
    out.years = made.data.sizes["asset"] * (last + 1 - FIRST) / 365.0
    return out


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
    score = Score()
    with Cost() as cost:
        found = [function(one.data) for one in made]
    for one, faults in zip(made, found, strict=True):
        score.add(one.faults, faults.events, one.data.sizes["asset"])
    yield from told(title, score, cost.cpu)
    if title not in DAILY:
        return
    name, kind = ("stuck", "stuck") if title.startswith("trackers") else ("open string", "open string")
    asked = found_next = silent = 0
    false: list[tuple[str, str]] = []
    years = 0.0
    with Cost() as cost:
        runs = [daily_runs(one, function) for one in made[: DAILY[title]]]
    for one, run in zip(made, runs, strict=False):
        false, years = false + run.false, years + run.years
        start = one.data["time"].values[0]
        for n, truth in enumerate(one.faults):
            if truth.kind != kind or truth.end - truth.begin < 3 * DAY or truth.begin < start + FIRST * DAY:
                continue
            if not seen_next(one, truth):
                silent += 1
                continue
            asked += 1
            found_next += run.found.get(n, 99) <= 1
    if asked:
        note = f"{found_next} of {asked}, {silent} more without data that day"
        yield Figure(
            f"{title}: {name} found the next day", found_next / asked, "1", target=0.95, better="more", note=note
        )
    yield Figure(
        f"{title}: false alarms of daily runs", 100 * len(false) / years, "per 100 years", target=1.0,
        note=f"{len(false)} in {years:.0f} years; one that is later taken back counts; {'; '.join(' '.join(f) for f in false)}",
    )  # fmt: skip
    yield Figure(f"{title}: CPU of daily runs", cost.cpu, "s", note="of all its plants")
