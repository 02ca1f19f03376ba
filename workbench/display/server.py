"""The server of the live pages: the apps of a project's folder, to this machine unless told otherwise, nothing from elsewhere."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.display import theme
from workbench.display.access import load_access, loopback
from workbench.display.documents import forget_the_dead
from workbench.model.errors import InputError

if TYPE_CHECKING:
    from workbench.display.gate import Gate
    from workbench.display.live import Live
    from workbench.display.wallboard import Producer
    from workbench.project import Project

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  asked for by a user, and only then
FIRST = "portfolio"  #: the page that opens
BOARD = "wallboard"  #: the page that is no app: one snapshot for all


def apps(folder: Path) -> dict[str, str]:
    """The apps of a folder: page name to file.

    Raises
    ------
    InputError
        There is none.
    """
    found = {path.stem: str(path) for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")}
    found.pop(BOARD, None)
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

    def __init__(self, server: Any, live: Live, producer: Producer, gate: Gate, first: str, address: str) -> None:
        self._server, self.live, self.producer, self.gate = server, live, producer, gate
        self.port = int(server.port)
        host = socket.gethostname() if address in EVERYWHERE else address
        here = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        told = gate.access.address.rstrip("/") if gate.access is not None else ""
        self.url = f"{here if loopback(address) else told or here}/{first}"
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
        forget_the_dead()

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
    project: Project | None = None,
    *,
    port: int = 0,
    store: Path | None = None,
    idle: float = 20.0,
    address: str = ADDRESS,
    without_sign_in: bool = False,
) -> PageServer:
    """A server of the project's pages; call ``run`` or ``start`` on it.

    Parameters
    ----------
    project
        The project; found from the working directory by default. Its ``access.yaml`` says who has to sign in.
    port
        0 takes a free one.
    store
        Root of the store; the project's by default.
    idle
        Seconds after which the page of a viewer who has gone is let go.
    address
        Where to listen; by default to this machine alone.
    without_sign_in
        Listen beyond this machine even where nobody has to sign in.

    Raises
    ------
    InputError
        No pages, a wrong portfolio or access file, the port is taken, or everybody could see the pages.
    """
    # Bokeh and Panel decide by these where scripts come from: from this server, in one minified file each.
    os.environ.setdefault("BOKEH_RESOURCES", "server")
    os.environ.setdefault("BOKEH_LOG_LEVEL", "warn")
    from workbench.display.gate import Gate, check_address
    from workbench.display.live import live_view
    from workbench.display.wallboard import Producer
    from workbench.project import find_project

    project = project or find_project()
    access = load_access(project.root)
    check_address(address, access, without_sign_in=without_sign_in)
    pages = apps(project.dashboards)
    board = board_file(project)
    gate = Gate(access, {**pages, BOARD: str(board)})
    gate.check()
    first = FIRST if FIRST in pages else next(iter(pages))
    view = live_view(project, store)
    producer = Producer(view, board, idle=idle)
    server = _panel_server(pages, first, (address, port or _free_port(address)), producer, gate, idle)
    return PageServer(server, view, producer, gate, first, address)


def board_file(project: Project) -> Path:
    """The wallboard's file: the project's own, or the one that ships with the package."""
    from workbench.project import packaged_project

    own = project.dashboards / f"{BOARD}.py"
    return own if own.exists() else packaged_project().dashboards / f"{BOARD}.py"


def _panel_server(
    pages: Mapping[str, str], first: str, at: tuple[str, int], producer: Producer, gate: Gate, idle: float
) -> Any:
    import panel as pn
    from bokeh.settings import settings
    from panel.io.server import get_server
    from tornado.ioloop import IOLoop
    from tornado.web import RedirectHandler
    from tornado.websocket import WebSocketClosedError

    from workbench.display.documents import let_documents_go
    from workbench.display.gate import origins
    from workbench.display.handlers import Asset, BoardPage, BoardSnapshot, page_app

    let_documents_go()
    # Where Bokeh was imported before us, it has not seen what the environment says.
    settings.resources = "server"
    pn.config.global_loading_spinner = False
    applications = {name: page_app(path, producer.live, gate) for name, path in pages.items()}
    address, port = at
    behind = {"gate": gate, "producer": producer}
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
        address=address,
        websocket_origin=origins(address, port, gate.access),
        show=False,
        start=False,
        loop=loop,
        extra_patterns=[
            (r"/?", RedirectHandler, {"url": f"/{first}", "permanent": False}),
            (r"/assets/(.*)", Asset, {"path": str(theme.STATIC)}),
            (rf"/{BOARD}/?", BoardPage, behind),
            (rf"/{BOARD}/snapshot", BoardSnapshot, behind),
        ],
        check_unused_sessions_milliseconds=int(250 * idle),
        unused_session_lifetime_milliseconds=int(1000 * idle),
        **_sign_in(gate),
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


def _sign_in(gate: Gate) -> dict[str, Any]:
    """What Panel and Bokeh need to let nobody in who has not signed in."""
    if not gate.closed:
        return {}
    from workbench.display.gate import COOKIE
    from workbench.display.sign_in import SignIn

    return {
        "auth_provider": SignIn(gate),
        "cookie_secret": gate.secret,
        # A session's token holds what its page was asked with: nobody can make one up, and it carries no cookie.
        "sign_sessions": True,
        "secret_key": secrets.token_bytes(32),
        "exclude_cookies": [COOKIE],
        "exclude_headers": ["Cookie", "Authorization"],
    }


def _free_port(address: str) -> int:
    """A port that is free now. Asked for beforehand, because the pages accept connections to it alone."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
