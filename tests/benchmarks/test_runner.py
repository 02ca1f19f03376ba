"""What a benchmark reports is judged and shown as it is meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import Figure


@pytest.mark.parametrize(
    ("value", "target", "better", "met"),
    [(0.4, 0.5, "less", True), (0.6, 0.5, "less", False), (6, 5, "more", True), (4, 5, "more", False), (1, None, "less", None)],
)  # fmt: skip
def test_a_target_is_met_in_its_own_sense(value, target, better, met):
    assert Figure("x", value, "s", target, better).met is met


def test_the_ratio_says_how_many_times_better():
    assert Figure("x", 2.0, "s", rival="r", rival_value=8.0).ratio == 4.0
    assert Figure("x", 8.0, "rows/s", better="more", rival="r", rival_value=2.0).ratio == 4.0
    assert Figure("x", 8.0, "s").ratio is None


def test_an_unknown_benchmark_is_refused_with_what_there_is(checkout: Path):
    done = subprocess.run([sys.executable, "-m", "benchmarks", "nothing"], capture_output=True, text=True, cwd=checkout)
    assert done.returncode == 2
    assert "demo" in done.stderr
    assert "import_time" in done.stderr
