"""Daylight saving in local time stamps: hours that are missing or there twice where a zone's clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_MINUTE = 60 * 10**9  #: [ns]
_HOUR = 60 * _MINUTE


@dataclass(frozen=True)
class ClockChange:
    """A change of a zone's clock."""

    at: int  #: UTC [ns]
    minutes: float  #: forward (+, an hour that does not exist) or back (-, an hour that is there twice)
    before: int  #: offset from UTC before it [ns]


def zone_changes(tz: str, first: int, last: int) -> list[ClockChange]:
    """Changes of the clock of a zone between two times, UTC [ns].

    Raises
    ------
    InputError
        No such zone.
    """
    import datetime as dt
    import zoneinfo

    try:
        zone = zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError("no such time zone", found=tz, expected="a name such as Europe/Paris") from error

    def offset(ns: int) -> int:
        moment = dt.datetime.fromtimestamp(ns / 1e9, dt.UTC).astimezone(zone)
        return round((moment.utcoffset() or dt.timedelta()).total_seconds()) * 10**9

    found = []
    days = [*range(first, last, 24 * _HOUR), last]
    offsets = [offset(day) for day in days]
    for low, high, before, after in zip(days, days[1:], offsets, offsets[1:], strict=False):
        if before == after:
            continue
        while high - low > _MINUTE:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        at = (
            -(-low // _MINUTE) * _MINUTE
            if offset(-(-low // _MINUTE) * _MINUTE) != before
            else high // _MINUTE * _MINUTE
        )
        found.append(ClockChange(at, (after - before) / _MINUTE, before))
    return found


def clock_changes(times: npt.NDArray[np.datetime64], tz: str) -> pl.DataFrame:
    """What local time stamps say at each change of their zone's clock: did the recorder's clock follow it?

    Where a clock goes forward, its zone leaves an hour out: a clock that followed has no record in it. Where it goes back,
    an hour is there twice: a clock that followed has twice the records, or one for each time where a table keeps no more
    (``kept_one``, told by its springs: an hour of data is lost). A clock that kept standard time has one record at each time, always.

    Parameters
    ----------
    times
        Local time stamps without a zone, [time], as they were written: double ones kept, in any order.
    tz
        Zone that they are said to be of.

    Returns
    -------
    polars.DataFrame
        A row for each change within the times: ``at`` (UTC), ``local`` (first local time of the hour in question),
        ``change`` [min], ``records`` in that hour, ``usual`` records an hour, ``missing``, ``doubled`` (time stamps that are
        there more than once) and ``clock``: ``followed``, ``not_followed``, ``kept_one``, ``hour_lost`` (back: no record at all),
        ``no_data`` (nothing within three hours on either side) or ``unclear``.
    """
    import polars as pl

    stamps = np.sort(np.asarray(times, dtype="datetime64[ns]").astype(np.int64))
    columns = ("at", "local", "change", "records", "usual", "missing", "doubled", "clock")
    types: Any = (pl.Int64, pl.Int64, pl.Float64, pl.Int64, pl.Float64, pl.Int64, pl.Int64, pl.String)
    rows = []
    if len(stamps) > 1:
        distinct = np.unique(stamps)
        steps = np.diff(distinct)
        usual_step = int(np.median(steps)) if len(steps) else _HOUR
        for change in zone_changes(tz, int(stamps[0]), int(stamps[-1])):
            length = int(abs(change.minutes) * _MINUTE)
            # forward: [02:00, 03:00) does not exist; back: [02:00, 03:00) is there twice
            start = change.at + change.before - (0 if change.minutes > 0 else length)
            inside = stamps[np.searchsorted(stamps, start) : np.searchsorted(stamps, start + length)]
            low, high = (np.searchsorted(stamps, start + side) for side in (-3 * _HOUR, 3 * _HOUR + length))
            around = high - low - len(inside)
            fits = length / usual_step
            kinds = len(np.unique(inside))
            rows.append(
                (
                    change.at, start, change.minutes, len(inside), fits, max(0, round(fits) - kinds), len(inside) - kinds,
                    _verdict(change.minutes > 0, len(inside), kinds, fits, int(around)),
                )
            )  # fmt: skip
    if any(row[-1] == "followed" and row[2] > 0 for row in rows):
        # it follows in spring: of the hour that was there twice, one record each was kept
        rows = [(*row[:-1], "kept_one" if row[2] < 0 and row[-1] == "not_followed" else row[-1]) for row in rows]
    table = pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")
    return table.with_columns(pl.col("at", "local").cast(pl.Datetime("ns")))


def _verdict(forward: bool, records: int, kinds: int, fits: float, around: int) -> str:
    if not around:
        return "no_data"
    if forward:
        return "followed" if records == 0 else "not_followed" if kinds >= fits / 2 else "unclear"
    if records == 0:
        return "hour_lost"
    if records - kinds >= kinds / 2:
        return "followed"
    return "not_followed" if kinds >= fits / 2 else "unclear"
