"""The screen, for all commands alike."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.markup import escape
from rich.text import Text

#: Columns of output that goes to a file or another program, where nothing has to fit a screen.
PIPED_WIDTH = 180


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; wide enough not to break tables where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(stderr=stderr, width=width)


def cells(*values: object) -> list[Text]:
    """``values`` as cells of a table, as they are: rich would take ``[furlong]`` for markup and leave it out."""
    return [Text(str(value)) for value in values]


def plain(value: object) -> str:
    """``value`` as it is, inside a text that rich reads as markup."""
    return escape(str(value))
