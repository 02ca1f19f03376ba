"""Times: text beside them, durations, what is far away, missing or none."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from workbench.expressions import compile_expression
from workbench.expressions.times import as_time, between, between_all, moved, moved_all, read_time, read_times
from workbench.model.errors import InputError

NOW = int(np.datetime64("2025-01-15T12:00", "ns").astype(np.int64))
FIELDS = {"t": "time", "d": "text", "lead": "h", "x": None}
T, F, U = True, False, None


def three_ways(text, t=None, d=None, lead=None):
    expression = compile_expression(text, FIELDS)
    when = np.datetime64("NaT" if t is None else t, "ns")
    data = xr.Dataset(
        {
            "t": ("row", [when]),
            "d": ("row", np.array([d], dtype=object)),
            "lead": ("row", [np.nan if lead is None else lead], {"units": "h"}),
            "x": ("row", np.array([None], dtype=object)),
        }
    )
    frame = pl.DataFrame(
        {
            "t": np.array([when]),
            "d": pl.Series([d], dtype=pl.String),
            "lead": pl.Series([lead], dtype=pl.Float64),
            "x": [None],
        }
    )
    found = [
        *expression.evaluate(data, now=NOW).values.tolist(),
        *frame.select(expression.polars(frame.schema, now=NOW)).to_series().to_list(),
        expression.sampled(FIELDS, gap=0)({"t": when, "d": d, "lead": lead}, NOW),
    ]
    return [None if each is None or each != each else each for each in found]


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("d = today()", {"d": "2025-01-15"}, T),
        ("d = today()", {"d": "2025-01-15T23:59:59Z"}, T),
        ("d = today()", {"d": "2025-01-16T00:30:00+02:00"}, T),
        ("d = today()", {"d": "2025-01-14"}, F),
        ("d = today()", {"d": "January"}, U),
        ("d != today()", {"d": ""}, U),
        ("d = today()", {"d": None}, U),
        ("today() = d", {"d": "20250115"}, T),
        ("d = today() - P1D", {"d": "2025-01-14T08:00"}, T),
        ("d >= today() - P30D", {"d": "2024-12-16"}, T),
        ("d >= today() - P30D", {"d": "2024-12-15"}, F),
        ("d < t", {"d": "2025-01-15", "t": "2025-01-15T01:00"}, T),
        ("t IN ('2025-01-14', today())", {"t": "2025-01-15T01:00"}, T),
        ("d IN ('2025-01-14', today())", {"d": "2025-01-14T01:00"}, T),
        ("d IN ('2025-01-14', today())", {"d": "2025-01-13"}, F),
        ("now() - t > PT10M", {"t": "2025-01-15T11:50"}, F),
        ("now() - t >= PT10M", {"t": "2025-01-15T11:50"}, T),
        ("now() - t > PT10M", {"t": "2025-01-15T11:49:59.999999999"}, T),
        ("now() - t > PT10M", {}, U),
        ("now() - d > PT10M", {"d": "2025-01-15T11:00Z"}, T),
        ("now() - x > PT10M", {}, U),
        ("now() - t > 600", {"t": "2025-01-15T11:49"}, T),
        ("now() - t > lead", {"t": "2025-01-15T10:00", "lead": 1.5}, T),
        ("t + lead < now()", {"t": "2025-01-15T10:00", "lead": 1.5}, T),
        ("t + lead = '2025-01-15T11:30:00'", {"t": "2025-01-15T10:00", "lead": 1.5}, T),
        ("t + lead < now()", {"t": "2025-01-15T10:00"}, U),
        ("t + lead < now()", {"t": "2025-01-15T10:00", "lead": float("inf")}, U),
        ("t + lead > now()", {"t": "2025-01-15T10:00", "lead": 1e30}, U),
        ("t - P50000D < t", {"t": "1700-01-01"}, U),
        ("COALESCE(t, d, now()) = d", {"d": "2025-01-03"}, T),
        ("(now() - t) / PT1H", {"t": "2025-01-15T10:30"}, 1.5),
        ("now() - t", {"t": "2025-01-15T10:30"}, 5400.0),
        ("ROUND((t - '1700-01-01') / P1D)", {"t": "2200-01-01"}, 182621.0),
        ("(today() - d) % P7D = P1D", {"d": "2025-01-07"}, T),
    ],
)
def test_times_on_all_three(text, row, expected):
    assert three_ways(text, **row) == [expected] * 3


def test_a_time_that_was_moved_is_a_time():
    expression = compile_expression("t + PT0.5S")
    when = np.array(["2025-01-15T10:00:00", "NaT"], "datetime64[s]")
    found = expression.evaluate(xr.Dataset({"t": ("x", when)}))
    assert found.dtype == "datetime64[ns]"
    np.testing.assert_array_equal(found, np.array(["2025-01-15T10:00:00.5", "NaT"], "datetime64[ns]"))
    frame = pl.DataFrame({"t": [dt.date(2025, 1, 15), None]})
    assert frame.select(expression.polars(frame.schema)).to_series().to_list() == [
        dt.datetime(2025, 1, 15, 0, 0, 0, 500_000),
        None,
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_what_nanoseconds_do_not_reach_is_missing(unit):
    when = np.array(["9999-12-31", "2025-01-20", "0001-01-01", "NaT"], f"datetime64[{unit}]")
    expression = compile_expression("t > now()")
    arrays = expression.evaluate(xr.Dataset({"t": ("x", when)}), now=NOW).values
    np.testing.assert_array_equal(arrays, [np.nan, 1, np.nan, np.nan])
    column = pl.Series("t", when.astype("datetime64[us]"))
    for each in (column, column.dt.replace_time_zone("UTC"), column.cast(pl.Date)):
        frame = pl.DataFrame({"t": each})
        assert frame.select(expression.polars(frame.schema, now=NOW)).to_series().to_list() == [U, T, U, U]
    live = expression.sampled({"t": "time"}, gap=0)
    assert [live({"t": each}, NOW) for each in when] == [U, T, U, U]
    assert [live({"t": each}, NOW) for each in when.astype("datetime64[us]").tolist()] == [U, T, U, U]


def test_lazy_times_stay_lazy():
    when = np.datetime64("2025-01-14T22:00", "ns") + np.arange(40) * np.timedelta64(10, "m")
    text = np.array([None if at % 7 == 0 else str(each)[:19] for at, each in enumerate(when)], dtype=object)
    data = xr.Dataset({"t": ("x", when), "d": ("x", text)})
    for source in ("now() - t > PT13H", "d = today()", "t + (now() - d) > d", "today() - P1D = t"):
        expression = compile_expression(source)
        lazy = expression.evaluate(data.chunk(x=7), now=NOW)
        assert lazy.chunks
        xr.testing.assert_identical(lazy.compute(scheduler="synchronous"), expression.evaluate(data, now=NOW))


def test_one_value_and_many_are_reckoned_alike():
    rng = random.Random(1)
    times = [rng.randrange(-9 * 10**18, 9 * 10**18) for _ in range(2_000)] + [0, -1, 1]
    away = [rng.choice([1, -1]) * 10 ** rng.uniform(-10, 12) for _ in times[3:]] + [0.0, 0.5e-9, 1.5e-9]
    moments = np.array(times, "datetime64[ns]")
    expected = [moved(time, seconds) for time, seconds in zip(times, away, strict=True)]
    found = moved_all(moments, np.array(away))
    assert [None if np.isnat(each) else int(each.astype(np.int64)) for each in found] == expected
    assert None in expected
    pairs = list(zip(times, reversed(times), strict=True))
    np.testing.assert_array_equal(between_all(moments, moments[::-1]), [between(*pair) for pair in pairs])


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-15", "2025-01-15T10:00:00.123456Z", "2025-01-15 10:00", "2025-01-15T10:00:00-05:00", "", "2025", "NaT",
        "soon", "1500-01-01", "2300-01-01", "0001-01-01T00:00:00+10:00", "²025-01-01", None, 5.0, True,
        dt.date(2025, 1, 15), dt.datetime(2025, 1, 15, 10), dt.datetime(2025, 1, 15, 10, tzinfo=dt.UTC), pd.NaT,
        pd.Timestamp("2025-01-15T10:00:00.123456789"), np.datetime64("2025-01-15"), np.datetime64("NaT"),
    ],
)  # fmt: skip
def test_what_stands_for_a_time(value):
    found = as_time(value)
    (many,) = read_times(np.array([value], dtype=object))
    assert found == (None if np.isnat(many) else int(many.astype(np.int64)))
    if isinstance(value, str):
        assert found == read_time(value)
    if isinstance(value, pd.Timestamp):
        assert found == value.value


@pytest.mark.parametrize("name", ["P1D", "PT5M"])
def test_no_field_is_called_as_a_duration(name):
    with pytest.raises(InputError, match="not the name of a field"):
        compile_expression({"field": name, "operator": "=", "value": 1})
    assert compile_expression(f"{name} > 1").names == ()
    assert compile_expression(f"{name.lower()} > P1X + PUMP.P1D").names == (name.lower(), "P1X", "PUMP.P1D")
