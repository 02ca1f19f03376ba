"""The demonstration as its user runs it: real servers, a real collector, and the reckoning at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.catalog import open_portfolio
from workbench.demo.addresses import ADDRESSES, demo_environment
from workbench.demo.plant import bridge, write_history, writers
from workbench.demo.run import MARK, Demo, DemoOptions, prepare_folder
from workbench.model.errors import InputError
from workbench.model.samples import NS, SeriesKey
from workbench.simulate.service import build_plants
from workbench.store import SiteStore

pytestmark = pytest.mark.timeout(900)  # only a guard: a demo that does not start gives up by itself


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workbench", "demo", "--no-browser", "--any-ports", "--history-days", "0.25"]
    command += ["--port", "0", "--dir", str(folder / "demo"), "--json", str(folder / "summary.json")]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "NO_COLOR": "1"}
    )


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found.append(int(path.parent.name))
    return found


def test_every_value_served_is_in_the_store_once_and_ctrl_c_ends_everything_it_started(tmp_path: Path):
    running = start(tmp_path)
    assert running.stdout is not None
    for line in running.stdout:  # ends with the demo, which gives up by itself
        if "Ctrl-C ends it" in line:
            break
    started = children(running.pid)
    assert len(started) >= 3
    time.sleep(12)
    running.send_signal(signal.SIGINT)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)  # impatience changes nothing
    output, _ = running.communicate(timeout=200)
    assert running.returncode == 0, output
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert "What was collected" in output
    assert "nothing lost, nothing twice" in output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["lost"], summary["wrong"], summary["duplicates"]) == (0, 0, 0), output
    assert summary["values"] > 5_000
    assert 0 < summary["age_p50_s"] <= summary["age_p99_s"]
    assert 0 < summary["store_bytes_per_value"] < 8
    assert {row["protocol"] for row in summary["sources"]} == {"modbus", "opcua", "mqtt"}
    assert all(row["values"] > 0 and row["lost"] == 0 for row in summary["sources"])


def test_past_and_bridge_leave_no_second_out(tmp_path: Path):
    site, key = "coastal_flats", SeriesKey("grid_meter", "1s")
    end = time.time_ns() // NS * NS
    start = (end - 1200 * NS) // (600 * NS) * 600 * NS
    plants = build_plants({site: open_portfolio().site(site)}, 3, start)
    with writers() as pool:
        made = write_history(pool, plants, tmp_path, start, end)
        reached = bridge(pool, plants, tmp_path, end)
    assert min(made, reached) > 0
    seconds = SiteStore(tmp_path, site).open(key)["time"].values
    assert (np.diff(seconds) == np.timedelta64(1, "s")).all()
    assert seconds[0] == np.datetime64(start, "ns")
    # as far as the first live tick: no gap before it, and not much that is still to come
    assert -1 < (seconds[-1] - np.datetime64(time.time_ns(), "ns")) / np.timedelta64(1, "s") < 2


def test_a_folder_that_is_no_demos_is_not_emptied(tmp_path: Path):
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(InputError, match="no demo made"):
        prepare_folder(tmp_path)
    assert (tmp_path / "precious.txt").exists()
    earlier = tmp_path / "demo"
    prepare_folder(earlier).close()
    (earlier / "store").mkdir()
    prepare_folder(earlier).close()
    assert [path.name for path in earlier.iterdir()] == [MARK]


def test_a_running_demo_keeps_its_folder(tmp_path: Path):
    lock = prepare_folder(tmp_path / "demo")
    (tmp_path / "demo" / "store").mkdir()
    with pytest.raises(InputError, match="a demo runs in this folder") as told:
        prepare_folder(tmp_path / "demo")
    assert str(os.getpid()) in str(told.value)
    assert (tmp_path / "demo" / "store").exists()
    lock.close()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("hot_baering:NR-T01", "did you mean 'hot_bearing'"),
        ("outage:NR-T1", "did you mean 'NR-T01'"),
        ("soiled_string:NR-T01", "cannot happen to NR-T01"),
    ],
)
def test_a_wrong_fault_is_told_before_the_last_demo_is_gone(tmp_path: Path, fault: str, said: str):
    prepare_folder(tmp_path / "demo").close()
    (tmp_path / "demo" / "store").mkdir()
    with pytest.raises(InputError, match=said):
        Demo(DemoOptions(folder=tmp_path / "demo", faults=(fault,))).start()
    assert (tmp_path / "demo" / "store").exists()


def test_addresses_are_those_of_the_catalogs_and_free(checkout: Path):
    catalogs = "".join(path.read_text() for path in (checkout / "catalogs").glob("*.yaml"))
    for name, (form, port) in ADDRESSES.items():
        assert f"${{{name}:-{form.format(port=port)}}}" in catalogs
    chosen = demo_environment(prefer_defaults=False)
    assert len(set(chosen.values())) == len(ADDRESSES)
    assert all("127.0.0.1" in value for value in chosen.values())
