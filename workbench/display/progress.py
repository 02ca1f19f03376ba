"""How far a function is, shown while it works: in a notebook, a terminal, or as plain lines.

What is told to :func:`workbench.steps.progress` may come thousands of times a second; what is shown is not more than a few
times a second, and never on standard output.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from workbench.steps import progress_told

#: Seconds between two looks of a screen, and between two lines of a log.
SCREEN, LINES = 0.1, 10.0


def phrase(done: int, of: int, what: str = "") -> str:
    """How far it is, in words."""
    share = f"{100 * done // of if of else 100} %"
    return f"{what} {share}" if what else share


def now_and_then(show: Callable[[str], Any], every: float, *, wait: float = 0.0) -> Callable[[int, int, str], None]:
    """A listener that calls ``show`` with a phrase, at most once in ``every`` seconds, first after ``wait``."""
    next_ = time.monotonic() + wait

    def listen(done: int, of: int, what: str) -> None:
        nonlocal next_
        now = time.monotonic()
        if now >= next_:
            next_ = now + every
            show(phrase(done, of, what))

    return listen


@contextlib.contextmanager
def progress() -> Iterator[None]:
    """Show how far the functions called in the block are: ``with workbench.progress(): wind.wake_losses(...)``.

    In a notebook a line below the cell, which is empty again at the end, so that running the cell again gives the same
    output; in a terminal a line on standard error; elsewhere a line on standard error every ten seconds.
    """
    if _in_notebook():
        with _in_cell() as show, progress_told(now_and_then(show, SCREEN)):
            yield
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.markup import escape

        status = Console(stderr=True).status("…")
        with status, progress_told(now_and_then(lambda text: status.update(escape(text)), SCREEN)):
            yield
    else:
        with progress_told(now_and_then(lambda text: sys.stderr.write(f"{text}\n"), LINES, wait=LINES)):
            yield


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


@contextlib.contextmanager
def _in_cell() -> Iterator[Callable[[str], None]]:
    from IPython.display import DisplayHandle

    handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]

    def plain(text: str) -> dict[str, str]:
        return {"text/plain": text}

    handle.display(plain(""), raw=True)
    try:
        yield lambda text: handle.update(plain(text), raw=True)
    finally:
        handle.update(plain(""), raw=True)
