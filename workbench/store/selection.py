"""What is asked of a series, checked: times, assets, variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from workbench.model.errors import InputError, did_you_mean


def time_ns(when: Any, *, where: str = "time") -> int:
    """A time as ns since 1970 UTC, from ns, text, datetime, Timestamp or datetime64.

    A time without zone is UTC.

    Raises
    ------
    InputError
        It is no time.
    """
    import pandas as pd

    if isinstance(when, int | np.integer) and not isinstance(when, bool):
        return int(when)
    try:
        stamp = pd.Timestamp(when)
        if pd.isna(stamp):
            raise ValueError("not a time")
        if stamp.tzinfo is not None:
            stamp = stamp.tz_convert("UTC").tz_localize(None)
        return int(stamp.as_unit("ns").value)
    except (ValueError, TypeError) as error:
        raise InputError(
            "not a time", where=where, found=repr(when), expected="an ISO 8601 time such as 2026-01-31T12:00Z"
        ) from error


def time_range(time: Any) -> tuple[int | None, int | None]:
    """Start and end [ns] of ``slice(start, end)`` or ``(start, end)``, half open; None where it is open.

    Raises
    ------
    InputError
        It is not a range, or it ends before it starts.
    """
    if time is None:
        return None, None
    if isinstance(time, slice):
        if time.step is not None:
            raise InputError(
                "a range of time takes no step", where="time", found=repr(time), expected="slice(start, end)"
            )
        start, end = time.start, time.stop
    elif isinstance(time, tuple | list) and len(time) == 2:
        start, end = time
    else:
        raise InputError("not a range of time", where="time", found=repr(time), expected="slice(start, end)")
    first = None if start is None else time_ns(start)
    last = None if end is None else time_ns(end)
    if first is not None and last is not None and last < first:
        raise InputError("the range of time ends before it starts", where="time", found=f"{start} … {end}")
    return first, last


def chosen(what: str, wanted: str | Iterable[str] | None, known: Sequence[str], *, within: str) -> list[str]:
    """``wanted`` in its order, or all of ``known``.

    Raises
    ------
    InputError
        One is not known; names the nearest.
    """
    if wanted is None:
        return list(known)
    names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    there = set(known)
    for name in names:
        if name not in there:
            shown = ", ".join(list(known)[:20]) + (f", … ({len(known)} in all)" if len(known) > 20 else "")
            raise InputError(
                f"{within} has no {what} {name!r}",
                where=f"{what}s",
                found=name,
                expected=shown or f"no {what} is known yet",
                hint=did_you_mean(name, known),
            )
    return list(dict.fromkeys(names))
