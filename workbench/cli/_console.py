"""The screen, for all commands alike."""

from __future__ import annotations

import os
import sys

from rich.console import Console

#: Columns of output that goes to a file or another program, where nothing has to fit a screen.
PIPED_WIDTH = 180


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; wide enough not to break tables where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(stderr=stderr, width=width)
