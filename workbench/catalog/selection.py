"""What a reader of data may ask for: a span of time, assets, variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.model.errors import InputError
from workbench.sources.readers import Selection


def selection(
    time: Any = None, assets: str | Sequence[str] | None = None, variables: str | Sequence[str] | None = None
) -> Selection:
    """The checked selection.

    Parameters
    ----------
    time
        ``slice(start, end)``, half-open, of texts, datetimes or pandas timestamps (UTC where they carry no
        zone); or a period as text: ``"2015"``, ``"2015-06"``, ``"2015-06-03"``, ``"2015-06-01/2015-07-01"``.
    assets, variables
        A name or several; None means all.

    Raises
    ------
    InputError
        The time cannot be read, or the span is empty.
    """
    start = end = None
    if isinstance(time, slice):
        if time.step is not None:
            raise InputError(
                "a step in time is not possible here", where="time", found=time.step, hint="resample after reading"
            )
        start, end = instant(time.start), instant(time.stop)
    elif time is not None:
        from workbench.model.time import parse_period

        first, last = parse_period(str(time), "UTC")
        start, end = instant(first), instant(last)
    if start is not None and end is not None and end <= start:
        raise InputError(
            "the span of time is empty",
            where="time",
            found=f"{time.start} … {time.stop}" if isinstance(time, slice) else time,
            expected="an end after the start",
        )
    return Selection(start, end, names(assets), names(variables))


def names(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """A name or several as a tuple."""
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def instant(value: Any) -> int | None:
    """``value`` as ns since 1970 UTC."""
    import pandas as pd

    if value is None:
        return None
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise InputError("not a time", where="time", found=repr(value), expected="such as 2015-06-01T10:20") from error
    if pd.isna(stamp):
        raise InputError("not a time", where="time", found=repr(value), expected="such as 2015-06-01T10:20")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return int(stamp.as_unit("ns").value)


def as_slice(chosen: Selection) -> slice | None:
    """The span of ``chosen`` as a slice of naive UTC timestamps; None where it is not bounded."""
    import pandas as pd

    if chosen.start is None and chosen.end is None:
        return None
    return slice(
        None if chosen.start is None else pd.Timestamp(chosen.start),
        None if chosen.end is None else pd.Timestamp(chosen.end),
    )
