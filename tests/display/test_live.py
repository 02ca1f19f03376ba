from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import xarray as xr

from workbench.display.history import RANGES, course, power_history, recent_course
from workbench.display.live import Live, live_view, serving
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.project import Project
from workbench.store import SiteStore

KEY = SeriesKey("wind_turbine", "1s")
SHAPE = Shape(KEY, ("power_output", "wind_speed"), ("f4", "f4"))
ASSETS = ("NR-T01", "NR-T02")


def batch(second: int, power: float) -> Batch:
    n = len(ASSETS)
    stamp = np.full(n, second * NS, np.int64)
    values = np.column_stack([np.full(n, power), np.full(n, 8.0)])
    return Batch(SHAPE, ASSETS, stamp, np.arange(n, dtype=np.int32), stamp, stamp, np.ones(n, np.uint16), values)


@pytest.fixture
def now_s() -> int:
    return int(time.time())


@pytest.fixture
def store(tmp_path, now_s):
    """A site with an hour of statistics and five seconds in the journal."""
    site = SiteStore(tmp_path, "north_ridge")
    past = (now_s // 600 * 600 - 600 * np.arange(12, 0, -1)) * NS
    mean = np.full((12, 2), 1000.0)
    data = xr.Dataset(
        {
            "power_output": (("time", "asset"), mean),
            "power_output_min": (("time", "asset"), mean - 100),
            "power_output_max": (("time", "asset"), mean + 100),
        },
        coords={"time": past.astype("datetime64[ns]"), "asset": list(ASSETS)},
    )
    site.import_dataset(SeriesKey("wind_turbine", "10min"), data)
    site.journal.append([batch(now_s - 5 + i, 500.0 + i) for i in range(5)])
    yield site
    site.close()


@pytest.fixture
def view(checkout, tmp_path, store):
    live = Live(Project(checkout), tmp_path)
    live.look()
    yield live
    live.stop()


def test_a_look_gives_the_newest_values(view):
    site = view.now.site("north_ridge")
    assert site.power("NR-T01").value == 504.0
    assert site.power_by_kind["wind"].value == 1008.0
    assert list(site.blocks) == [KEY]  # the statistics are no live values
    assert view.now.live_sites == [site]


def test_news_shows_at_the_next_look(view, store, now_s):
    store.journal.append([batch(now_s, 900.0)])
    assert view.look().site("north_ridge").power("NR-T02").value == 900.0


def test_a_site_that_turns_up_later_is_taken_in(checkout, tmp_path, now_s):
    live = Live(Project(checkout), tmp_path / "empty")
    assert live.look().empty
    SiteStore(tmp_path / "empty", "north_ridge").journal.append([batch(now_s, 700.0)])
    assert live.look().site("north_ridge").power("NR-T01").value == 700.0
    live.stop()


def test_what_is_long_silent_is_old_but_not_unknown(checkout, tmp_path, now_s):
    site = SiteStore(tmp_path, "north_ridge")
    site.journal.append([batch(now_s - 2000, 1.0)])
    shape = Shape(KEY, ("power_output",), ("f4",))
    stamp = np.array([now_s * NS])
    one = Batch(
        shape, ("NR-T02",), stamp, np.zeros(1, np.int32), stamp, stamp, np.ones(1, np.uint16), np.array([[5.0]])
    )
    site.journal.append([one])
    live = Live(Project(checkout), tmp_path)
    seen = live.look().site("north_ridge")
    assert seen.states["NR-T01"].name == "stale"
    assert seen.power("NR-T01").age(now_s * NS) == pytest.approx(2000, abs=1)
    live.stop()


def test_an_unreadable_site_does_not_blind_the_others(checkout, tmp_path, store):
    broken = tmp_path / "sun_valley"
    broken.mkdir()
    (broken / "journal.sqlite").write_bytes(b"this is no database, whatever it is called" * 50)
    live = Live(Project(checkout), tmp_path)
    now = live.look()
    assert now.site("sun_valley").trouble
    assert now.site("north_ridge").power("NR-T01").there
    live.stop()


def test_range_chooses_the_series(view):
    short = course(view, "north_ridge", "NR-T01", "power_output", RANGES["1h"])
    long = course(view, "north_ridge", "NR-T01", "power_output", RANGES["24h"])
    assert short.series == "wind_turbine/1s"
    assert short.finite[-1] == 504.0
    assert long.series == "wind_turbine/10min"
    assert (long.low[0], long.value[0], long.high[0]) == (900.0, 1000.0, 1100.0)
    assert course(view, "north_ridge", "NR-T01", "rotor_speed", RANGES["24h"]).time.size == 0
    assert course(view, "nowhere", "x", "rotor_speed", RANGES["1h"]).time.size == 0


def test_recent_course_comes_from_the_ring(view):
    assert list(recent_course(view, "north_ridge", "NR-T01", "power_output").finite) == [500, 501, 502, 503, 504]
    assert recent_course(view, "north_ridge", "NR-T01", "rotor_speed").time.size == 0


def test_power_history_joins_statistics_and_the_running_slot(view):
    found = power_history(view, "north_ridge", hours=1.0)
    wind = found.power["wind"]
    assert wind[:-1] == pytest.approx(2000.0)
    assert found.time.size == 7


def test_parts_are_made_once_for_all_viewers_and_forgotten_with_the_last(view):
    made = []

    def render(now):
        made.append(now.tick)
        return f"<p>{now.tick}</p>"

    ends = [view.show("part", render) for _ in range(2)]
    assert view.html("part", render) == view.html("part", render)
    assert len(made) == 1
    ends[0]()
    assert view.statistics() == {"pages": 0, "parts": 1}
    ends[1]()
    assert view.statistics() == {"pages": 0, "parts": 0}


def test_a_part_that_fails_says_so_and_harms_nothing(view, caplog):
    def render(now):
        raise ZeroDivisionError

    assert "could not be made" in view.html("bad", render)
    assert "ZeroDivisionError" in caplog.text


def test_slow_work_is_done_once_and_shared(view):
    begun, go = [], threading.Event()

    def work():
        begun.append(1)
        go.wait(5)
        return "result"

    assert view.remember("k", work) is None
    assert view.remember("k", work) is None
    go.set()
    deadline = time.monotonic() + 5
    while view.remember("k", work) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert view.remember("k", work) == "result"
    assert len(begun) == 1


def test_an_answer_does_not_queue_behind_what_is_assessed(view):
    go = threading.Event()
    for site in range(4):
        view.remember(("assessed", site), lambda: go.wait(10))
    try:
        assert view.quick(lambda: "answer").result(timeout=5) == "answer"
    finally:
        go.set()


def test_what_was_lacking_is_worked_out_again_soon(view):
    given = iter(["nothing", "all of it"])
    how = {"seconds": 600.0, "lacking": lambda found: found == "nothing", "soon": 0.0}

    def asked() -> bool:
        view.remember("k", lambda: next(given), **how)
        return view.remember("k", lambda: next(given), **how) == "all of it"

    deadline = time.monotonic() + 5
    while not asked() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert asked()  # and stays: there is no third


def test_the_thread_looks_and_tells(view):
    told = threading.Event()
    end = view.subscribe(lambda now: told.set())
    view.start()
    assert told.wait(10)
    end()
    assert view.start() is view


def test_a_page_gets_the_view_of_its_server(view):
    with serving(view):
        assert live_view() is view
