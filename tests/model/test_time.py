"""Durations, cadences, the clocks of sites and calendar periods."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.time import Cadence, Duration, localize, parse_duration, parse_period, to_ns, zone

MINUTE, HOUR = 60_000_000_000, 3_600_000_000_000


# ------------------------------------------------------------------ durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT1M", Duration(rest=MINUTE)),
        ("PT24H", Duration(rest=24 * HOUR)),
        ("P30D", Duration(days=30)),
        ("P6M", Duration(months=6)),
        ("P1Y2M", Duration(months=14)),
        ("P2W", Duration(days=14)),
        ("P1DT12H30M5.25S", Duration(days=1, rest=12 * HOUR + 30 * MINUTE + 5_250_000_000)),
        ("PT0.1S", Duration(rest=100_000_000)),
        ("PT1,5H", Duration(rest=HOUR + 30 * MINUTE)),
        ("PT0S", Duration()),
        ("10min", Duration(rest=10 * MINUTE)),
        ("1s", Duration(rest=1_000_000_000)),
        ("60s", Duration(rest=MINUTE)),
        ("100ms", Duration(rest=100_000_000)),
        ("1h", Duration(rest=HOUR)),
        ("1d", Duration(days=1)),
        (" 5s ", Duration(rest=5_000_000_000)),
    ],
)
def test_durations(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "1M", "P1S", "PT1D", "10", "min", "-PT1M", "P1.5M", "P1M1Y", "1.5d", "PT1H1H"]
)
def test_what_is_no_duration(text):
    with pytest.raises(InputError, match="not a duration"):
        parse_duration(text)


def test_finer_than_a_nanosecond():
    with pytest.raises(InputError, match="finer than a nanosecond"):
        parse_duration("PT0.0000000001S")


def test_a_fraction_is_exact():
    assert parse_duration("PT0.1S").ns * 10 == parse_duration("PT1S").ns
    assert parse_duration("0.3s").ns == 300_000_000


def test_months_have_no_fixed_length():
    six = parse_duration("P6M")
    assert not six.is_fixed
    with pytest.raises(InputError, match="P6M has no fixed length"):
        _ = six.timedelta
    assert pd.Timestamp("2015-08-31") + six.offset == pd.Timestamp("2016-02-29")
    assert parse_duration("P30D").timedelta == pd.Timedelta(days=30)


def test_a_day_of_the_clock_is_not_always_24_hours():
    before = pd.Timestamp("2015-03-28 12:00", tz="Europe/Paris")
    assert before + parse_duration("P1D").offset == pd.Timestamp("2015-03-29 12:00", tz="Europe/Paris")
    assert before + parse_duration("PT24H").offset == pd.Timestamp("2015-03-29 13:00", tz="Europe/Paris")


durations = st.builds(Duration, months=st.integers(0, 500), days=st.integers(0, 5000), rest=st.integers(0, 10**15))


@given(durations)
def test_a_duration_reads_back_from_its_text(duration):
    assert parse_duration(str(duration)) == duration


@given(st.builds(Duration, days=st.integers(0, 5000), rest=st.integers(0, 10**15)))
def test_the_fixed_forms_agree(duration):
    assert duration.timedelta.value == duration.ns
    start = pd.Timestamp("2015-01-01")
    assert start + duration.offset == start + duration.timedelta


# ------------------------------------------------------------------- cadences


@pytest.mark.parametrize(
    ("text", "shown", "ns"),
    [
        ("1s", "1s", 10**9),
        ("60s", "1min", MINUTE),
        ("PT10M", "10min", 10 * MINUTE),
        ("10min", "10min", 10 * MINUTE),
        ("1h", "1h", HOUR),
        ("P1D", "1d", 24 * HOUR),
        ("100ms", "100ms", 10**8),
        ("1500us", "1500us", 1_500_000),
        ("7ns", "7ns", 7),
    ],
)
def test_cadences(text, shown, ns):
    cadence = Cadence.parse(text)
    assert (str(cadence), cadence.ns) == (shown, ns)
    assert Cadence.parse(str(cadence)) == cadence
    assert Cadence.parse(cadence) is cadence


@pytest.mark.parametrize("text", ["P1M", "0s", "fast", "PT0S"])
def test_what_is_no_cadence(text):
    with pytest.raises(InputError):
        Cadence.parse(text)


def test_slots_of_an_array():
    cadence = Cadence.parse("10min")
    times = np.array(["2015-01-01T00:09:59.999999999", "2015-01-01T00:10", "1969-12-31T23:55"], dtype="datetime64[ns]")
    slots = cadence.slot(times.astype("int64")).view("datetime64[ns]")
    expected = np.array(["2015-01-01T00:00", "2015-01-01T00:10", "1969-12-31T23:50"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(slots, expected)
    assert cadence.timedelta == np.timedelta64(10, "m")
    assert cadence.seconds == 600


def test_the_slots_of_a_span_are_half_open():
    cadence = Cadence.parse("1s")
    second = 10**9
    assert cadence.slots(0, 3 * second).tolist() == [0, second, 2 * second]
    assert cadence.slots(1, 3 * second).tolist() == [second, 2 * second]
    assert cadence.slots(0, 3 * second + 1).tolist() == [0, second, 2 * second, 3 * second]
    assert cadence.slots(5, 5).tolist() == []


@given(st.integers(-(2**60), 2**60), st.integers(1, 10**13))
def test_a_slot_begins_before_its_times_and_is_no_longer_than_the_cadence(time, ns):
    cadence = Cadence(ns)
    slot = cadence.slot(time)
    assert slot <= time < slot + ns
    assert slot % ns == 0
    assert cadence.slot(slot) == slot


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**12), st.integers(10**9, 10**11))
def test_slots_are_those_that_begin_inside(start, length, ns):
    slots = Cadence(ns).slots(start, start + length)
    assert all(start <= slot < start + length for slot in slots.tolist())
    assert len(slots) == (start + length - 1) // ns - (start - 1) // ns if length else len(slots) == 0


# --------------------------------------------------------------------- clocks


def utc(*texts: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(texts).as_unit("ns")


def test_local_times_become_utc():
    found = localize(["2015-01-15 12:00", "2015-07-15 12:00"], "Europe/Paris")
    assert found.tz is None
    assert found.dtype == "datetime64[ns]"
    assert found.equals(utc("2015-01-15 11:00", "2015-07-15 10:00"))


def test_the_hour_that_is_there_twice():
    twice = ["2015-10-25 01:30", "2015-10-25 02:30", "2015-10-25 03:30"]
    early = localize(twice, "Europe/Paris", ambiguous="earlier")
    late = localize(twice, "Europe/Paris", ambiguous="later")
    assert early.equals(utc("2015-10-24 23:30", "2015-10-25 00:30", "2015-10-25 02:30"))
    assert late.equals(utc("2015-10-24 23:30", "2015-10-25 01:30", "2015-10-25 02:30"))
    assert localize(twice, "Europe/Paris", ambiguous="missing").isna().tolist() == [False, True, False]
    with pytest.raises(InputError, match="the clock shows it twice") as error:
        localize(twice, "Europe/Paris")
    assert "ambiguous = earlier, later, infer, missing" in str(error.value)


def test_earlier_is_earlier_where_winter_is_the_exception():
    """In Dublin's data standard time is summer's, and winter has a negative saving."""
    clock = ["2015-10-25 01:30"]
    assert localize(clock, "Europe/Dublin", ambiguous="earlier").equals(utc("2015-10-25 00:30"))
    assert localize(clock, "Europe/Dublin", ambiguous="later").equals(utc("2015-10-25 01:30"))


def test_the_order_tells_which_of_two_it_is():
    clock = [
        "2015-10-25 01:30",
        "2015-10-25 02:00",
        "2015-10-25 02:30",
        "2015-10-25 02:00",
        "2015-10-25 02:30",
        "2015-10-25 03:00",
    ]
    found = localize(clock, "Europe/Paris", ambiguous="infer")
    assert found.is_monotonic_increasing
    assert (np.diff(found) == np.timedelta64(30, "m")).all()
    with pytest.raises(InputError, match="the clock shows it twice"):
        localize(["2015-10-25 02:30"], "Europe/Paris", ambiguous="infer")


def test_the_hour_that_is_not_there():
    clock = ["2015-03-29 01:30", "2015-03-29 02:30", "2015-03-29 03:30"]
    moved = localize(clock, "Europe/Paris", nonexistent="shift_forward")
    assert moved.equals(utc("2015-03-29 00:30", "2015-03-29 01:00", "2015-03-29 01:30"))
    assert localize(clock, "Europe/Paris", nonexistent="missing").isna().tolist() == [False, True, False]
    with pytest.raises(InputError, match="the clock skips it") as error:
        localize(clock, "Europe/Paris")
    assert error.value.where == "nonexistent"


def test_american_edges():
    assert localize(["2015-11-01 01:30"], "America/Chicago", ambiguous="earlier").equals(utc("2015-11-01 06:30"))
    assert localize(["2015-11-01 01:30"], "America/Chicago", ambiguous="later").equals(utc("2015-11-01 07:30"))
    assert localize(["2015-03-08 02:30"], "America/Los_Angeles", nonexistent="shift_forward").equals(
        utc("2015-03-08 10:00")
    )


def test_wrong_questions_about_local_times():
    with pytest.raises(InputError, match="unknown time zone") as error:
        localize(["2015-01-01"], "Europe/Pari")
    assert "did you mean 'Europe/Paris'" in str(error.value)
    with pytest.raises(InputError, match="unknown policy"):
        localize(["2015-01-01"], "Europe/Paris", ambiguous="first")
    with pytest.raises(InputError, match="have a zone already"):
        localize(pd.DatetimeIndex(["2015-01-01"], tz="UTC"), "Europe/Paris")


ZONES = st.sampled_from(
    ["Europe/Paris", "America/Chicago", "America/Los_Angeles", "Australia/Adelaide", "Asia/Kolkata", "Europe/Dublin"]
)
INSTANTS = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2037, 1, 1))


@given(st.lists(INSTANTS, min_size=1, max_size=5), ZONES)
def test_there_and_back_through_a_clock(instants, name):
    """What a clock showed comes back as the instant, or as the other of the two it may have been."""
    true = pd.DatetimeIndex(instants).as_unit("ns")
    clock = true.tz_localize("UTC").tz_convert(zone(name)).tz_localize(None)
    early = localize(clock, name, ambiguous="earlier")
    late = localize(clock, name, ambiguous="later")
    assert (early <= late).all()
    assert ((true == early) | (true == late)).all()


# -------------------------------------------------------------------- periods

NOW = pd.Timestamp("2015-10-26 10:00", tz="UTC")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2015", "2014-12-31 23:00", "2015-12-31 23:00"),
        ("2015-06", "2015-05-31 22:00", "2015-06-30 22:00"),
        ("2015-06-03", "2015-06-02 22:00", "2015-06-03 22:00"),
        ("2015-W23", "2015-05-31 22:00", "2015-06-07 22:00"),
        ("2015-06-01/2015-07-01", "2015-05-31 22:00", "2015-06-30 22:00"),
        ("2014/2016", "2013-12-31 23:00", "2015-12-31 23:00"),
        ("2015-06-01T06:00/2015-06-01T18:00", "2015-06-01 04:00", "2015-06-01 16:00"),
        ("2015-06-01T06:00Z/2015-06-01T18:00+02:00", "2015-06-01 06:00", "2015-06-01 16:00"),
        ("2015-06-01/P1M", "2015-05-31 22:00", "2015-06-30 22:00"),
        ("P7D/2015-07-01", "2015-06-23 22:00", "2015-06-30 22:00"),
        ("today", "2015-10-25 23:00", "2015-10-26 23:00"),
        ("yesterday", "2015-10-24 22:00", "2015-10-25 23:00"),
        ("this-month", "2015-09-30 22:00", "2015-10-31 23:00"),
        ("last-month", "2015-08-31 22:00", "2015-09-30 22:00"),
        ("last-year", "2013-12-31 23:00", "2014-12-31 23:00"),
        ("PT24H", "2015-10-25 10:00", "2015-10-26 10:00"),
        ("P1D", "2015-10-25 10:00", "2015-10-26 10:00"),
    ],
)
def test_periods_of_the_paris_clock(text, start, end):
    found = parse_period(text, "Europe/Paris", now=NOW)
    assert found == (pd.Timestamp(start), pd.Timestamp(end))
    assert all(moment.tz is None and moment.unit == "ns" for moment in found)


@pytest.mark.parametrize(("day", "hours"), [("2015-03-29", 23), ("2015-06-03", 24), ("2015-10-25", 25)])
def test_days_of_the_clock_have_23_to_25_hours(day, hours):
    start, end = parse_period(day, "Europe/Paris")
    assert end - start == pd.Timedelta(hours=hours)


def test_a_midnight_that_the_clock_skips():
    start, end = parse_period("2015-10-18", "America/Sao_Paulo")  # at midnight it was one o'clock
    assert (start, end) == (pd.Timestamp("2015-10-18 03:00"), pd.Timestamp("2015-10-19 02:00"))


@pytest.mark.parametrize(
    "text", ["", "June 2015", "2015-13", "2015-02-30", "2015-W60", "20150603", "last-week-but-one", "now/then", "2015/"]
)
def test_what_is_no_period(text):
    with pytest.raises(InputError, match=r"not a (period|duration)"):
        parse_period(text, "Europe/Paris")


def test_a_period_ends_after_it_starts():
    with pytest.raises(InputError, match="ends before it starts"):
        parse_period("2015-07-01/2015-06-01")


@given(INSTANTS, ZONES)
def test_days_of_a_month_cover_it_without_gap_or_overlap(instant, name):
    month = f"{instant:%Y-%m}"
    start, end = parse_period(month, name)
    at = start
    for day in range(1, pd.Timestamp(instant).days_in_month + 1):
        first, last = parse_period(f"{month}-{day:02}", name)
        assert first == at
        at = last
    assert at == end


def test_times_as_numbers():
    ns = 1_420_070_400_000_000_000
    assert (
        to_ns(ns)
        == to_ns("2015-01-01")
        == to_ns(pd.Timestamp("2015-01-01T01:00+01:00"))
        == to_ns(np.datetime64("2015-01-01"))
        == ns
    )


@given(st.integers(0, 2**62))
def test_numbers_are_times_already(ns):
    assume(ns < pd.Timestamp.max.value)
    assert to_ns(pd.Timestamp(ns)) == to_ns(np.int64(ns)) == ns
