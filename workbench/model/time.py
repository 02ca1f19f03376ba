"""Durations, cadences, periods, and the clocks of sites.

Everything measured is in UTC. A site's time zone matters in two places only: where a file carries local
times (:func:`localize`), and where a person names a calendar period (:func:`parse_period`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, overload

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND

Ambiguous = Literal["raise", "infer", "earlier", "later", "missing"]
Nonexistent = Literal["raise", "shift_forward", "missing"]

_ISO = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?P<time>T(?:(?P<hours>\d+(?:[.,]\d+)?)H)?(?:(?P<minutes>\d+(?:[.,]\d+)?)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?"
)
_SHORT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_SHORT_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "sec": NS_PER_SECOND,
    "min": 60 * NS_PER_SECOND,
    "h": 3600 * NS_PER_SECOND,
}
_SHORT_DAYS = {"d": 1, "day": 1, "days": 1, "w": 7}


@dataclass(frozen=True)
class Duration:
    """A length of time: calendar months, days, and a fixed rest.

    They are kept apart because neither is a number of the next: a month has 28 to 31 days, and a day of a
    site's clock has 23 to 25 hours.
    """

    months: int = 0
    days: int = 0
    rest: int = 0  #: [ns]

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same number of nanoseconds everywhere in UTC: it counts no months."""
        return self.months == 0

    @property
    def ns(self) -> int:
        """Its length [ns], a day counted as 24 hours.

        Raises
        ------
        InputError
            It counts calendar months.
        """
        if self.months:
            raise InputError(
                f"{self} has no fixed length",
                found=str(self),
                expected="a duration of weeks, days, hours, minutes or seconds, such as P30D",
            )
        return self.days * NS_PER_DAY + self.rest

    @property
    def timedelta(self) -> pd.Timedelta:
        """As a pandas Timedelta. Raises InputError where it counts calendar months."""
        import pandas as pd

        return pd.Timedelta(self.ns, unit="ns")

    @property
    def offset(self) -> pd.DateOffset:
        """As a pandas DateOffset: months and days follow the calendar of the time they are added to."""
        import pandas as pd

        seconds, ns = divmod(self.rest, NS_PER_SECOND)
        micro, nano = divmod(ns, 1000)
        parts: dict[str, Any] = {"months": self.months, "days": self.days, "seconds": seconds, "microseconds": micro}
        parts["nanoseconds"] = nano
        # an offset without parts would be one day
        return pd.DateOffset(**({name: value for name, value in parts.items() if value} or {"days": 0}))

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        date = "".join(f"{n}{unit}" for n, unit in ((years, "Y"), (months, "M"), (self.days, "D")) if n)
        minutes, ns = divmod(self.rest, 60 * NS_PER_SECOND)
        hours, minutes = divmod(minutes, 60)
        clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
        if ns:
            seconds, fraction = divmod(ns, NS_PER_SECOND)
            clock += f"{seconds}" + (f".{fraction:09d}".rstrip("0") if fraction else "") + "S"
        return "P" + date + ("T" + clock if clock else "") if date or clock else "PT0S"


def parse_duration(text: str | Duration) -> Duration:
    """A duration from ISO 8601 (``PT1M``, ``P30D``, ``P6M``, ``P1Y2M``) or short form (``10min``, ``1s``, ``1h``).

    Raises
    ------
    InputError
        It is neither, or finer than a nanosecond.

    References
    ----------
    ISO 8601-1:2019, 5.5.2; weeks may stand with other parts, as ISO 8601-2 allows.
    """
    if isinstance(text, Duration):
        return text
    spelled = str(text).strip()
    if match := _ISO.fullmatch(spelled):
        part = match.groupdict()
        if part["time"] != "T" and any(part[name] for name in part):
            whole = {name: int(part[name] or 0) for name in ("years", "months", "weeks", "days")}
            rest = sum(
                _exact(part[name], size * NS_PER_SECOND, text)
                for name, size in (("hours", 3600), ("minutes", 60), ("seconds", 1))
                if part[name]
            )
            return Duration(12 * whole["years"] + whole["months"], 7 * whole["weeks"] + whole["days"], rest)
    if match := _SHORT.fullmatch(spelled):
        number, unit = match.groups()
        if unit in _SHORT_NS:
            return Duration(rest=_exact(number, _SHORT_NS[unit], text))
        if unit.lower() in _SHORT_DAYS and number.isdigit():
            return Duration(days=int(number) * _SHORT_DAYS[unit.lower()])
    raise InputError(
        f"not a duration: {text!r}",
        found=text,
        expected="an ISO 8601 duration such as PT10M, P30D, P6M, or a short form such as 10min, 1s, 1h",
    )


