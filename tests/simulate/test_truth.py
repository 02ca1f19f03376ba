"""The truth log: exactly what was noted, readable after any death of its writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey
from workbench.simulate.truth import TruthLog, read_faults, read_truth, read_truth_tables, truth_sites

WTG = SeriesKey("wind_turbine", "1s")
MAST = SeriesKey("met_mast", "1s")
S = 10**9


def test_what_was_noted_reads_back_exactly(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20, 2, 3))
    values[3, 1, 2] = np.nan
    with TruthLog(tmp_path) as log:
        log.open("ridge", WTG, ["a", "b", "c"])
        log.open("ridge", MAST, ["w"])
        for t in range(20):
            log.append("ridge", WTG, t * S, ["T2", "T1"], values[t])
            if t % 7 == 0:
                log.flush()
        log.append("ridge", MAST, 5 * S, ["M"], np.array([[1.5]]))
    assert truth_sites(tmp_path) == {"ridge": tmp_path / "ridge"}
    truth = read_truth(tmp_path / "ridge")
    assert set(truth) == {WTG, MAST}
    data = truth[WTG]
    assert data.sizes == {"time": 20, "asset": 2}
    assert data["asset"].values.tolist() == ["T1", "T2"]
    for i, name in enumerate("abc"):
        np.testing.assert_array_equal(data[name].sel(asset="T2"), values[:, 0, i])
        np.testing.assert_array_equal(data[name].sel(asset="T1"), values[:, 1, i])
    assert read_truth_tables(tmp_path / "ridge")[WTG].columns == ["time", "asset", "a", "b", "c"]


def test_an_asset_that_was_silent_is_nan(tmp_path):
    with TruthLog(tmp_path) as log:
        log.open("s", WTG, ["a"])
        log.append("s", WTG, 0, ["T1", "T2"], np.array([[1.0], [2.0]]))
        log.append("s", WTG, S, ["T2"], np.array([[3.0]]))
    data = read_truth(tmp_path / "s")[WTG]
    np.testing.assert_array_equal(data["a"], [[1.0, 2.0], [np.nan, 3.0]])


def test_readable_after_kill_up_to_the_last_flush(tmp_path):
    script = textwrap.dedent(
        """
        import sys, numpy as np
        from workbench.model.samples import SeriesKey
        from workbench.simulate.truth import TruthLog
        log = TruthLog(sys.argv[1])
        key = SeriesKey("wind_turbine", "1s")
        log.open("s", key, ["a", "b"])
        for t in range(100):
            log.append("s", key, t * 10**9, ["T1"], np.array([[t, -t]], float))
            if t == 79:
                log.flush()
        print("ready", flush=True)
        sys.stdin.read()
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"ready\n"
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.wait(10)
        child.stdin.close()
        child.stdout.close()
    data = read_truth(tmp_path / "s")[WTG]
    np.testing.assert_array_equal(data["a"].values[:, 0], np.arange(80.0))


def test_a_torn_block_is_left_out(tmp_path):
    with TruthLog(tmp_path) as log:
        log.open("s", WTG, ["a"])
        for t in range(3):
            log.append("s", WTG, t * S, ["T1"], np.array([[float(t)]]))
            log.flush()
    path = next((tmp_path / "s").glob("*.arrows"))
    whole = path.read_bytes()
    rows = set()
    for cut in range(0, len(whole), 8):
        path.write_bytes(whole[:cut])
        truth = read_truth(tmp_path / "s")
        values = truth[WTG]["a"].values.ravel().tolist() if WTG in truth else []
        assert values == [0.0, 1.0, 2.0][: len(values)]
        rows.add(len(values))
    assert rows == {0, 1, 2, 3}


def test_two_runs_are_two_folders(tmp_path):
    with TruthLog(tmp_path) as log:
        log.open("s", WTG, ["a"])
    with pytest.raises(InputError, match="another run"):
        TruthLog(tmp_path)


def test_faults_are_lines(tmp_path):
    with TruthLog(tmp_path) as log:
        log.fault("s", {"kind": "hot_bearing", "asset": "T1", "start": 5 * S})
        log.fault("s", {"kind": "outage", "asset": "T2", "start": 6 * S})
    assert [fault["kind"] for fault in read_faults(tmp_path / "s")] == ["hot_bearing", "outage"]
    assert read_faults(tmp_path / "nowhere") == []
