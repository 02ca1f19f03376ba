"""CPU of ``import workbench`` in a fresh interpreter, the interpreter's own start taken off."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figures import Cost, Figure


def _cpu(code: str) -> float:
    costs = []
    for _ in range(5):
        with Cost() as cost:
            subprocess.run([sys.executable, "-c", code], check=True)
        costs.append(cost.cpu)
    return statistics.median(costs)


def figures() -> Iterator[Figure]:
    bare = _cpu("pass")
    yield Figure("import workbench", round(_cpu("import workbench") - bare, 4), "CPU-s", 0.5)
    yield Figure(
        "open the catalog",
        round(_cpu("import workbench; workbench.open_catalog()") - bare, 4),
        "CPU-s",
        note="no target",
    )
