"""The time grid of a series: slots, and the chunks of slots that are written together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from workbench.model.errors import InputError
from workbench.model.samples import NS, SeriesKey

#: Lengths of a chunk to choose from [s]. Each divides the next, and days and ten minutes fall on borders.
_LENGTHS = (1, 10, 60, 600, 3_600, 4 * 3_600, 86_400, 30 * 86_400)
#: Most slots in a chunk.
_MOST_SLOTS = 4_320
#: Most values of all assets and variables in a chunk of time, as long as it is longer than ten minutes: the
#: journal holds that many before they go to the store.
_MOST_VALUES = 96_000_000
_LEAST_LENGTH = 600 * NS


@dataclass(frozen=True)
class Grid:
    """A regular grid of slots, cut into chunks; both count from 1970-01-01 UTC.

    ``step`` is the length of a slot [ns], ``slots`` the number of slots in a chunk.
    """

    step: int
    slots: int

    @property
    def span(self) -> int:
        """Length of a chunk [ns]."""
        return self.step * self.slots

    def floor(self, time: int) -> int:
        """Start of the slot of ``time`` [ns]."""
        return time - time % self.step

    def ceil(self, time: int) -> int:
        """Start of the first slot that begins at or after ``time`` [ns]."""
        return time + (-time) % self.step

    def chunk(self, time: int) -> int:
        """Number of the chunk ``time`` [ns] lies in."""
        return time // self.span

    def chunk_start(self, chunk: int) -> int:
        """Start of a chunk [ns]."""
        return chunk * self.span


def chunk_slots(step: int, width: int = 1) -> int:
    """Slots in a chunk of a series with slots of ``step`` ns and ``width`` values (assets × variables) in a slot.

    The longest of 1 s, 10 s, 1 min, 10 min, 1 h, 4 h, 1 d, 30 d with at most 4,320 slots: an hour at 1 s
    (3,600), four hours at 5 s (2,880) and 10 s, a day at 1 min (1,440), thirty days at 10 min (4,320). Shorter
    for a very large site, down to ten minutes: 96 million values at most, where that can be.
    """
    lengths = [seconds * NS // step for seconds in _LENGTHS if seconds * NS % step == 0]
    fitting = [slots for slots in lengths if 1 <= slots <= _MOST_SLOTS]
    if not fitting:
        return max(1, min([*lengths, _MOST_SLOTS]))
    small = [slots for slots in fitting if slots * width <= _MOST_VALUES]
    least = min((slots for slots in fitting if slots * step >= _LEAST_LENGTH), default=max(fitting))
    return max([least, *small])


@lru_cache(maxsize=1024)
def grid_of(cadence: str, slots: int = 0) -> Grid:
    """The grid of a cadence such as ``1s`` or ``10min``, in chunks of ``slots`` (of a small site by default).

    Raises
    ------
    InputError
        It is no cadence.
    """
    from workbench.model.time import Cadence

    step = int(Cadence.parse(cadence).ns)
    return Grid(step, slots or chunk_slots(step))


def series_key(text: str | SeriesKey) -> SeriesKey:
    """A series from its text, ``wind_turbine/1s``.

    Raises
    ------
    InputError
        It has not the two parts, or the second is no cadence.
    """
    if isinstance(text, SeriesKey):
        return text
    try:
        key = SeriesKey.parse(text)
    except ValueError as error:
        raise InputError(
            "not a series", where="series", found=text, expected="<asset_type>/<cadence>, such as wind_turbine/1s"
        ) from error
    grid_of(key.cadence)
    return key
