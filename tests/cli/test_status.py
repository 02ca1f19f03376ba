"""``workbench status``: what it shows, and what it calls not well."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import orjson
import pytest
import typer
from typer.testing import CliRunner

from workbench.cli.status import status as status_command
from workbench.collect import HealthFile
from workbench.model.samples import NS, Batch, Sample, SeriesKey, Shape
from workbench.sources.base import Source
from workbench.store import SiteStore

KEY = SeriesKey("wind_turbine", "1s")
SHAPE = Shape(KEY, ("power_output", "wind_speed"), ("f4", "f4"))
WELL = {
    "pid": 1,
    "started": 0,
    "stopped": 0,
    "values_per_s": 2.0,
    "waiting": 0,
    "journal_backlog_s": 0.0,
    "keeper": True,
    "late": 0,
    "clock": 0,
    "dropped": 0,
    "journal_error": "",
}


class Turbines(Source):
    protocol = "opcua"
    capabilities = frozenset()
    assets = ("T1", "T2")

    def __init__(self, cadence: str = "1s") -> None:
        super().__init__("hill.scada", "hill")
        self.series = SeriesKey("wind_turbine", cadence)

    series = KEY

    async def run(self, sink) -> None: ...

    async def read(self, assets=None): ...


@pytest.fixture
def status(tmp_path: Path):
    """Writes the health of a site and asks for its status; ``ages`` [s] of the newest samples."""

    def ask(*words: str, ages=(1.0, 1.0), cadence="1s", states=("ok", "ok"), ahead=0.0, **collector):
        source = Turbines(cadence)
        for asset, age, state in zip(source.assets, ages, states, strict=True):
            received = time.time_ns() - int(age * NS)
            source.health.device(asset).took(
                Sample(SHAPE, asset, received + int(ahead * NS), np.ones(2), received=received), state
            )
        HealthFile(tmp_path / "hill").write(WELL | collector, [source])
        app = typer.Typer()
        app.command()(status_command)
        return CliRunner().invoke(
            app, ["--store", str(tmp_path), *words], env={"COLUMNS": "200", "NO_COLOR": "1"}, catch_exceptions=False
        )

    return ask


def test_all_is_well(status):
    done = status(clock=7)
    assert done.exit_code == 0, done.output
    assert "keeper running" in done.stdout
    assert "7 with a time not believed" in done.stdout
    assert "not well" not in done.stdout
    assert re.search(r"T1 +ok +\d\d:\d\d:\d\d +\d\.\d s", done.stdout)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ages": (1.0, 30.0)}, r"T2: newest sample 3\d s old"),
        ({"ages": (1.0, 30.0), "ahead": 3600.0}, r"T2: newest sample 3\d s old"),
        ({"ages": (1.0, 60.0), "cadence": "10s"}, r"T2: newest sample 6\d s old"),
        ({"states": ("ok", "degraded")}, "T2: degraded"),
        ({"keeper": False}, "the keeper is not running"),
        ({"dropped": 3}, "3 samples were given up"),
        ({"journal_error": "OSError: full"}, "the journal takes nothing: OSError: full"),
        ({"stopped": 1}, "the collector is not running"),
    ],
)
def test_what_is_not_well(status, options, said):
    done = status(**options)
    assert done.exit_code == 1
    assert re.search(f"not well: {said}", done.stdout)


def test_a_slow_device_may_be_silent_for_five_of_its_cadences(status):
    assert status(ages=(1.0, 45.0), cadence="10s").exit_code == 0


def test_what_waits_is_shown(status, tmp_path: Path):
    now = time.time_ns() // NS * NS
    two = np.array([now, now + NS])
    SiteStore(tmp_path, "hill").journal.append(
        [Batch(SHAPE, ("T1",), two, np.zeros(2, np.int32), two, two, np.ones(2, np.uint16), np.ones((2, 2)))]
    )
    done = status(waiting=1234, journal_backlog_s=12.5)
    assert "1,234 samples wait for the journal (12.5 s)" in done.stdout
    assert "4 values in 1 rows of it wait for the store" in done.stdout
    told = orjson.loads(status("--json", keeper=False).stdout)["hill"]
    assert told["journal"] == {"rows": 1, "values": 4}
    assert told["troubles"] == ["the keeper is not running: nothing goes from the journal into the store"]
