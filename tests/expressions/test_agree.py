"""Arrays, records and samples give the same answer, missing values and gaps included.

Expressions are made by chance in batches: those of a batch share one set of rows, so that each meets many of them and
the rows are laid out once.
"""

from __future__ import annotations

import datetime as dt
import math
import random

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.expressions import compile_expression

SECOND = 10**9
DAY = 86_400 * SECOND
NAN, INF = math.nan, math.inf
FIELDS = {
    "a": "number",
    "b": "number",
    "c": "number",
    "lead": "h",
    "on": "truth",
    "s": "text",
    "t": "time",
    "d": "text",
}
GAP = 3 * SECOND
#: A little before midnight, so that rows lie in two days.
BEGIN = int(np.datetime64("2025-01-01T23:59:40", "ns").astype(np.int64))
COMPARISONS = ["=", "!=", "<", "<=", ">", ">="]


class Grammar:
    """Makes expressions that go together, each of up to ``leaves`` values; ``clock`` with now(), else with FOR."""

    def __init__(self, rng: random.Random, *, clock: bool) -> None:
        self.rng, self.clock = rng, clock

    def two(self, leaves):
        first = self.rng.randint(1, max(1, leaves - 1))
        return first, max(1, leaves - first)

    def one_of(self, *makers):
        return self.rng.choice(makers)()

    def number(self, leaves):
        one, other = self.two(leaves)
        pick = self.rng.choice
        if leaves <= 1:
            return pick(["a", "b", "c", "0", "1", "2", "0.5", "-3", "1e300", "null"])
        return self.one_of(
            lambda: f"({self.number(one)} {pick('+-*/%')} {self.number(other)})",
            lambda: f"({self.number(one)} {pick('+-*/%')} {self.number(other)})",
            lambda: f"({self.number(leaves - 1)})^{pick(['2', '3', '0.5', '(-1)'])}",
            lambda: f"{pick(['ABS', 'SQRT', 'ROUND'])}({self.number(leaves - 1)})",
            lambda: f"-({self.number(leaves - 1)})",
            lambda: f"{pick(['MIN', 'MAX', 'COALESCE'])}({self.number(one)}, {self.number(other)})",
            lambda: f"({self.duration(one)} / {self.duration(other)})",
        )

    def moment(self, leaves):
        """A time for certain, whatever stands beside it."""
        pick = self.rng.choice
        one, other = self.two(leaves)
        if leaves <= 1:
            return pick(["t", "t", "now()", "today()"] if self.clock else ["t", "t", "('2025-01-02' + P0D)"])
        return self.one_of(
            lambda: f"({self.loose(one)} {pick('+-')} {self.duration(other)})",
            lambda: f"({self.duration(one)} + {self.moment(other)})",
            lambda: f"IF({self.condition(one)}, {self.moment(other)}, {self.loose(1)})",
            lambda: f"COALESCE({self.loose(one)}, {self.moment(other)}, null)",
        )

    def loose(self, leaves):
        """A time, or a text that is one beside a time."""
        texts = ["d", "d", "'2025-01-02'", "'2025-01-01T23:59:50.5Z'"]
        return self.rng.choice(texts) if self.rng.random() < 0.5 else self.moment(leaves)

    def duration(self, leaves):
        pick = self.rng.choice
        one, other = self.two(leaves)
        if leaves <= 1:
            return pick(["PT10M", "P1D", "PT0.5S", "PT36H", "P40D", "lead", "lead"])
        return self.one_of(
            lambda: f"({self.moment(one)} - {self.loose(other)})",
            lambda: f"({self.loose(one)} - {self.moment(other)})",
            lambda: f"({self.duration(one)} {pick('+-%')} {self.duration(other)})",
            lambda: f"{pick(['MIN', 'MAX', 'COALESCE'])}({self.duration(one)}, {self.duration(other)})",
            lambda: f"({pick(['-', 'ABS', '2 * '])}({self.duration(leaves - 1)}))",
        )

    def simple(self):
        pick, leaves = self.rng.choice, self.rng.randint(1, 4)
        return self.one_of(
            lambda: f"{self.number(leaves)} {pick(COMPARISONS)} {self.number(leaves)}",
            lambda: f"{self.number(leaves)} {pick(COMPARISONS)} {self.number(leaves)}",
            lambda: f"s {pick(['=', '!=', '<', '>='])} '{pick(['x', 'y', ''])}'",
            lambda: f"s IN ('x', '{pick('yz')}')",
            lambda: f"{self.number(leaves)} IN (1, b)",
            lambda: f"{pick(['ANY', 'ALL'])}(a, b) > c",
            lambda: pick(["on", "on = true", "on != false", "true", "null = 1"]),
            lambda: f"{self.moment(leaves)} {pick(COMPARISONS)} {self.loose(2)}",
            lambda: f"{self.loose(2)} {pick(COMPARISONS)} {self.moment(leaves)}",
            lambda: f"{self.duration(leaves)} {pick(COMPARISONS)} {self.duration(2)}",
            lambda: f"{self.loose(1)} IN ({self.moment(2)}, d, '2025-01-02')",
        )

    def condition(self, leaves):
        one, other = self.two(leaves)
        if leaves <= 1:
            return self.simple()
        either = self.rng.choice(["AND", "OR"])
        return self.one_of(
            lambda: f"({self.condition(one)}) {either} ({self.condition(other)})",
            lambda: f"NOT ({self.condition(leaves - 1)})",
            lambda: f"IF({self.condition(one)}, {self.condition(other)}, {self.condition(1)})",
            lambda: f"(IF({self.condition(one)}, {self.number(other)}, {self.number(2)}) > 1)",
            lambda: f"COALESCE({self.condition(one)}, {self.condition(other)})",
            lambda: f"NOT ({self.condition(leaves - 1)})" if self.clock else self.lasting(leaves - 1),
            lambda: f"({self.condition(one)}) {either} ({self.condition(other)})" if self.clock else self.lasting(1),
        )

    def lasting(self, leaves):
        return f"(({self.condition(leaves)}) FOR PT{self.rng.choice('25')}S)"


