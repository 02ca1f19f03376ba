"""The page of a wind farm's performance: how long a moved slider waits for its answer, on La Haute Borne.

Two years of four turbines and twenty of two reanalyses, read and prepared once (a figure of its own); then each answer.
What is measured is what the server works out; the browser's part is a few hundredths more.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

from benchmarks.figures import Cost, Figure

ROUNDS = 7


def figures() -> Iterator[Figure]:
    from workbench.display.performance import CurveSettings, YieldSettings, prepare
    from workbench.display.performance_aging import AgingSettings, YawSettings
    from workbench.display.performance_gap import GapSettings
    from workbench.display.performance_wakes import WakeSettings
    from workbench.project import Project

    here = Path(__file__).resolve().parent.parent
    os.environ.setdefault("WORKBENCH_TEST_DATA", str(here.parent / "shared" / "data"))
    with tempfile.TemporaryDirectory() as folder:
        live = SimpleNamespace(project=Project(here), root=Path(folder))
        with Cost() as reading:
            farm = prepare(live, "la_haute_borne")  # type: ignore[arg-type]
    if farm.plant is None:
        raise SystemExit(farm.problem)
    yield Figure("wind page: read and prepare a farm", reading.wall, "s", note=f"CPU {reading.cpu:.1f} s")
    for count in (10_000, 100_000):
        walls = []
        for round_ in range(ROUNDS):
            with Cost() as cost:
                # another setting each time, as a slider gives
                farm.yields(YieldSettings(simulations=count, loss_limit=(10, 20 + round_)))
            walls.append(cost.wall)
        yield Figure(f"wind page: yield, {count:,} simulations", max(walls), "s", target=0.5, note=_walls(walls))
    walls = []
    for last in range(farm.last_years[0], farm.last_years[0] + ROUNDS):
        with Cost() as cost:
            farm.yields(YieldSettings(last_year=last, years=(5, 9)))
        walls.append(cost.wall)
    yield Figure("wind page: yield, another end of the long term", max(walls), "s", target=0.5, note=_walls(walls))
    walls = []
    for round_ in range(ROUNDS):
        with Cost() as cost:
            farm.curves(CurveSettings(spread=3.0 + round_ / 2))
        walls.append(cost.wall)
    yield Figure("wind page: curves of four turbines", max(walls), "s", target=0.5, note=_walls(walls))
    with Cost() as cost:
        farm.wakes.prepare()
    yield Figure("wind page: prepare the wakes, in the background", cost.wall, "s", note=f"CPU {cost.cpu:.1f} s")
    moved: tuple[tuple[str, Callable[[int], object]], ...] = (
        ("wakes, another sector", lambda at: farm.wakes.answer(WakeSettings(sector=60.0 + 5 * at))),
        ("wakes, the wind turned", lambda at: farm.wakes.answer(WakeSettings(turn=1.0 + at))),
        ("wakes, other turbines below their curve", lambda at: farm.wakes.answer(WakeSettings(spread=8.0 + at))),
        ("wakes, another length of the long term", lambda at: farm.wakes.answer(WakeSettings(years=8 + at))),
        ("yaw, other power", lambda at: farm.yaw.answer(YawSettings(power=(7 + at, 70)))),
        ("yaw, another vane", lambda at: farm.yaw.answer(YawSettings(largest_vane=15.0 + at))),
        ("degradation, another baseline", lambda at: farm.aging.answer(AgingSettings(baseline=0.8 + at / 8))),
        (
            "degradation by neighbours",
            lambda at: farm.aging.answer(AgingSettings("neighbours", block=20 + at)),
        ),
    )
    for name, ask in moved:
        yield _slider(name, ask)
    interval = farm.wakes.answer(WakeSettings())
    with Cost() as cost:
        farm.wakes.finer(interval, lambda: True)
    yield Figure("wind page: interval of the wakes, 100 simulations, after the answer", cost.wall, "s")
    with Cost() as cost:
        farm.gap.prepare()
    yield Figure("wind page: prepare the gap, in the background", cost.wall, "s", note=f"CPU {cost.cpu:.1f} s")
    yield _slider("gap to another assessment", lambda at: farm.gap.answer(GapSettings(12.0 + at / 10)))


def _slider(name: str, ask: Callable[[int], object]) -> Figure:
    """The slowest of some answers, each to another setting."""
    walls, work = [], 0.0
    for at in range(ROUNDS):
        with Cost() as cost:
            ask(at)
        walls.append(cost.wall)
        work = max(work, cost.cpu)
    return Figure(f"wind page: {name}", max(walls), "s", target=0.5, note=f"CPU {work:.2f} s; {_walls(walls)}")


def _walls(walls: list[float]) -> str:
    return "the slowest of " + ", ".join(f"{wall:.3f}" for wall in walls)
