"""``FOR`` over lazy data: chunk by chunk, the same as over the whole, without ever holding the whole."""

from __future__ import annotations

import itertools
import weakref

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.expressions import compile_expression
from workbench.expressions.holds import FALSE, TRUE, UNKNOWN, held, held_lazily
from workbench.expressions.sample import Run, kleene

SECOND = 10**9


@st.composite
def histories(draw):
    """Times with gaps, Kleene values of two conditions, and how they are cut."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 3, 4, 9, 60]), min_size=1, max_size=60))
    often_true = st.sampled_from([TRUE, TRUE, TRUE, TRUE, FALSE, UNKNOWN])
    state = draw(st.lists(st.tuples(often_true, often_true), min_size=len(steps), max_size=len(steps)))
    cuts = draw(st.lists(st.integers(0, len(steps)), max_size=12))
    ends = [0, *sorted(cuts), len(steps)]
    chunks = tuple(b - a for a, b in itertools.pairwise(ends))  # some of them empty
    return np.cumsum(steps) * SECOND, np.array(state, np.int8), chunks


@given(
    histories(),
    st.sampled_from([0, 1, 2, 5, 7, 20, 200]),
    st.sampled_from([0, 1, 3, 10, 10**9]),
    st.sampled_from([1, 2]),
)
@settings(max_examples=400, derandomize=True)
def test_chunks_of_any_size_give_what_the_whole_gives(history, length, gap, wide):
    times, state, chunks = history
    length, gap = length * SECOND, gap * SECOND
    whole = held(state, times, length, gap)
    lazy = held_lazily(da.from_array(state, chunks=(chunks, (wide,) * (2 // wide))), times, length, gap)
    assert lazy.chunks[0] == chunks
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), whole)
    for column in range(2):
        run = Run(length, gap)
        values = [{FALSE: False, TRUE: True, UNKNOWN: None}[each] for each in state[:, column].tolist()]
        found = [kleene(run.add(int(now), value)) for now, value in zip(times, values, strict=True)]
        assert found == whole[:, column].tolist()


class Loaded(list):
    """Numbers of the hours that were loaded; how many were there at once at most."""

    now = most = 0

    def take(self, number, values):
        self.append(number)
        self.now += 1
        self.most = max(self.most, self.now)
        weakref.finalize(values, self.gone)

    def gone(self):
        self.now -= 1


def _hour(block_info=None, *, loaded, shape, rng_seed):
    """Mostly below the limit, with what is missing and above it here and there."""
    number = block_info[None]["chunk-location"][0]
    rng = np.random.default_rng([rng_seed, number])
    values = rng.normal(-8, 0.5, shape)
    if number % 80 == 4:
        values[rng.integers(shape[0])] = 0.0
    values[rng.random(shape) < 0.01] = np.nan
    loaded.take(number, values)
    return values


def _telemetry(hours, assets, loaded, per_hour=3600):
    times = np.datetime64("2025-01-01", "ns") + np.arange(hours * per_hour) * np.timedelta64(3600 // per_hour, "s")
    lazy = da.map_blocks(
        _hour, loaded=loaded, shape=(per_hour, assets), rng_seed=7, chunks=((per_hour,) * hours, (assets,)), dtype=float,
        meta=np.empty((0, 0)),
    )  # fmt: skip
    return xr.Dataset({"x": (("time", "asset"), lazy)}, coords={"time": times})


@pytest.mark.parametrize(
    "text", ["x < -5 FOR PT6H", "x < -5 FOR P2DT12H", "(x < -5 FOR PT3H) FOR PT3H", "NOT (x < -5 FOR PT10M)"]
)
def test_hours_of_telemetry_are_as_if_they_were_in_memory(text):
    data = _telemetry(96, 3, Loaded(), per_hour=60)
    expression = compile_expression(text)
    lazy = expression.evaluate(data)
    assert lazy.chunks == data["x"].chunks
    whole = expression.evaluate(data.compute(scheduler="synchronous"))
    xr.testing.assert_identical(lazy.compute(scheduler="threads"), whole)
    assert len(np.unique(whole)) == 3  # true, false and unknown


def test_the_last_hour_asks_for_no_more_than_its_duration():
    loaded = Loaded()
    data = _telemetry(200, 1, loaded, per_hour=60)
    found = compile_expression("x < -5 FOR PT6H").true(data, gap=180 * SECOND)
    loaded.clear()
    found[-60:].compute(scheduler="synchronous")
    assert sorted(set(loaded)) == list(range(192, 200))  # six hours, a gap, and its own


def test_a_month_of_seconds_is_never_held():
    loaded = Loaded()
    hours = 30 * 24
    true = compile_expression("x < -5 FOR P3D").true(_telemetry(hours, 4, loaded))
    loaded.clear()
    assert true.sum().compute(scheduler="synchronous") > 0
    assert sorted(loaded) == list(range(hours))  # each hour once
    assert loaded.most <= 12


def test_a_condition_that_is_the_same_at_all_times_is_held_lazily_too():
    data = _telemetry(3, 2, Loaded(), per_hour=60).assign(limit=("asset", [1.0, -9.0]))
    for text in ("limit > 0 FOR PT1H", "true FOR PT1H", "(x > 100 OR limit > 0) FOR PT1H"):
        expression = compile_expression(text)
        eager = expression.evaluate(data.compute(scheduler="synchronous"), now=0)
        xr.testing.assert_identical(expression.evaluate(data, now=0).compute(scheduler="synchronous"), eager)
        assert "time" in eager.dims
