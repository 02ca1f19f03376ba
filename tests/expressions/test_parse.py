from __future__ import annotations

import json
import re
import time

import pytest

from workbench.expressions import ExpressionError, compile_expression
from workbench.model.errors import InputError


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"field": "t", "operator": "in", "values": ["a", "b's"]}, "t IN ('a', 'b\\'s')"),
        (
            {"and": [{"field": "t", "operator": ">", "value": 80}, {"field": "v", "operator": ">", "value": 3.0}]},
            "t > 80 AND v > 3",
        ),
        ({"or": ["a > 1", {"not": {"field": "b", "operator": "=", "value": True}}]}, "a > 1 OR NOT b = true"),
        (
            {
                "field": "d",
                "operator": "within_date_range",
                "parameters": {"start_date": "2025-01-01", "end_date": "2025-01-31"},
            },
            "d >= '2025-01-01' AND d < '2025-02-01'",
        ),
        ({"field": "p", "operator": "<", "value": -5, "duration": "P3D"}, "p < -5 FOR P3D"),
        ({"field": "p", "operator": "<", "value": 1, "duration": "PT0.5S"}, "p < 1 FOR PT0.5S"),
        (1500, "1500"),
        (True, "true"),
    ],
)
def test_objects_are_the_same_expressions(given, text):
    assert compile_expression(given) == compile_expression(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a and b or not c", "(a AND b) OR (NOT c)"),
        ("a = 1", "a == 1"),
        ("a <> 1 && !b || c", "a != 1 AND NOT b OR c"),
        ("-2^2", "-(2^2)"),
        ("2^-1", "2^(-1)"),
        ("2^3^2", "2^(3^2)"),
        ("a - b - c", "(a - b) - c"),
        ("a * b + c % d", "(a * b) + (c % d)"),
        ("a NOT IN (1, 2)", "NOT (a IN (1, 2))"),
        ("all(a, b) > c", "a > c AND b > c"),
        ("1 < any(a, b)", "1 < a OR 1 < b"),
        ("any(a > 1, b)", "a > 1 OR b"),
        ("max(a, b)", "MAX(a,b)"),
        ("a > 1 AND b < 2 FOR PT1H", "(a > 1 AND b < 2) FOR PT1H"),
        ("now() - t > PT24H", "(now() - t) > P1D"),
        ("t - PT90M", "t - PT1H30M"),
        ("a FOR P1W", "a FOR P7D"),
    ],
)
def test_how_it_is_read(one, other):
    assert compile_expression(one) == compile_expression(other)
    assert compile_expression(str(compile_expression(one))) == compile_expression(other)


WRONG = {
    "": "the expression is empty",
    "a >": "a value is missing",
    "a > > b": "a value should stand here",
    "a > 0.8 AN b": "did you mean 'AND'",
    "(a + 1": "a closing parenthesis is missing",
    "a + 1)": "the expression should end here",
    "a < b < c": "write a < b AND b < c",
    "SQRT(a, b)": "SQRT takes 1 values",
    "SQR(a)": "did you mean 'SQRT'",
    "a < 1 FOR 3 days": "a duration is missing after FOR",
    "a < 1 FOR P3X": "not a duration",
    "a < 1 FOR P1M": "not a duration",
    "a = 'open": "a text does not end",
    "a = 12abc": "not a number",
    "a ; b": "';' has no meaning here",
    "a IN 1, 2": "a list in parentheses is missing",
    "ANY(a, b) > ALL(c, d)": "ANY stands on one side",
    "DEFAULT AND a": "should end here",
    "now(1)": "NOW takes 0 values",
    "now() - P6M": "not a duration",
    "t > now() - P999999999D": "the duration is too long",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told(text):
    with pytest.raises(ExpressionError, match=re.escape(WRONG[text])):
        compile_expression(text)


def test_a_caret_stands_under_the_place():
    with pytest.raises(ExpressionError) as found:
        compile_expression("wind_speed > 3 AN power < 0")
    lines = str(found.value).splitlines()
    at = next(number for number, line in enumerate(lines) if "^" in line)
    assert lines[at].index("^") == lines[at - 1].index("AN")


HOSTILE = [
    "__import__('os').system('true')",
    "().__class__.__bases__",
    "a.__class__",
    "eval('1')",
    "open('/etc/passwd')",
    "lambda: 1",
    "[x for x in y]",
    "a[0]",
    "a := 1",
    "`id`",
    "${a}",
    "a\x00b",
    "f'{a}'",
    "(" * 10_000,
    "-" * 3_999 + "1",
    "NOT " * 999 + "a",
    "a" + "+a" * 5_000,
    "2" + "^2" * 1_999,
    "IF(" * 500 + "a",
    "'" + "\\" * 3_000,
    "9" * 4_001,
    '"' + "a" * 5_000,
    "a.b.c." * 700,
    "1e999999 > a AND (",
]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:20] for text in HOSTILE])
def test_what_is_hostile_is_refused_at_once(text):
    began = time.process_time()
    if text == "a.__class__":  # a field may be called so; nothing is looked up on objects
        assert compile_expression(text).names == ("a.__class__",)
        return
    with pytest.raises(InputError):
        compile_expression(text)
    assert time.process_time() - began < 0.1


def test_large_powers_are_infinity_and_cost_nothing():
    import xarray as xr

    assert compile_expression("9^9^9^9").evaluate(xr.Dataset()).item() == float("inf")
    assert compile_expression("9^9^9^9").sampled({}, gap=0)({}, 0) == float("inf")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fild": "a"}, "unknown key 'fild'"),
        ({"field": "a", "operator": "like", "value": 1}, "no such operator"),
        ({"field": "a", "operator": "in", "value": 1}, "a list of values is missing"),
        ({"field": "a", "operator": ">"}, "the value is missing"),
        ({"and": []}, "and takes a list"),
        ({"and": [{"or": [{"field": "a"}]}]}, r"and\[0\].or\[0\]"),
        ([1], "not a condition"),
        ({"field": "a", "operator": "within_date_range", "parameters": {"start_date": "soon"}}, "not a date"),
    ],
)
def test_wrong_objects_are_told_with_their_place(given, message):
    with pytest.raises(InputError, match=message):
        compile_expression(given)
    assert json.dumps(given)
