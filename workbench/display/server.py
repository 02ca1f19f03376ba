"""The server of the live pages: the apps of a project's folder, on the loopback address, nothing from elsewhere."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.display import theme
from workbench.model.errors import InputError

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.project import Project

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
FIRST = "portfolio"  #: the page that opens


def apps(folder: Path) -> dict[str, str]:
    """The apps of a folder: page name to file.

    Raises
    ------
    InputError
        There is none.
    """
    found = {path.stem: str(path) for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")}
    if not found:
        raise InputError(
            "no pages to serve",
            file=folder,
            expected="Panel apps (*.py)",
            hint="`workbench init DIR` lays out a project with pages in it",
        )
    return found


class PageServer:
    """Serves the pages until stopped; ``url`` is where they are.

    Made by ``create_server``. ``run`` serves in this thread until interrupted; ``start`` in one of its own.
    """

    def __init__(self, server: Any, live: Live, first: str) -> None:
        self._server, self.live = server, live
        self.port = int(server.port)
        self.url = f"http://{ADDRESS}:{self.port}/{first}"
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until ``stop`` or Ctrl-C."""
        try:
            self._claim_loop()
            self._server.run_until_shutdown() if threading.current_thread() is threading.main_thread() else self._serve()
        finally:
            self.live.stop()

    def start(self) -> PageServer:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self._serve, name="pages", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End serving and let the store go."""
        loop = self._server.io_loop
        done = threading.Event()

        def end() -> None:
            self._server.stop(wait=False)
            loop.stop()
            done.set()

        loop.add_callback(end)
        done.wait(5)
        if self._thread is not None:
            self._thread.join(5)
        self.live.stop()

    def _claim_loop(self) -> None:
        # The server starts its housekeeping (the end of pages nobody looks at) on the loop of this thread.
        asyncio.set_event_loop(self._server.io_loop.asyncio_loop)

    def _serve(self) -> None:
        self._claim_loop()
        self._server.start()
        self._server.io_loop.start()

    def __enter__(self) -> PageServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def create_server(
    project: Project | None = None, *, port: int = 0, store: Path | None = None, idle: float = 20.0
) -> PageServer:
    """A server of the project's pages on the loopback address; call ``run`` or ``start`` on it.

    Parameters
    ----------
    project
        The project; found from the working directory by default.
    port
        0 takes a free one.
    store
        Root of the store; the project's by default.
    idle
        Seconds after which the page of a viewer who has gone is let go.

    Raises
    ------
    InputError
        No pages, a wrong portfolio, or the port is taken.
    """
    # Bokeh and Panel decide by these where scripts come from: from this server, in one minified file each.
    os.environ.setdefault("BOKEH_RESOURCES", "server")
    os.environ.setdefault("BOKEH_LOG_LEVEL", "warn")
    from workbench.display.live import live_view
    from workbench.project import find_project

    project = project or find_project()
    pages = apps(project.dashboards)
    first = FIRST if FIRST in pages else next(iter(pages))
    view = live_view(project, store)
    server = _panel_server(pages, first, port or _free_port(), view, idle)
    return PageServer(server, view, first)


def _panel_server(pages: Mapping[str, str], first: str, port: int, view: Live, idle: float) -> Any:
    import panel as pn
    from panel.io.server import get_server
    from tornado.ioloop import IOLoop
    from tornado.web import RedirectHandler
    from tornado.websocket import WebSocketClosedError

    from workbench.display.handlers import Asset, page_app

    pn.config.global_loading_spinner = False
    applications = {name: page_app(path, view) for name, path in pages.items()}
    loop = IOLoop(make_current=False)

    def unhandled(asyncio_loop: Any, context: dict[str, Any]) -> None:
        # A viewer left while news was on its way to him: nothing is wrong.
        if not isinstance(context.get("exception"), WebSocketClosedError):
            asyncio_loop.default_exception_handler(context)

    loop.asyncio_loop.set_exception_handler(unhandled)
    make = partial(
        get_server,
        applications,  # type: ignore[arg-type]  # an application may return nothing: it writes to its document
        port=port,
        address=ADDRESS,
        websocket_origin=[f"{ADDRESS}:{port}", f"localhost:{port}"],
        show=False,
        start=False,
        loop=loop,
        extra_patterns=[
            (r"/?", RedirectHandler, {"url": f"/{first}", "permanent": False}),
            (r"/assets/(.*)", Asset, {"path": str(theme.STATIC)}),
        ],
        check_unused_sessions_milliseconds=int(250 * idle),
        unused_session_lifetime_milliseconds=int(1000 * idle),
    )
    try:
        # In a thread without a loop of its own: where one runs (in a notebook), connections would be
        # accepted by that one, and documents belong to a thread that does not serve them.
        with ThreadPoolExecutor(1) as helper:
            return helper.submit(make).result()
    except OSError as error:
        raise InputError(
            "the pages cannot be served here",
            where="--port",
            found=f"{port}: {error.strerror or error}",
            hint="choose another port, or 0 for a free one",
        ) from None


def _free_port() -> int:
    """A port that is free now. Asked for beforehand, because the pages accept connections to it alone."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