def rows_of(rng, count):
    """Rows by chance, with what is missing, infinite, far away, and no time at all."""

    def value():
        odd = [NAN, INF, -INF, 0.0, 1.0, 2.0, -1.0, 0.5, 3.0]
        return rng.choice(odd) if rng.random() < 0.6 else rng.uniform(-10, 10)

    def moment():
        away = rng.choice([0, 0, SECOND // 2, SECOND, 20 * SECOND, DAY, 40 * DAY, 70_000 * DAY, rng.randrange(9 * DAY)])
        return None if rng.random() < 0.15 else BEGIN + rng.choice([-1, 1]) * away // 1000 * 1000

    def text():
        when = moment()
        if when is None or rng.random() < 0.15:
            return rng.choice([None, "", "soon", "2025-13-01", "1500-01-01", "20250102"])
        whole = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=when // 1000)
        return rng.choice(
            [f"{whole:%Y-%m-%d}", whole.isoformat(" "), f"{whole.isoformat()}Z", f"{whole.isoformat()}+02:00"]
        )

    return [
        {
            "step": rng.randint(1, 4),
            **{name: value() for name in "abc"},
            "lead": rng.choice([0.0, 0.25, 24.0, -24.0, 1e12, 1e7, NAN, INF, rng.uniform(-50, 50)]),
            "on": rng.choice([True, False, None]),
            "s": rng.choice(["x", "y", "", None]),
            "t": moment(),
            "d": text(),
        }
        for _ in range(count)
    ]


def three_ways(texts, rows, now=None):
    """For each expression its kind, and its results by arrays, records and samples, missing ones None.

    ``now`` is the time of every sample, too, where it is given; else each has its own.
    """
    times = BEGIN + np.cumsum([row["step"] for row in rows]) * SECOND
    columns = {name: [row[name] for row in rows] for name in FIELDS}
    moments = np.array([np.datetime64("NaT" if each is None else each, "ns") for each in columns["t"]])
    data = xr.Dataset(
        {name: ("time", np.array(columns[name], dtype=float)) for name in "abc"}
        # A truth that may be missing has no type of its own in numpy: objects stand for it.
        | {name: ("time", np.array(columns[name], dtype=object)) for name in ("on", "s", "d")}
        | {"lead": ("time", np.array(columns["lead"], dtype=float), {"units": "h"}), "t": ("time", moments)},
        coords={"time": times.astype("datetime64[ns]")},
    )
    types = {"on": pl.Boolean, "s": pl.String, "d": pl.String}
    frame = pl.DataFrame(
        {name: pl.Series(columns[name], dtype=types.get(name, pl.Float64)) for name in FIELDS if name != "t"}
        | {"t": moments, "time": times.astype("datetime64[ns]")}
    )
    samples = [
        ({name: moments[at] if name == "t" else row[name] for name in FIELDS}, int(times[at]) if now is None else now)
        for at, row in enumerate(rows)
    ]
    moment = int(times[-1]) if now is None else now
    expressions = [compile_expression(text, FIELDS) for text in texts]
    kinds = [expression.check(FIELDS).what for expression in expressions]
    records = frame.with_columns(
        expression.polars(frame.schema, now=moment, gap=GAP).alias(f"r{at}")
        for at, expression in enumerate(expressions)
    )
    found = []
    for at, (kind, expression) in enumerate(zip(kinds, expressions, strict=True)):
        arrays = np.broadcast_to(expression.evaluate(data, now=moment, gap=GAP).values, len(rows))
        series = records[f"r{at}"]
        if kind == "time":
            arrays = [None if np.isnat(each) else int(each.astype(np.int64)) for each in arrays]
            series = series.cast(pl.Int64)
        else:
            arrays = [None if each is None or each != each else each for each in arrays.tolist()]
        if kind == "truth":
            arrays = [None if each is None else bool(each) for each in arrays]
        sampled = expression.sampled(FIELDS, gap=GAP)
        found.append((kind, arrays, series.to_list(), [sampled(*each) for each in samples]))
    return found


def same(kind, one, other):
    if None in (one, other) or kind != "number":
        return one == other
    return one == other or math.isclose(one, other, rel_tol=1e-12)


@pytest.mark.parametrize("batch", range(20))
def test_what_is_made_by_chance_agrees(batch):
    """In all 2,000 conditions, 500 numbers and durations, and 300 times, on 100 sets of rows."""
    seen = set()
    for part in range(5):
        rng = random.Random(5 * batch + part)
        clock = part % 2 == 1
        grammar = Grammar(rng, clock=clock)
        texts = [grammar.condition(rng.randint(1, 4)) for _ in range(20)]
        texts += [rng.choice([grammar.number, grammar.number, grammar.duration])(rng.randint(1, 5)) for _ in range(5)]
        texts += [grammar.moment(rng.randint(1, 4)) for _ in range(3)]
        rows = rows_of(rng, rng.choice([1, 2, 5, 12, 40, 80]))
        found = three_ways(texts, rows, now=BEGIN + rng.randrange(2 * DAY) if clock else None)
        for text, (kind, arrays, records, samples) in zip(texts, found, strict=True):
            for at, expected in enumerate(samples):
                told = f"{text}\nrow {at}: {rows[at]}"
                assert same(kind, arrays[at], expected), (told, arrays[at], expected)
                assert same(kind, records[at], expected), (told, records[at], expected)
            if kind == "truth":
                seen |= set(samples)
    assert seen == {True, False, None}


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
    row = {"step": 1, "a": 0.0, "b": 0.0, "c": 0.0, "lead": 0.0, "on": True, "s": "x", "t": None, "d": None} | values
    ((_, *ways),) = three_ways([text], [row])
    assert ways == [[expected]] * 3, text


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
    rest = dict.fromkeys(FIELDS) | {"b": 0.0, "c": 0.0, "lead": 0.0}
    ((_, *ways),) = three_ways(["a > 0 FOR PT3S"], [{**rest, "step": gap, "a": a} for gap, a in rows])
    assert ways == [expected] * 3
