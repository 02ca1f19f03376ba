"""``FOR``: whether a condition has held for a length of time, over times with gaps."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

#: A gap longer than so many usual steps ends a run, where no other is said.
USUAL_STEPS = 3.0

FALSE, TRUE, UNKNOWN = 0, 1, 2


# One thread, without the lock of the interpreter: the workers of dask call it at the same time, and numba's own
# threads end the process then, where it has neither OpenMP nor TBB.
@numba.njit(cache=True, nogil=True)
def hold(times: Any, true: Any, false: Any, length: int, gap: int, out: Any) -> None:
    """Kleene value of ``condition FOR length`` into ``out`` [row, column].

    Parameters
    ----------
    times, length, gap
        [ns]; a sample whose condition is unknown is as one that is not there.
    true, false
        [row, column]
    """
    for column in range(true.shape[1]):
        start = np.int64(0)  # of the run
        last = np.int64(0)  # sample that was known
        running = False
        after_false = False  # the run began right after a sample that was false
        seen = False
        for row in range(times.size):
            now = times[row]
            if false[row, column]:
                running, after_false, seen, last = False, True, True, now
                out[row, column] = FALSE
            elif not true[row, column]:
                out[row, column] = UNKNOWN
            else:
                broken = not seen or now - last > gap
                if broken or not running:
                    start = now
                    after_false = after_false and not broken
                running, seen, last = True, True, now
                if now - start >= length:
                    out[row, column] = TRUE
                else:
                    # What was before the data begin, or in a gap, nobody knows.
                    out[row, column] = FALSE if after_false else UNKNOWN


def usual_gap(times: npt.NDArray[np.int64]) -> int:
    """The longest gap that ends no run [ns]: three usual steps."""
    return int(USUAL_STEPS * np.median(np.diff(times))) if len(times) > 1 else 0
