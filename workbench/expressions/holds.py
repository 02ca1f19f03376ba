"""``FOR``: whether a condition has held for a length of time, over times with gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import dask.array as da

#: A gap longer than so many usual steps ends a run, where no other is said.
USUAL_STEPS = 3.0

FALSE, TRUE, UNKNOWN = 0, 1, 2

#: Rows of a memory, a column of numbers for each condition: the run's start and the last sample that was known [ns];
#: whether a run is on, whether it began right after a sample that was false, whether any sample was known. Of a piece
#: also: its first sample that was known [ns], and whether a run that comes in may go through it.
START, LAST, RUNNING, AFTER_FALSE, SEEN, FIRST, THROUGH = range(7)
ROWS = 7

Memory = npt.NDArray[np.int64]


# One thread, without the lock of the interpreter: the workers of dask call it at the same time, and numba's own
# threads end the process then, where it has neither OpenMP nor TBB.
@numba.njit(cache=True, nogil=True)
def hold(times: Any, state: Any, length: int, gap: int, memory: Any, out: Any) -> None:
    """Kleene value of ``condition FOR length`` into ``out`` [row, column].

    Parameters
    ----------
    times, length, gap
        [ns]; a sample whose condition is unknown is as one that is not there.
    state
        Kleene value of the condition [row, column].
    memory
        [``ROWS``, column] of what was before (:func:`nothing`); that of what is now, afterwards.
    """
    for column in range(state.shape[1]):
        start = memory[START, column]
        last = memory[LAST, column]
        running = memory[RUNNING, column] != 0
        after_false = memory[AFTER_FALSE, column] != 0
        seen = memory[SEEN, column] != 0
        first = memory[FIRST, column]
        through = memory[THROUGH, column] != 0
        for row in range(times.size):
            now = times[row]
            if state[row, column] == UNKNOWN:
                out[row, column] = UNKNOWN
                continue
            broken = not seen or now - last > gap
            if not seen:
                first = now
            elif broken:
                through = False
            if state[row, column] == FALSE:
                running, after_false, through = False, True, False
                out[row, column] = FALSE
            else:
                if broken or not running:
                    start = now
                    after_false = after_false and not broken
                running = True
                if now - start >= length:
                    out[row, column] = TRUE
                else:
                    # What was before the data begin, or in a gap, nobody knows.
                    out[row, column] = FALSE if after_false else UNKNOWN
            seen, last = True, now
        memory[START, column] = start
        memory[LAST, column] = last
        memory[RUNNING, column] = running
        memory[AFTER_FALSE, column] = after_false
        memory[SEEN, column] = seen
        memory[FIRST, column] = first
        memory[THROUGH, column] = through


def nothing(columns: int) -> Memory:
    """The memory before the first sample."""
    memory = np.zeros((ROWS, columns), np.int64)
    memory[THROUGH] = 1
    return memory


def after(before: Memory, piece: Memory, gap: int) -> Memory:
    """The memory of two pieces of time, one after the other, from those of each alone.

    What follows a false sample or a gap does not depend on anything before it. So only a piece that is true
    throughout lets a run through.
    """
    goes_on = (piece[THROUGH] != 0) & (piece[FIRST] - before[LAST] <= gap)
    found = piece.copy()
    found[START] = np.where(goes_on, np.where(before[RUNNING] != 0, before[START], piece[FIRST]), piece[START])
    found[AFTER_FALSE] = np.where(goes_on, before[AFTER_FALSE], piece[AFTER_FALSE])
    found[FIRST] = before[FIRST]
    found[THROUGH] = goes_on & (before[THROUGH] != 0)
    return np.where(before[SEEN] == 0, piece, np.where(piece[SEEN] == 0, before, found))


def usual_gap(times: npt.NDArray[np.int64]) -> int:
    """The longest gap that ends no run [ns]: three usual steps."""
    return int(USUAL_STEPS * np.median(np.diff(times))) if len(times) > 1 else 0


def held(state: npt.NDArray[np.int8], times: npt.NDArray[np.int64], length: int, gap: int) -> npt.NDArray[np.int8]:
    """Kleene value of ``condition FOR length`` from that of the condition [time, …]."""
    return _piece(state, times, length, gap, [])


def held_lazily(state: da.Array, times: npt.NDArray[np.int64], length: int, gap: int) -> da.Array:
    """:func:`held` of a lazy array: each chunk from itself and the memories of the chunks that its ``FOR`` looks back on.

    A memory is a few numbers for each condition, so that no task has more than one chunk of data, however long the
    duration is; and a chunk asks for no chunk before those. Memories of two, four, eight … chunks are joined once for
    all that look back on them: what a chunk asks for grows with the logarithm of its number of chunks.
    """
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    token = tokenize(state.name, times, length, gap)
    memory, out = f"held-memory-{token}", f"held-{token}"
    stops = np.cumsum(state.chunks[0])
    starts = stops - state.chunks[0]
    tasks: dict[Any, Any] = {}

    def joined(size: int, at: int, place: tuple[int, ...]) -> tuple[Any, ...]:
        """The task of the memory of ``size`` chunks from number ``at`` on."""
        key = (memory, size, at, *place)
        if key not in tasks and size == 1:
            tasks[key] = (_memory, (state.name, at, *place), times[starts[at] : stops[at]], gap)
        elif key not in tasks:
            halves = joined(size // 2, at, place), joined(size // 2, at + size // 2, place)
            tasks[key] = (after, *halves, gap)
        return key

    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        own = times[start:stop]
        # A run that is long enough at this time holds a sample from one gap before the duration on.
        reach = max(int(own[0]) - length - gap, -(2**63)) if len(own) else 2**63 - 1
        pieces = _pieces(int(np.searchsorted(stops, np.searchsorted(times, reach), side="right")), number)
        for place in np.ndindex(*(len(each) for each in state.chunks[1:])):
            before = [joined(size, at, place) for size, at in pieces]
            tasks[(out, number, *place)] = (_piece, (state.name, number, *place), own, length, gap, before)
    graph = HighLevelGraph.from_collections(out, tasks, dependencies=[state])  # type: ignore[list-item]
    return da.Array(graph, out, chunks=state.chunks, dtype=np.int8, meta=np.empty((0,) * state.ndim, np.int8))  # type: ignore[no-untyped-call]


def _pieces(low: int, high: int) -> list[tuple[int, int]]:
    """Chunks from ``low`` to before ``high`` as few pieces: (size, first chunk), each a power of two at a multiple of it."""
    found = []
    while low < high:
        size = 1
        while low % (2 * size) == 0 and low + 2 * size <= high:
            size *= 2
        found.append((size, low))
        low += size
    return found


def _memory(state: npt.NDArray[np.int8], times: npt.NDArray[np.int64], gap: int) -> Memory:
    rows = _rows(state)
    memory = nothing(rows.shape[1])
    hold(times, rows, 0, gap, memory, np.empty(rows.shape, np.int8))
    return memory


def _piece(
    state: npt.NDArray[np.int8], times: npt.NDArray[np.int64], length: int, gap: int, before: list[Memory]
) -> npt.NDArray[np.int8]:
    rows = _rows(state)
    memory = nothing(rows.shape[1])
    for each in before:
        memory = after(memory, each, gap)
    out = np.empty(rows.shape, np.int8)
    hold(times, rows, length, gap, memory, out)
    return out.reshape(state.shape)


def _rows(state: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """[row, column]"""
    columns = int(np.prod(state.shape[1:]))
    return np.ascontiguousarray(state.reshape(len(state), columns), dtype=np.int8)
