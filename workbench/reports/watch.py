"""How far the cell under way is, beside papermill's bar of cells.

The kernel is another process and its output goes into the report, so that it says how far it is in a file of its own
(:data:`workbench.steps.PROGRESS_FILE`); the bar is told what stands there. Nothing of it comes into the notebook.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.steps import PROGRESS_FILE

ENGINE = "workbench-watched"
_EVERY = 0.3  #: seconds


def told(path: Path) -> tuple[int, int, str] | None:
    """What a file says of progress: what is done, all there is to do, and of what; None where it says nothing."""
    try:
        text = path.read_text(encoding="utf-8")
        done, of, what = text.removesuffix("\n").split(" ", 2)
        return (int(done), int(of), what) if text.endswith("\n") else None
    except (OSError, ValueError):  # not there yet, or being written
        return None


@contextlib.contextmanager
def watched(path: Path) -> Iterator[str]:
    """Kernels started in the block write to ``path``; yields the name of papermill's engine that shows it."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):  # type: ignore[misc]
        """Runs cells as papermill does, and looks at the file meanwhile."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **settings: Any) -> Any:
            done, start = threading.Event(), nb_man.cell_start

            def begin(*args: Any, **more: Any) -> None:
                path.unlink(missing_ok=True)  # what the cell before said is over
                start(*args, **more)

            nb_man.cell_start = begin
            looker = threading.Thread(target=_look, args=(nb_man, path, done), daemon=True)
            looker.start()
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **settings)
            finally:
                done.set()
                looker.join()

    before = os.environ.get(PROGRESS_FILE)
    os.environ[PROGRESS_FILE] = str(path.resolve())
    papermill_engines.register(ENGINE, Engine)
    try:
        yield ENGINE
    finally:
        path.unlink(missing_ok=True)
        os.environ.pop(PROGRESS_FILE, None)
        if before is not None:
            os.environ[PROGRESS_FILE] = before


def _look(notebook: Any, path: Path, done: threading.Event) -> None:
    from workbench.display.progress import phrase

    shown = ""
    while not done.wait(_EVERY):
        bar, said = notebook.pbar, told(path)
        text = "" if said is None or said[0] >= said[1] else phrase(*said)
        if bar is not None and text != shown:
            shown = text
            bar.set_postfix_str(text)
