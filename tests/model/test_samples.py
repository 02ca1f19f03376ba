"""Names of series, and shapes that can be keys."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.model.samples import Batch, Sample, SeriesKey, Shape

KEY = SeriesKey("wind_turbine", "1s")


def test_a_series_reads_back_from_its_text():
    assert SeriesKey.parse(str(KEY)) == KEY
    assert str(KEY) == "wind_turbine/1s"


@pytest.mark.parametrize("text", ["", "wind_turbine", "/1s", "wind_turbine/"])
def test_what_is_no_series_is_refused(text):
    with pytest.raises(ValueError, match="not a series"):
        SeriesKey.parse(text)


def test_shapes_are_equal_by_content():
    one, same = Shape(KEY, ("a", "b"), ("f4", "f8")), Shape(KEY, ("a", "b"), ("f4", "f8"))
    assert one == same
    assert hash(one) == hash(same)
    assert {one: 1}[same] == 1
    assert one != Shape(KEY, ("b", "a"), ("f4", "f8"))


def test_a_shape_has_one_dtype_per_variable():
    with pytest.raises(ValueError, match="one dtype per variable"):
        Shape(KEY, ("a", "b"), ("f4",))


def test_a_batch_is_as_long_as_its_slots():
    n = 3
    times = np.arange(n, dtype=np.int64)
    batch = Batch(
        Shape(KEY, ("a",), ("f4",)),
        ("T1",),
        times,
        np.zeros(n, np.int32),
        times,
        times,
        np.ones(n, np.uint16),
        np.zeros((n, 1)),
    )
    assert len(batch) == n
    assert batch.seq == -1


def test_a_sample_is_one_update_unless_it_says_more():
    sample = Sample(Shape(KEY, ("a",), ("f4",)), "T1", 5, np.zeros(1))
    assert (sample.count, sample.quality, sample.received) == (1, None, 0)
