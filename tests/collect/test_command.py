"""``workbench collect`` as its user meets it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from workbench.collect import read_health

CATALOG = """
site: north_ridge
entries:
  logger:
    description: What the logger leaves behind
    driver: tail
    asset_type: wind_turbine
    cadence: 1s
    tags: tags/logger.yaml
    path: {path}
    assets: [NR-T01]
"""
TAGS = """
protocol: mqtt
time: time
time_format: unix_ns
tags:
  power_output: {path: power}
  wind_speed: {path: wind}
"""
#: A disk that is full from the first batch on.
FULL = """
import sys
from workbench.store import Journal

def append(self, batches, *, meta=None):
    raise OSError(28, "No space left on device")

if sys.argv.pop(1) == "full":
    Journal.append = append
from workbench.cli import main
main()
"""


@pytest.fixture
def project(tmp_path: Path, checkout: Path) -> Path:
    shutil.copytree(checkout / "catalogs" / "portfolio", tmp_path / "catalogs" / "portfolio")
    (tmp_path / "catalogs" / "tags").mkdir()
    (tmp_path / "catalogs" / "north_ridge.yaml").write_text(CATALOG.format(path=tmp_path / "log.csv"))
    (tmp_path / "catalogs" / "tags" / "logger.yaml").write_text(TAGS)
    (tmp_path / "log.csv").write_text("time,power,wind\n")
    return tmp_path


@pytest.mark.parametrize(("disk", "code"), [("sound", 0), ("full", 1)])
def test_what_could_not_be_written_is_said_and_ends_with_one(project: Path, disk: str, code: int):
    words = ["-c", FULL, disk, "collect", "--store", str(project / "store"), "--log-file", str(project / "log")]
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "WORKBENCH_PROJECT": str(project), "NO_COLOR": "1"},
    )
    try:
        wait_for(lambda: device(project).get("state") == "connecting")
        with (project / "log.csv").open("a") as file:
            for second in range(3):
                file.write(f"{time.time_ns() // 10**9 * 10**9 + second},5,\n")
        wait_for(lambda: device(project).get("samples") == 3)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, said
    assert ("not written: 3 values in 3 samples" in said) == (disk == "full")
    lines = [orjson.loads(line) for line in (project / "log").read_bytes().splitlines()]
    assert [line["values"] for line in lines if line["event"] == "samples dropped"] == ([3] if code else [])


def device(project: Path) -> dict:
    health = read_health(project / "store" / "north_ridge") or {"sources": {}}
    return health["sources"].get("north_ridge.logger", {"devices": {"NR-T01": {}}})["devices"]["NR-T01"]


def wait_for(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
