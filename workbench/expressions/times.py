"""Times as all three worlds reckon them: read from text, moved by seconds, and the seconds between two.

Each piece of work is here once for one value and once for arrays, with the same operations in the same order, so that
the answers are the same to the last bit. Times are whole nanoseconds since 1970 UTC; whole seconds and the rest are
kept apart, because a float holds no nanoseconds of a year.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import numpy.typing as npt

SECOND = 10**9
DAY = 86_400 * SECOND
#: Years a time may lie in; whole nanoseconds in 64 bits end in 1677 and 2262.
FIRST_YEAR, LAST_YEAR = 1678, 2261
#: A time that was moved farther from 1970 than this is missing [s].
_FARTHEST = 9_200_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAT = np.datetime64("NaT", "ns")

Moments = npt.NDArray[np.datetime64]


def read_time(text: str) -> int | None:
    """A time from ISO 8601 text, UTC where it names no zone [ns]; None where it is none."""
    if not text[:4].isdigit():
        return None
    try:
        return _of(dt.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def as_time(value: Any) -> int | None:
    """A time from whatever stands for one [ns]; None where nothing does."""
    if isinstance(value, str):
        return read_time(value)
    if isinstance(value, np.datetime64):
        found = in_ns(np.asarray(value))
        return None if np.isnat(found) else int(found.astype(np.int64))
    if isinstance(value, dt.date):
        if value != value:  # NaT of pandas is a datetime
            return None
        if not isinstance(value, dt.datetime):
            value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
        try:
            return _of(value)
        except OverflowError:
            return None
    return None


def _of(moment: dt.datetime) -> int | None:
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return None
    # Not by microseconds alone: a Timestamp of pandas has nanoseconds, too.
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000 + getattr(
        since, "nanoseconds", 0
    )


def moved(time: int, seconds: float) -> int | None:
    """``time`` [ns] and ``seconds`` later; None where no time can be that far away."""
    if not math.isfinite(seconds) or abs(seconds) > 2 * _FARTHEST:
        return None
    whole = math.floor(seconds)
    there = time // SECOND + whole
    if abs(there) > _FARTHEST:
        return None
    return there * SECOND + time % SECOND + round((seconds - whole) * 1e9)


def between(later: int, earlier: int) -> float:
    """From ``earlier`` to ``later`` [s]."""
    return float(later // SECOND - earlier // SECOND) + (later % SECOND - earlier % SECOND) / 1e9


# -- of arrays --------------------------------------------------------------------------------------------


def in_ns(times: Any) -> Moments:
    """Times of any resolution; NaT where they lie in no year that nanoseconds reach (9999, for ever)."""
    if times.dtype == "datetime64[ns]":
        return times  # type: ignore[no-any-return]
    years = times.astype("datetime64[Y]").astype(np.int64) + 1970
    good = (years >= FIRST_YEAR) & (years <= LAST_YEAR)  # NaT is the least of all
    found: Moments = np.where(good, times, np.datetime64("NaT")).astype("datetime64[ns]")
    return found


def read_times(values: Any) -> Moments:
    """:func:`as_time` of each value; datetime64[ns]."""
    values = np.asarray(values)
    if values.dtype.kind == "M":
        return in_ns(values)
    found = np.full(values.shape, _NAT)
    known: dict[Any, np.datetime64] = {}  # texts come again and again
    if values.dtype.kind in "OUT":
        for place, value in enumerate(values.ravel().tolist()):
            if not isinstance(value, (str, dt.date, np.datetime64)):
                continue
            if value not in known:
                when = as_time(value)
                known[value] = _NAT if when is None else np.datetime64(when, "ns")
            found.flat[place] = known[value]
    return found


def days(times: Any) -> Moments:
    """The beginning of each day."""
    found: Moments = np.asarray(times).astype("datetime64[D]").astype("datetime64[ns]")
    return found


def moved_all(times: Any, seconds: Any) -> Moments:
    """:func:`moved` of each; NaT where either is missing."""
    times, seconds = np.broadcast_arrays(np.asarray(times, "datetime64[ns]"), np.asarray(seconds, np.float64))
    good = ~np.isnat(times) & (np.abs(seconds) <= 2 * _FARTHEST)  # NaN is not less
    ns = np.where(good, times.astype(np.int64), 0)
    seconds = np.where(good, seconds, 0.0)
    whole = np.floor(seconds)
    there = ns // SECOND + whole.astype(np.int64)
    good &= np.abs(there) <= _FARTHEST
    there = np.where(good, there, 0)
    found = there * SECOND + ns % SECOND + np.rint((seconds - whole) * 1e9).astype(np.int64)
    return np.where(good, found.astype("datetime64[ns]"), _NAT)


def between_all(later: Any, earlier: Any) -> npt.NDArray[np.float64]:
    """:func:`between` each two; NaN where one is missing."""
    later, earlier = np.asarray(later, "datetime64[ns]"), np.asarray(earlier, "datetime64[ns]")
    a, b = later.astype(np.int64), earlier.astype(np.int64)
    found = (a // SECOND - b // SECOND).astype(np.float64) + (a % SECOND - b % SECOND) / 1e9
    return np.where(np.isnat(later) | np.isnat(earlier), np.nan, found)
