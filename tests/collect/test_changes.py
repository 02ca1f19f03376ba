"""Status variables that change become records, once each, with their exact time."""

from __future__ import annotations

import numpy as np

from workbench.collect.changes import StatusWatch
from workbench.model.quality import Quality
from workbench.model.samples import Sample, SeriesKey, Shape
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
