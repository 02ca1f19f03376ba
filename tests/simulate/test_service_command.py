"""``workbench simulate`` as a user runs it: a process of its own, ended by a signal."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

from workbench.catalog import open_catalog
from workbench.catalog.served import live_entries
from workbench.cli.simulate import simulate
from workbench.demo.addresses import ADDRESSES
from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey
from workbench.model.vocabulary import vocabulary
from workbench.simulate.truth import read_faults, read_truth, truth_sites


@pytest.fixture
def addresses(monkeypatch) -> dict[str, str]:
    """Free ports for everything the demo catalogs name, in this process's environment too."""
    chosen = {}
    probes = [socket.socket() for _ in ADDRESSES]
    for probe, (name, (form, _)) in zip(probes, ADDRESSES.items(), strict=True):
        probe.bind(("127.0.0.1", 0))
        chosen[name] = form.format(port=probe.getsockname()[1])
        monkeypatch.setenv(name, chosen[name])
    for probe in probes:
        probe.close()
    return chosen


@contextmanager
def simulator(*arguments: str):
    command = [sys.executable, "-u", "-m", "workbench", "simulate", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stdout.close()


def lines_until(process: subprocess.Popen, text: str) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            break
    return "".join(lines)


async def test_other_clients_connect_and_sigterm_leaves_nothing(addresses, checkout, tmp_path):
    arguments = ["--site", "north_ridge", "--truth", str(tmp_path / "truth"), "--fault", "outage:NR-T02"]
    with simulator(*arguments) as process:
        said = lines_until(process, "Ctrl-C ends it")
        assert addresses["WORKBENCH_OPCUA_NORTH_RIDGE"] in said, said
        assert "uals -u opc.tcp" in said
        children = psutil.Process(process.pid).children(recursive=True)
        catalog = open_catalog(checkout / "catalogs")
        samples = {entry: await catalog[f"north_ridge.{entry}"].source().read() for entry in ("scada", "mast", "meter")}
        assert {len(found) for found in samples.values()} == {6, 1}
        time.sleep(1.1)
        process.send_signal(signal.SIGTERM)
        rest = lines_until(process, "Served")
        assert process.wait(15) == 0, rest
        assert "Served" in rest
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, alive
    for address in addresses.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(address.rpartition(":")[2].partition("/")[0])))

    folder = truth_sites(tmp_path / "truth")["north_ridge"]
    truth = read_truth(folder)
    for found in samples.values():
        for sample in found:
            key: SeriesKey = sample.shape.key
            row = truth[key].sel(asset=sample.asset, time=np.datetime64(sample.time, "ns"))
            np.testing.assert_array_equal(sample.values, [float(row[name]) for name in sample.shape.variables])
    status = truth[SeriesKey("wind_turbine", "1s")]["turbine_status"].sel(asset="NR-T02")
    assert set(status.values) == {vocabulary()["turbine_status"].states["fault"]}
    assert [(fault["action"], fault["kind"], fault["asset"]) for fault in read_faults(folder)] == [
        ("inject", "outage", "NR-T02")
    ]


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "workbench", "simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_taken_port_ends_it_with_what_to_do(addresses):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(addresses["WORKBENCH_MODBUS_COASTAL_FLATS"].rpartition(":")[2])))
        taken.listen()
        done = run("--site", "coastal_flats", "--for", "1s")
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "hint" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_options_are_told_before_anything_starts(addresses, checkout):
    with pytest.raises(InputError, match="no such broker"):
        simulate(broker="emqx")
    with pytest.raises(InputError, match="not a duration"):
        simulate(duration="soon")
    with pytest.raises(InputError, match="did you mean 'north_ridge'"):
        live_entries(open_catalog(checkout / "catalogs"), ["north_rigde"])
