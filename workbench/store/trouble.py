"""What the keeper cannot do at the moment, left where those who look at the site's health find it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

FILE = "keeper.json"


def tell(folder: Path, trouble: Sequence[str]) -> None:
    """Replace what was told of the site in ``folder``; nothing is left where there is no trouble."""
    path = folder / FILE
    with contextlib.suppress(OSError):  # a full disk is told of by others
        if not trouble:
            path.unlink(missing_ok=True)
            return
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps(list(trouble)))
        draft.replace(path)


def told(folder: Path) -> list[str]:
    """What was told last, a sentence each."""
    try:
        return [str(line) for line in json.loads((folder / FILE).read_text())]
    except (OSError, ValueError):
        return []
