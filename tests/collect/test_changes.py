"""Status variables that change become records, once each, with their exact time."""

from __future__ import annotations

import numpy as np

from workbench.collect.changes import StatusWatch
from workbench.model.quality import Quality
from workbench.model.samples import NS, Sample, SeriesKey, Shape
from workbench.model.vocabulary import vocabulary

SHAPE = Shape(SeriesKey("wind_turbine", "1s"), ("power_output", "turbine_status"), ("f4", "f4"))
STATES = vocabulary()["turbine_status"].states
NAMES = list(STATES)


def sample(state: float, time: int, quality: int = 0, asset: str = "T1") -> Sample:
    flags = np.array([0, quality], np.uint16) if quality else None
    return Sample(SHAPE, asset, time, np.array([1.0, state]), flags)


def test_the_first_state_is_no_change_and_the_next_is():
    watch = StatusWatch("site")
    first, second = STATES[NAMES[0]], STATES[NAMES[1]]
    assert watch.changes(sample(first, 1)) == []
    assert watch.changes(sample(first, 2)) == []
    (event,) = watch.changes(sample(second, 3))
    assert (event.site, event.asset, event.time, event.kind) == ("site", "T1", 3, "status")
    assert (event.name, event.value) == ("turbine_status", NAMES[1])
    assert NAMES[0] in event.text
    assert NAMES[1] in event.text
    assert watch.changes(sample(second, 4)) == []


def test_assets_are_told_apart():
    watch = StatusWatch("site")
    watch.changes(sample(STATES[NAMES[0]], 1, asset="T1"))
    assert watch.changes(sample(STATES[NAMES[1]], 2, asset="T2")) == []


def test_bad_and_missing_values_say_nothing_about_the_state():
    watch = StatusWatch("site")
    watch.changes(sample(STATES[NAMES[0]], 1))
    assert watch.changes(sample(STATES[NAMES[1]], 2, quality=int(Quality.BAD))) == []
    assert watch.changes(sample(np.nan, 3)) == []
    assert watch.changes(sample(STATES[NAMES[0]], 4)) == []
    assert len(watch.changes(sample(STATES[NAMES[1]], 5))) == 1


def test_a_state_that_was_bad_first_and_is_good_then_is_a_change():
    watch = StatusWatch("site")
    first, second = STATES[NAMES[0]], STATES[NAMES[1]]
    watch.changes(sample(first, 1))
    assert watch.changes(sample(second, 2, quality=int(Quality.BAD))) == []
    (event,) = watch.changes(sample(second, 3))
    assert (event.value, event.time) == (NAMES[1], 3)


def heard(state: float, seconds: float, received: float) -> Sample:
    made = sample(state, int(seconds * NS))
    made.received = int(received * NS)
    return made


def test_states_older_than_the_last_are_no_news_until_nothing_newer_comes():
    watch = StatusWatch("site")
    first, second = STATES[NAMES[0]], STATES[NAMES[1]]
    watch.changes(heard(first, 1000, 1000))
    assert watch.changes(heard(second, 990, 1001)) == [], "late"
    assert watch.changes(heard(first, 1002, 1002)) == []
    # The source's clock was set back by ten minutes: after a while it is believed.
    assert watch.changes(heard(second, 403, 1003)) == []
    (event,) = watch.changes(heard(second, 408, 1008))
    assert (event.value, event.time) == (NAMES[1], 408 * NS)
    assert len(watch.changes(heard(first, 409, 1009))) == 1


def test_a_change_while_nobody_watched_is_an_event():
    first, second = STATES[NAMES[0]], STATES[NAMES[1]]
    before = StatusWatch("site")
    before.changes(sample(first, 1))
    before.changes(sample(first, 1, asset="T2"))
    kept = before.notes()
    assert not before.notes(), "said once"
    after = StatusWatch("site", kept.get)
    (event,) = after.changes(sample(second, 50))
    assert (event.value, event.time, event.attributes) == (NAMES[1], 50, {"before": NAMES[0]})
    assert after.changes(sample(first, 50, asset="T2")) == []
    assert list(after.notes()) == [name for name in kept if name.endswith("T1")], "only what changed"


def test_changes_of_a_series_as_a_collector_would_have_seen_them():
    import xarray as xr

    from workbench.collect import changes_in

    words = vocabulary()["turbine_status"].states
    run, stop, nan = words["generating"], words["stopped"], np.nan
    codes = np.array([[run, run], [nan, run], [run, stop], [stop, stop], [stop, run]], dtype=float)
    data = xr.Dataset(
        {"turbine_status": (("time", "asset"), codes), "power_output": (("time", "asset"), codes)},
        coords={"time": (np.arange(5) * NS).astype("datetime64[ns]"), "asset": ["A", "B"]},
    )
    events = changes_in("ridge", SeriesKey("wind_turbine", "1s"), data)
    assert [(event.asset, event.time // NS, event.value) for event in events] == [
        ("A", 3, "stopped"),
        ("B", 2, "stopped"),
        ("B", 4, "generating"),
    ]
    assert events[0].text.endswith("generating → stopped")
