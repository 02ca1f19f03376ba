"""Arrays, records and samples give the same answer, missing values and gaps included."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.expressions import compile_expression

SECOND = 10**9
NAN, INF = math.nan, math.inf
FIELDS = {"a": "number", "b": "number", "c": "number", "on": "truth", "s": "text"}

NUMBERS = st.recursive(
    st.sampled_from(["a", "b", "c", "0", "1", "2", "0.5", "-3", "1e300", "null"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner),
        st.builds("({})^{}".format, inner, st.sampled_from(["2", "3", "0.5", "(-1)"])),
        st.builds("{}({})".format, st.sampled_from(["ABS", "SQRT", "ROUND"]), inner),
        st.builds("-({})".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["MIN", "MAX", "COALESCE"]), inner, inner),
    ),
    max_leaves=5,
)
SIMPLE = st.one_of(
    st.builds("{} {} {}".format, NUMBERS, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), NUMBERS),
    st.builds("s {} '{}'".format, st.sampled_from(["=", "!=", "<", ">="]), st.sampled_from(["x", "y", ""])),
    st.builds("s IN ('x', '{}')".format, st.sampled_from(["y", "z"])),
    st.builds("{} IN (1, b)".format, NUMBERS),
    st.builds("{}(a, b) > c".format, st.sampled_from(["ANY", "ALL"])),
    st.sampled_from(["on", "on = true", "on != false", "true", "null = 1"]),
)
CONDITIONS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds("NOT ({})".format, inner),
        st.builds("IF({}, {}, {})".format, inner, inner, inner),
        st.builds("(({}) FOR PT{}S)".format, inner, st.sampled_from(["2", "5"])),
        st.builds("(IF({}, {}, {}) > 1)".format, inner, NUMBERS, NUMBERS),
        st.builds("COALESCE({}, {})".format, inner, inner),
    ),
    max_leaves=4,
)
VALUE = st.one_of(st.sampled_from([NAN, INF, -INF, 0.0, 1.0, 2.0, -1.0, 0.5, 3.0]), st.floats(-10, 10))
ROW = st.tuples(
    st.integers(1, 4), VALUE, VALUE, VALUE, st.sampled_from([True, False, None]), st.sampled_from(["x", "y", "", None])
)
GAP = 3 * SECOND


def three_ways(text, rows):
    """The result of each row: arrays, records, samples; as Kleene or number."""
    expression = compile_expression(text)
    times = np.cumsum([row[0] for row in rows]) * SECOND
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("a", "b", "c", "on", "s"), 1)}
    on = np.array([NAN if each is None else float(each) for each in columns["on"]])
    data = xr.Dataset(
        {name: ("time", np.array(columns[name], dtype=float)) for name in "abc"}
        | {"on": ("time", on), "s": ("time", np.array(columns["s"], dtype=object))},
        coords={"time": times.astype("datetime64[ns]")},
    )
    frame = pl.DataFrame(
        {name: pl.Series(columns[name], dtype=pl.Float64) for name in "abc"}
        | {"on": pl.Series(columns["on"], dtype=pl.Boolean), "s": pl.Series(columns["s"], dtype=pl.String)}
        | {"time": times.astype("datetime64[ns]")}
    )
    now = int(times[-1])
    kind = expression.check(FIELDS).what
    data["on"].attrs["flag"] = "on"
    arrays = evaluate(expression, data, now)
    records = frame.with_columns(expression.polars(frame.schema, now=now, gap=GAP).alias("r"))["r"].to_list()
    sampled = expression.sampled(FIELDS, gap=GAP)
    samples = [sampled({name: columns[name][row] for name in columns}, int(times[row])) for row in range(len(rows))]
    return kind, arrays, records, samples


def evaluate(expression, data, now):
    # A condition with missing values has no type of its own in numpy: objects stand for it.
    data = data.assign(on=("time", np.array([None if v != v else bool(v) for v in data["on"].values], dtype=object)))
    found = expression.evaluate(data, now=now, gap=GAP)
    return [
        None if value is None or value != value else value
        for value in np.broadcast_to(found.values, data.sizes["time"]).tolist()
    ]


def plain(kind, values):
    if kind == "truth":
        return [None if value is None else bool(value) for value in values]
    return [None if value is None or (isinstance(value, float) and math.isnan(value)) else value for value in values]


@given(CONDITIONS, st.lists(ROW, min_size=1, max_size=12))
@settings(max_examples=2_000, derandomize=True, suppress_health_check=list(HealthCheck))
def test_conditions_agree(text, rows):
    kind, arrays, records, samples = three_ways(text, rows)
    assert kind == "truth"
    expected = plain(kind, samples)
    assert plain(kind, np.broadcast_to(arrays, len(rows)).tolist()) == expected, text
    assert plain(kind, records) == expected, text


@given(NUMBERS, st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=500, derandomize=True, suppress_health_check=list(HealthCheck))
def test_numbers_agree(text, rows):
    _, arrays, records, samples = three_ways(text, rows)
    expected = np.array([NAN if each is None else each for each in samples], dtype=float)
    for found in (arrays, records):
        got = np.array([NAN if each is None else each for each in found], dtype=float)
        np.testing.assert_allclose(np.broadcast_to(got, expected.shape), expected, rtol=1e-12, err_msg=text)


T, F, U = True, False, None


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("a > 0.8", {"a": NAN}, U),
        ("a > 0.8", {"a": INF}, T),
        ("a = a", {"a": NAN}, U),
        ("a != 1", {"a": NAN}, U),
        ("NOT (a > 0.8)", {"a": NAN}, U),
        ("a > 0.8 AND b > 1", {"a": NAN, "b": 0.0}, F),
        ("a > 0.8 AND b > 1", {"a": NAN, "b": 2.0}, U),
        ("a > 0.8 OR b > 1", {"a": NAN, "b": 2.0}, T),
        ("a > 0.8 OR b > 1", {"a": NAN, "b": 0.0}, U),
        ("1 / a > 5", {"a": 0.0}, T),
        ("a / a > 5", {"a": 0.0}, U),
        ("SQRT(a) > 0", {"a": -1.0}, U),
        ("COALESCE(a, 2) = 2", {"a": NAN}, T),
        ("MIN(a, b) < 5", {"a": NAN, "b": 1.0}, U),
        ("IF(a > 1, 1, 2) = 2", {"a": NAN}, U),
        ("ANY(a, b) > 1", {"a": NAN, "b": 2.0}, T),
        ("ALL(a, b) > 1", {"a": NAN, "b": 2.0}, U),
        ("a IN (1, 2)", {"a": 2.0}, T),
        ("a IN (1, null)", {"a": 2.0}, U),
        ("s = 'x'", {"s": None}, U),
        ("on", {"on": None}, U),
        ("a % 3 = 2", {"a": -1.0}, T),
        ("ROUND(a) = 3", {"a": 2.5}, T),
        ("ROUND(a) = -3", {"a": -2.5}, T),
    ],
)
def test_the_truth_table(text, values, expected):
    row = (1, *(values.get(name, 0.0) for name in "abc"), values.get("on", True), values.get("s", "x"))
    kind, *ways = three_ways(text, [row])
    for found in ways:
        assert plain(kind, list(found)) == [expected], text


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # (seconds since the last, a): a > 0 FOR PT3S, gaps up to 3 s
        ([(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)], [U, U, U, T, T]),
        ([(1, 0), (1, 1), (1, 1), (1, 1), (1, 1)], [F, F, F, F, T]),
        ([(1, 1), (1, 1), (1, 0), (1, 1), (1, 1)], [U, U, F, F, F]),
        ([(1, 0), (1, 1), (1, NAN), (1, 1), (1, 1)], [F, F, U, F, T]),
        ([(1, 0), (1, 1), (4, 1), (1, 1), (2, 1)], [F, F, U, U, T]),
        ([(1, NAN), (1, NAN)], [U, U]),
        ([(1, 0), (4, 1), (3, 1)], [F, U, T]),
    ],
)
def test_for_over_gaps_and_missing_values(rows, expected):
    kind, *ways = three_ways("a > 0 FOR PT3S", [(gap, a, 0.0, 0.0, True, "x") for gap, a in rows])
    for found in ways:
        assert plain(kind, list(found)) == expected
