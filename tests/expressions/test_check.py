from __future__ import annotations

import pytest

from workbench.expressions import ExpressionError, compile_expression

FIELDS = {
    "wind_speed": "m/s",
    "power_output": "kW",
    "rated_capacity": "MW",
    "temperature": "degC",
    "limit_f": "degF",
    "energy": "kWh",
    "state": "text",
    "on": "truth",
    "seen": "time",
    "ratio": "1",
    "signed_up": "text",
    "lead": "h",
    "anything": None,
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("wind_speed * 2", "a number [m/s]"),
        ("power_output / energy", "a number [kW/kWh]"),
        ("power_output + rated_capacity", "a number [kW]"),
        ("temperature - temperature", "a number [K]"),
        ("wind_speed ^ 2", "a number [m**2/s**2]"),
        ("SQRT(wind_speed ^ 2)", "a number [m/s]"),
        ("MAX(power_output, rated_capacity)", "a number [kW]"),
        ("IF(on, state, 'none')", "a text"),
        ("wind_speed > 3", "a condition"),
        ("anything", "a value"),
        ("anything + wind_speed", "a number [m/s]"),
        ("today()", "a time"),
        ("seen > '2025-01-01'", "a condition"),
        ("PT10M", "a number [s]"),
        ("now() - seen", "a number [s]"),
        ("now() - signed_up", "a number [s]"),
        ("now() - anything", "a number [s]"),
        ("today() - P30D", "a time"),
        ("lead + seen", "a time"),
        ("signed_up + P1D", "a time"),
        ("now() - seen > lead * 2", "a condition"),
        ("(now() - seen) / lead", "a number [1]"),
        ("lead + PT30M", "a number [h]"),
        ("power_output / rated_capacity", "a number [1]"),
        ("signed_up IN (today(), '2025-01-01')", "a condition"),
        ("COALESCE(signed_up, seen, now())", "a time"),
    ],
)
def test_what_it_gives(text, kind):
    assert str(compile_expression(text, FIELDS).check(FIELDS)) == kind


WRONG = {
    "wind_speed + power_output": "[kW] is added to [m/s]",
    "wind_speed > power_output": "[kW] is compared with [m/s]",
    "wind_speed > temperature * 2": "[degC] is compared with [m/s]",
    "MIN(wind_speed, energy)": "[kWh] is beside [m/s]",
    "wind_speed AND on": "a number [m/s] stands where a condition should",
    "on + 1": "a condition stands where a number should",
    "state > 5": "a text is compared with a number",
    "on < true": "neither is less",
    "2 ^ wind_speed": "an exponent has no unit",
    "wnd_speed > 3": "did you mean 'wind_speed'?",
    "seen > 'soon'": "not a time",
    "seen + 5": "a number stands where a duration should",
    "seen - 5": "a number stands where a duration should",
    "seen + wind_speed": "a number [m/s] stands where a duration should",
    "seen + seen": "a time is added to a time",
    "PT1H - seen": "a time is taken from a number [s]",
    "seen * 2": "a time stands where a number should",
    "now() - seen > wind_speed": "[m/s] is compared with [s]",
    "now() - seen > '2025-01-01'": "a number [s] is compared with a text",
    "state - 5": "a text stands where a number should",
    "seen - 'soon'": "not a time",
    "today() - P1M": "not a duration",
    "IF(on, seen, 5)": "a number and a time stand for each other",
    "IF(on, 1, 'a')": "a number and a text stand for each other",
    "ROUND(ratio, ratio)": "the number of digits is a plain number",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_does_not_go_together_is_told_before_anything_runs(text):
    with pytest.raises(ExpressionError) as found:
        compile_expression(text, FIELDS)
    assert WRONG[text] in str(found.value)
    assert "^" in str(found.value)
