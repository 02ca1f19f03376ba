"""The demonstration for a minute: nothing lost, nothing twice, and how old values are at a reader's live ring.

The plants, the collector with its keeper and the reader run as they do for a user, without pages. Lost and
duplicates come from comparing the store with what the simulator wrote down, value by value.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure

SECONDS = 60


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "summary.json"
        command = [sys.executable, "-m", "workbench", "demo", "--for", f"{SECONDS}s", "--no-browser", "--no-pages"]
        command += ["--any-ports", "--dir", str(Path(folder) / "demo"), "--json", str(out)]
        subprocess.run(command, stdout=sys.stderr, check=False)
        summary = json.loads(out.read_text())
    protocols = sorted({row["protocol"] for row in summary["sources"]})
    about = f"{summary['values']:,} values in {summary['seconds']:g} s over {', '.join(protocols)}"
    yield Figure("values lost or wrong", summary["lost"] + summary["wrong"], "values", 0, note=about)
    yield Figure("values twice", summary["duplicates"], "values", 0)
    yield Figure("age at a live ring, median", summary["age_p50_s"], "s")
    yield Figure("age at a live ring, p99", summary["age_p99_s"], "s", 1.0)
    yield Figure("store", summary["store_bytes_per_value"], "B/value", note="history and live, sensors' own resolution")
