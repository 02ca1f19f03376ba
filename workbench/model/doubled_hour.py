"""Whether times that stand twice are local times of the hour in which a clock is set back.

A file of local times without an offset has two rows for each time of that hour. To leave one of them out would lose an hour
of data, and leave half a year shifted: the error has to say what the reason most likely is.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt

#: One zone of each rule by which clocks are set back, those with most plants first.
ZONES = (
    "Europe/Paris", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Halifax", "America/Santiago", "Australia/Sydney", "Australia/Adelaide",
    "Pacific/Auckland",
)  # fmt: skip


def zones_set_back(local: dt.datetime) -> list[str]:
    """Of :data:`ZONES` those whose clocks show ``local`` twice."""
    import zoneinfo

    found = []
    for name in ZONES:
        try:
            at = local.replace(tzinfo=zoneinfo.ZoneInfo(name))
        except (zoneinfo.ZoneInfoNotFoundError, OSError):  # no data of zones on this machine
            continue
        before, after = at.utcoffset(), at.replace(fold=1).utcoffset()
        if before is not None and after is not None and before > after:
            found.append(name)
    return found


def doubled_hour(twice: npt.ArrayLike) -> tuple[str, str] | None:
    """What times that stand twice most likely are, and the zone, where all are of hours in which one zone sets its clock back.

    Parameters
    ----------
    twice
        The times that are there more than once, [n], as they stand.

    Returns
    -------
    A part of a sentence and the name of a zone; None where they are of other hours.
    """
    stamps = np.unique(np.asarray(twice, dtype="datetime64[s]"))
    if not len(stamps) or len(stamps) > 100_000:
        return None
    hours: Any = np.unique(stamps.astype("datetime64[h]")).astype(object)
    if len(hours) > 200:
        return None
    common: set[str] = set(ZONES)
    for hour in hours:
        common &= set(zones_set_back(hour))
    zone = next((name for name in ZONES if name in common), None)
    if zone is None:
        return None
    days = sorted({f"{hour:%d %b %Y}" for hour in hours}, key=lambda text: dt.datetime.strptime(text, "%d %b %Y"))  # noqa: DTZ007
    hour = hours[0].hour
    more = "" if len(days) == 1 else " and one other day" if len(days) == 2 else f" and {len(days) - 1} other days"
    text = (
        f"the times that stand twice are of {hour:02d}:00 to {hour + 1:02d}:00 on {days[0]}{more}, the hour that the clocks of "
        f"{zone} show twice when daylight saving ends: these are most likely local times"
    )
    return text, zone
