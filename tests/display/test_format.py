from __future__ import annotations

import math

import pytest

from workbench.display import format as fmt
from workbench.model.samples import NS
from workbench.model.vocabulary import vocabulary

THIN = "\u202f"


@pytest.mark.parametrize(
    ("value", "units", "text"),
    [
        (2850.5, "kW", "2,850"),
        (9.456, "m/s", "9.5"),
        (60.0123, "Hz", "60.012"),
        (-12.34, "degC", "\u221212.3"),
        (-0.04, "degC", "0.0"),
        (0.0, "kW", "0"),
        (3.14159, "1", "3.14"),
        (0.98765, "1", "0.988"),
        (math.nan, "kW", "–"),
        (math.inf, "kW", "–"),
        (None, "kW", "–"),
    ],
)
def test_number(value, units, text):
    assert fmt.number(value, units) == text


def test_quantity_scales_to_the_unit_that_reads_best():
    assert fmt.quantity(2850.5, "kW", scale=True) == f"2.85{THIN}MW"
    assert fmt.quantity(999.0, "kW", scale=True) == f"999{THIN}kW"
    assert fmt.quantity(1_234_567.0, "kWh", scale=True) == f"1.23{THIN}GWh"
    assert fmt.quantity(-2000.0, "kW", scale=True) == f"\u22122.00{THIN}MW"
    assert fmt.quantity(245.34, "degree") == "245.3°"
    assert fmt.quantity(7.0, "1") == "7"


def test_scaled_like_another_value():
    assert fmt.scaled(500.0, "kW", like=2000.0) == (0.5, "MW")
    assert fmt.scaled(math.nan, "kW", like=2000.0)[1] == "MW"
    assert fmt.scaled(12.0, "m/s") == (12.0, "m/s")
    assert fmt.scaled(None, "kW") == (None, "kW")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (-3.0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99.0, "99 s"),
        (125.0, "2.1 min"),
        (3000.0, "50 min"),
        (3599.0, "1.0 h"),
        (5 * 3600.0, "5.0 h"),
        (30 * 3600.0, "30 h"),
        (49 * 3600.0, "2.0 d"),
        (400 * 86400.0, "400 d"),
        (math.inf, "never"),
        (None, "never"),
    ],
)
def test_age(seconds, text):
    assert fmt.age(seconds) == text.replace(" ", THIN)


def test_ages_grow_with_time():
    """No length of time reads as less than a shorter one."""
    order = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    before = -1.0
    for seconds in [x * 1.07 for x in (1.07**i for i in range(250))]:
        number, unit = fmt.age(seconds).split(THIN)
        shown = float(number.replace(",", "")) * order[unit]
        assert shown >= before * 0.95
        assert shown == pytest.approx(seconds, rel=0.06, abs=0.06)
        before = shown


def test_every_unit_of_the_vocabulary_is_shown_as_people_write_it():
    shown = {fmt.unit(term.units) for term in vocabulary().values()}
    assert not {text for text in shown if text.endswith(("-1", "-2", "-3")) or text in ("degC", "1", "degree")}


def test_clock_and_words():
    noon = 1_764_072_000 * NS
    assert fmt.clock(noon) == "12:00:00"
    assert fmt.clock(noon, "America/Chicago", date=True, seconds=False) == "2025-11-25 06:00"
    assert fmt.clock(0) == "–"
    assert fmt.words("operating_normal") == "Operating normal"
    assert fmt.percent(0.4567) == f"45.7{THIN}%"
    assert fmt.percent(math.nan) == f"–{THIN}%"
