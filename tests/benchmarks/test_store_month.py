"""The month's analysis, on one day of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_day_of_it_gives_equal_results(checkout: Path):
    code = (
        "from benchmarks.store_month import figures\n"
        "found = {f.name: f for f in figures()}\n"
        "assert len(found) == 10, list(found)\n"
        "assert all(f.met is not False for f in found.values()), found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={**os.environ, "SCALE_OF_LOAD": "0.03"},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-3000:]
