"""Request handling of the page server: static files, and apps whose errors become readable pages."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

from tornado.web import StaticFileHandler

from workbench.display.live import Live, serving
from workbench.display.page import failure_page
from workbench.model.errors import InputError

log = logging.getLogger(__name__)


class Asset(StaticFileHandler):
    """Style sheet, script, font and pictures of the pages; browsers keep what carries a version."""

    def set_extra_headers(self, path: str) -> None:
        """Say how long a file may be kept."""
        self.set_header("Cache-Control", "max-age=86400" if self.get_argument("v", "") else "no-cache")


def page_app(path: str, view: Live) -> Callable[[], None]:
    """What makes a viewer's page: runs the app's file, and turns its errors into a page that tells them."""

    def make() -> None:
        try:
            # Read for each viewer, so that an edited page shows at the next load.
            code = compile(Path(path).read_text(encoding="utf-8"), path, "exec")
            with serving(view):
                exec(code, {"__name__": "__main__", "__file__": path})  # noqa: S102  the user's own page is what is served
        except InputError as error:
            failure_page("This page cannot be shown", str(error))
        except Exception as error:
            log.exception("page %s failed", path)
            failure_page("This page has an error", _told(path, error))

    return make


def _told(path: str, error: Exception) -> str:
    """The error with the line of the page's own file that it came from."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            line = frame.lineno
    place = f"{Path(path).name}:{line}" if line else Path(path).name
    return f"{place}\n  {type(error).__name__}: {error}\n  hint:     mend the file and load this page again"