def _exact(number: str, size: int, text: object) -> int:
    """``number`` times ``size``, without the rounding of binary fractions."""
    from fractions import Fraction

    product = Fraction(number.replace(",", ".")) * size
    if product.denominator != 1:
        raise InputError(f"finer than a nanosecond: {text!r}", found=text)
    return int(product)


_Ns = TypeVar("_Ns", int, npt.NDArray[np.int64])


@dataclass(frozen=True, order=True)
class Cadence:
    """A regular grid in time: its slots begin at whole multiples of ``ns`` since 1970 UTC."""

    ns: int

    def __post_init__(self) -> None:
        if self.ns <= 0:
            raise InputError("a cadence is longer than nothing", found=f"{self.ns} ns", expected="such as 1s or 10min")

    @classmethod
    def parse(cls, text: str | Cadence) -> Cadence:
        """A cadence from ``1s``, ``10min``, ``1h`` or an ISO 8601 duration of fixed length.

        Raises
        ------
        InputError
            It is no duration, counts calendar months, or is zero.
        """
        return text if isinstance(text, Cadence) else cls(parse_duration(text).ns)

    @property
    def seconds(self) -> float:
        """Its length [s]."""
        return self.ns / NS_PER_SECOND

    @property
    def timedelta(self) -> np.timedelta64:
        """Its length, as numpy counts time."""
        return np.timedelta64(self.ns, "ns")

    def slot(self, time: _Ns) -> _Ns:
        """Start of the slot that ``time`` [ns since 1970 UTC] falls into; a number or an array."""
        return time - time % self.ns

    def slots(self, start: int, end: int) -> npt.NDArray[np.int64]:
        """Starts of the slots that begin in [``start``, ``end``) [ns since 1970 UTC]."""
        return np.arange(-(-start // self.ns) * self.ns, end, self.ns, dtype=np.int64)

    def __str__(self) -> str:
        for unit, size in (("d", NS_PER_DAY), ("h", 3600 * NS_PER_SECOND), ("min", 60 * NS_PER_SECOND)):
            if self.ns % size == 0:
                return f"{self.ns // size}{unit}"
        for unit, size in (("s", NS_PER_SECOND), ("ms", 1_000_000), ("us", 1_000)):
            if self.ns % size == 0:
                return f"{self.ns // size}{unit}"
        return f"{self.ns}ns"


def zone(name: str) -> Any:
    """The time zone ``name`` of the IANA database, such as ``America/Chicago``.

    Raises
    ------
    InputError
        There is none of that name; names the nearest.
    """
    import zoneinfo

    from workbench.model.errors import did_you_mean

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise InputError(
            f"unknown time zone {name!r}",
            found=name,
            expected="a name of the IANA database, such as Europe/Paris",
            hint=did_you_mean(str(name), zoneinfo.available_timezones()),
        ) from None


def localize(
    times: Any, tz: str, *, ambiguous: Ambiguous = "raise", nonexistent: Nonexistent = "raise"
) -> pd.DatetimeIndex:
    """Local times of a site as UTC.

    Parameters
    ----------
    times
        Local times without a zone: anything that ``pandas.DatetimeIndex`` takes.
    tz
        IANA name of the zone.
    ambiguous
        What to do with a time that the clock shows twice, in autumn: take the ``earlier`` or the ``later``,
        ``infer`` from the order of the times (they must be in order and hold both), ``missing`` (NaT), or
        ``raise``.
    nonexistent
        What to do with a time that the clock skips, in spring: ``shift_forward`` to the end of the gap,
        ``missing`` (NaT), or ``raise``.

    Returns
    -------
    UTC, without a zone, ``datetime64[ns]``, of the same length and order.

    Raises
    ------
    InputError
        The zone or a policy is unknown, or the policy is ``raise`` (``infer``) and there is such a time
        (one that cannot be told).
    """
    import pandas as pd

    for value, allowed, where in (
        (ambiguous, get_args(Ambiguous), "ambiguous"),
        (nonexistent, get_args(Nonexistent), "nonexistent"),
    ):
        if value not in allowed:
            raise InputError("unknown policy", where=where, found=value, expected=", ".join(allowed))
    local = pd.DatetimeIndex(times).as_unit("ns")
    if local.tz is not None:
        raise InputError("the times have a zone already", found=str(local.tz), expected="local times without a zone")
    where_zone = zone(tz)
    skipped: Any = "NaT" if nonexistent == "missing" else nonexistent

    def utc(policy: Any) -> pd.DatetimeIndex:
        aware = local.tz_localize(where_zone, ambiguous=policy, nonexistent=skipped)
        return aware.tz_convert("UTC").tz_localize(None)

    try:
        if ambiguous in ("earlier", "later"):
            # Which of the two a daylight-saving flag means depends on the zone (Europe/Dublin turns it round),
            # so both are computed and compared.
            first, second = utc(np.ones(len(local), bool)), utc(np.zeros(len(local), bool))
            pick = np.minimum if ambiguous == "earlier" else np.maximum
            return pd.DatetimeIndex(pick(first.to_numpy(), second.to_numpy()))
        return utc("NaT" if ambiguous == "missing" else ambiguous)
    except ValueError as error:  # pandas' error for both edges
        text = str(error)
        edge = "nonexistent" if "nonexistent" in text.lower() else "ambiguous"
        options = "shift_forward, missing" if edge == "nonexistent" else "earlier, later, infer, missing"
        why = "the clock skips it" if edge == "nonexistent" else "the clock shows it twice"
        raise InputError(
            f"a local time of {tz} cannot be told: {why}",
            where=edge,
            found=text,
            hint=f"say what to do with such times: {edge} = {options}",
        ) from error


def parse_period(text: str, tz: str = "UTC", *, now: pd.Timestamp | None = None) -> tuple[pd.Timestamp, pd.Timestamp]:
    """A period of a site's calendar as UTC.

    Parameters
    ----------
    text
        A year ``2015``, month ``2015-06``, week ``2015-W23``, day ``2015-06-03``; an interval
        ``2015-06-01/2015-07-01``, ``2015-06-01T06:00/PT12H`` or ``P7D/2015-07-01``, its end not included;
        ``today``, ``yesterday``, ``this-month``, ``last-month``, ``this-year``, ``last-year``; or a duration
        such as ``P7D``, which ends now.
    tz
        IANA name of the site's time zone. A time with an offset of its own (``…Z``, ``…+02:00``) keeps it.
    now
        The present, for the words and durations that count from it.

    Returns
    -------
    start, end
        Half-open [start, end), UTC, without a zone. A day of the clock has 23, 24 or 25 hours.

    Raises
    ------
    InputError
        It is no period, or ends before it starts.
    """
    import pandas as pd

    where_zone = zone(tz)
    present = pd.Timestamp.now("UTC") if now is None else _aware(pd.Timestamp(now), "UTC")
    spelled = text.strip()
    try:
        if "/" in spelled:
            start, end = _interval(spelled, where_zone)
        elif spelled[:1] == "P":
            end = present.tz_convert(where_zone)
            start = end - parse_duration(spelled).offset
        else:
            start, end = _calendar(spelled, where_zone, present)
    except (ValueError, OverflowError) as error:
        raise _no_period(text) from error
    start, end = (moment.tz_convert("UTC").tz_localize(None).as_unit("ns") for moment in (start, end))
    if end <= start:
        raise InputError("the period ends before it starts", found=text, expected="an end later than the start")
    return start, end


_YEAR, _MONTH, _DAY = re.compile(r"\d{4}"), re.compile(r"\d{4}-\d{2}"), re.compile(r"\d{4}-\d{2}-\d{2}")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")


def _no_period(text: str) -> InputError:
    return InputError(
        f"not a period: {text!r}",
        found=text,
        expected="such as 2015, 2015-06, 2015-06-03, 2015-06-01/2015-07-01, yesterday or P7D",
    )


def _calendar(text: str, where: Any, present: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    import pandas as pd

    today = present.tz_convert(where).tz_localize(None).normalize()
    word, _, unit = text.partition("-")
    if text in ("today", "yesterday"):
        first, step = today - pd.Timedelta(days=int(text == "yesterday")), pd.DateOffset(days=1)
    elif word in ("this", "last") and unit in ("month", "year"):
        step = pd.DateOffset(months=1 if unit == "month" else 12)
        first = today.replace(day=1) if unit == "month" else today.replace(day=1, month=1)
        first = first - step if word == "last" else first
    elif match := _WEEK.fullmatch(text):
        first, step = pd.Timestamp.fromisocalendar(int(match[1]), int(match[2]), 1), pd.DateOffset(days=7)
    else:
        months = 12 if _YEAR.fullmatch(text) else 1 if _MONTH.fullmatch(text) else 0
        if not months and not _DAY.fullmatch(text):
            raise _no_period(text)
        first, step = pd.Timestamp(text), pd.DateOffset(months=months) if months else pd.DateOffset(days=1)
    return _clock(first, where), _clock(first + step, where)


def _interval(text: str, where: Any) -> tuple[pd.Timestamp, pd.Timestamp]:
    first, _, last = text.partition("/")
    if first[:1] == "P":
        end = _moment(last, where)
        return end - parse_duration(first).offset, end
    start = _moment(first, where)
    return start, start + parse_duration(last).offset if last[:1] == "P" else _moment(last, where)


def _moment(text: str, where: Any) -> pd.Timestamp:
    import pandas as pd

    if not any(pattern.fullmatch(text) for pattern in (_YEAR, _MONTH, _DAY, _MOMENT)):
        raise _no_period(text)
    moment = pd.Timestamp(text)
    return moment if moment.tz is not None else _clock(moment, where)


def _clock(local: pd.Timestamp, where: Any) -> pd.Timestamp:
    """A local time as an instant: the earlier of two, the end of the gap where the clock skips it."""
    instants = [local.tz_localize(where, ambiguous=flag, nonexistent="shift_forward") for flag in (True, False)]
    return min(instants)


def _aware(moment: pd.Timestamp, tz: str) -> pd.Timestamp:
    return moment.tz_localize(tz) if moment.tz is None else moment


def rising_times(time: xr.DataArray) -> npt.NDArray[np.int64]:
    """Times [ns since 1970 UTC] of a coordinate, dims (time).

    Raises
    ------
    InputError
        One is not later than the one before.
    """
    times = time.values.astype("datetime64[ns]").astype(np.int64)
    falls = np.flatnonzero(np.diff(times) <= 0)
    if len(falls):
        raise InputError(
            "the times are not in order",
            where=f"time[{falls[0] + 1}]",
            found=str(time.values[falls[0] + 1]),
            expected="later than the one before",
            hint='sort them: data.sortby("time"); and drop what is twice: data.drop_duplicates("time")',
        )
    return times


@overload
def to_ns(time: pd.Timestamp | np.datetime64 | str) -> int: ...
@overload
def to_ns(time: int) -> int: ...
def to_ns(time: Any) -> int:
    """A time as ns since 1970 UTC; a time without a zone is taken as UTC."""
    import pandas as pd

    if isinstance(time, (int, np.integer)):
        return int(time)
    moment = pd.Timestamp(time)
    if moment.tz is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    return int(moment.as_unit("ns").value)
