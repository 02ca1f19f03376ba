"""Request handling of the page server: static files, the wallboard, and apps whose errors become readable pages."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.web import RequestHandler, StaticFileHandler

from workbench.display.documents import styles_from_here
from workbench.display.gate import Gate, Viewer, visiting
from workbench.display.live import Live, serving
from workbench.display.page import failure_page
from workbench.display.plain import plain_page, render
from workbench.display.wallboard import NAME, REFRESH, Producer
from workbench.model.errors import InputError

log = logging.getLogger(__name__)

FASTEST, SLOWEST = 1.0, 60.0  #: how often a wallboard may be told to ask [s]


class Asset(StaticFileHandler):
    """Style sheet, script, font and pictures of the pages; browsers keep what carries a version."""

    def set_extra_headers(self, path: str) -> None:
        """Say how long a file may be kept."""
        self.set_header("Cache-Control", "max-age=86400" if self.get_argument("v", "") else "no-cache")


class Guarded(RequestHandler):
    """A handler behind the gate: who has not signed in, or lacks the role, gets no further."""

    def initialize(self, gate: Gate, producer: Producer) -> None:
        """Take what the server gives."""
        self.gate, self.producer = gate, producer

    def prepare(self) -> None:
        """Refuse whoever may not."""
        self.set_header("Cache-Control", "no-cache, private")
        found = self.gate.viewer(self.request)
        needs = self.gate.needs(NAME)
        if found is None:
            self.nobody()
        elif not found.may(needs):
            self.set_status(403)
            self.finish(f"{found.name} has the role {found.role}; this needs {needs}.")
        else:
            self.viewer: Viewer = found

    def nobody(self) -> None:
        """What somebody gets who has not signed in."""
        self.set_status(403)
        self.finish("Sign in first.")

    def told(self, error: Exception) -> None:
        """Answer with what is wrong with the wallboard's file."""
        if not isinstance(error, InputError):
            log.error("the wallboard failed", exc_info=error)
        self.set_status(500)
        text = str(error) if isinstance(error, InputError) else _told(str(self.producer.path), error)
        self.finish(plain_page("The wallboard cannot be shown", text))


class BoardPage(Guarded):
    """The wallboard's page: what it shows first, and the script that keeps it fresh."""

    def nobody(self) -> None:
        """Sign in, then come back."""
        self.redirect("/login?" + urlencode({"next": self.request.uri}))

    def get(self) -> None:
        """The page."""
        try:
            board = self.producer.board()
            self.producer.snapshot()
            live = self.producer.live
            html = {holder.id: live.html(holder.part.key, holder.part.render) for holder in board.holders}
        except Exception as error:
            self.told(error)
            return
        page = render(
            "wallboard.html",
            board=board,
            html=html,
            layout=self.producer.layout,
            refresh=self._refresh(),
            viewer=self.viewer.name,
        )
        self.finish(page)

    def _refresh(self) -> float:
        try:
            return min(max(float(self.get_argument("every", str(REFRESH))), FASTEST), SLOWEST)
        except ValueError:
            return REFRESH


class BoardSnapshot(Guarded):
    """The snapshot: the same bytes for all, or nothing for whoever has them."""

    def get(self) -> None:
        """The newest snapshot."""
        try:
            found = self.producer.snapshot()
        except Exception as error:
            self.told(error)
            return
        # The browser's clock may be wrong: it learns from each answer what time it is here.
        self.set_header("Server-Time", str(time.time_ns() // 1_000_000))
        self.set_header("Etag", found.etag)
        self.set_header("Vary", "Accept-Encoding")
        if found.etag in self.request.headers.get("If-None-Match", ""):
            self.set_status(304)
            self.finish()
            return
        self.set_header("Content-Type", "application/json")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(found.packed)
        else:
            self.finish(found.body)

    def compute_etag(self) -> None:
        """None: it is known already."""


def page_app(path: str, view: Live, gate: Gate) -> Callable[[], None]:
    """What makes a viewer's page: runs the app's file, and turns its errors into a page that tells them."""

    def make() -> None:
        with styles_from_here(_document()):
            _make()

    def _make() -> None:
        try:
            # Read for each viewer, so that an edited page shows at the next load.
            code = compile(Path(path).read_text(encoding="utf-8"), path, "exec")
            with serving(view), visiting(gate.visitor(_request())):
                exec(code, {"__name__": "__main__", "__file__": path})  # noqa: S102  the user's own page is what is served
        except InputError as error:
            failure_page("This page cannot be shown", str(error))
        except Exception as error:
            log.exception("page %s failed", path)
            failure_page("This page has an error", _told(path, error))

    return make


def _document() -> Any:
    import panel as pn

    return pn.state.curdoc


def _request() -> Any:
    document = _document()
    context = document.session_context if document is not None else None
    return context.request if context is not None else None


def _told(path: str, error: Exception) -> str:
    """The error with the line of the page's own file that it came from."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            line = frame.lineno
    place = f"{Path(path).name}:{line}" if line else Path(path).name
    return f"{place}\n  {type(error).__name__}: {error}\n  hint:     mend the file and load this page again"
