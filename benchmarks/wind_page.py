"""The page of a wind farm's performance: how long a moved slider waits for its answer, on La Haute Borne.

Two years of four turbines and twenty of two reanalyses, read and prepared once (a figure of its own); then each answer.
What is measured is what the server works out; the browser's part is a few hundredths more.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from benchmarks.figures import Cost, Figure

ROUNDS = 7


def figures() -> Iterator[Figure]:
    from workbench.display.performance import CurveSettings, YieldSettings, prepare
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


def _walls(walls: list[float]) -> str:
    return "the slowest of " + ", ".join(f"{wall:.3f}" for wall in walls)
