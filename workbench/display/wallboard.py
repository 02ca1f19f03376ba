"""The wallboard: one snapshot for any number of browsers, made once per look by one producer.

    board = Wallboard("Portfolio", view := live_view())
    board.row(parts.verdict())
    board.row(parts.power_now(), parts.by_kind())
    board.show()

A browser that shows it keeps no session here: it asks for the snapshot every few seconds, which is one answer
from memory, packed once, or none at all when it has that one already. What it shows ages by the browser's clock.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from workbench.display.live import serving
from workbench.display.page import Part
from workbench.model.errors import InputError

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.display.readings import Now

NAME = "wallboard"  #: of the page, and of the file in the project's folder of pages
REFRESH = 5.0  #: seconds after which a browser asks again
#: Age of the newest value from which on the whole board is stale [s]: five of the usual cadence, and a moment more.
STALE = 15.0


@dataclass(frozen=True)
class Holder:
    """A part in its place."""

    id: str
    part: Part


@dataclass
class Wallboard:
    """A board for a wall: rows of parts that the server draws. Bokeh's figures need a session and have no place here."""

    title: str
    live: Live
    rows: list[tuple[str, list[list[Holder]]]] = field(default_factory=list)

    def row(self, *items: Part | Sequence[Part], css: str = "") -> None:
        """Add a row of parts side by side; a list among them is stood on top of each other."""
        count = len(self.holders)
        stacks: list[list[Holder]] = []
        for item in items:
            stack: list[Holder] = []
            for part in item if isinstance(item, (list, tuple)) else [item]:
                if not isinstance(part, Part):
                    raise InputError(
                        "only parts can stand on a wallboard",
                        where="Wallboard.row",
                        found=type(part).__name__,
                        expected="a function of workbench.display.parts",
                        hint="parts.power_trend draws what charts.PowerTrend shows",
                    )
                stack.append(Holder(f"w{count}", part))
                count += 1
            stacks.append(stack)
        self.rows.append((css, stacks))

    @property
    def holders(self) -> list[Holder]:
        """All parts in their places."""
        return [holder for _, stacks in self.rows for stack in stacks for holder in stack]

    def show(self) -> None:
        """Make it the board that the server shows."""
        _made.get().append(self)


_made: ContextVar[list[Wallboard]] = ContextVar("made")


@dataclass(frozen=True)
class Snapshot:
    """What all browsers get: the same bytes."""

    tick: int
    body: bytes
    packed: bytes
    etag: str


class Producer:
    """Makes the snapshot while somebody asks for it, once per look.

    Parameters
    ----------
    live
        The live view.
    path
        The board's file; run when it is new or has changed, not for each viewer.
    idle
        Seconds without a question after which it rests.
    """

    def __init__(self, live: Live, path: Path, *, idle: float = 20.0) -> None:
        self.live, self.path, self.idle = live, path, idle
        self.made = 0  #: snapshots so far
        self.layout = ""  #: changes when the board is another one: browsers load it anew
        self._board: Wallboard | None = None
        self._snapshot: Snapshot | None = None
        self._ends: list[Callable[[], None]] = []
        self._asked = 0.0
        self._lock = threading.RLock()

    def board(self) -> Wallboard:
        """The board as its file has it now.

        Raises
        ------
        InputError
            The file cannot be read or makes no board.
        """
        try:
            # What there is to show decides what a file puts on the board: it is run anew when that changes.
            state = f"{self.path.stat().st_mtime_ns}-{self.live.ready:d}{self.live.now.empty:d}"
            with self._lock:
                if self._board is None or self.layout != state:
                    self._rest()
                    self._board, self.layout = self._run(), state
                return self._board
        except OSError as error:
            raise InputError("the wallboard's file cannot be read", file=self.path, found=error.strerror) from None

    def _run(self) -> Wallboard:
        code = compile(self.path.read_text(encoding="utf-8"), str(self.path), "exec")
        token = _made.set([])
        try:
            with serving(self.live):
                exec(code, {"__name__": "__main__", "__file__": str(self.path)})  # noqa: S102  the user's own file
            made = _made.get()
        finally:
            _made.reset(token)
        if not made:
            raise InputError("the file makes no wallboard", file=self.path, expected="Wallboard(…).show()")
        return made[-1]

    def snapshot(self) -> Snapshot:
        """The newest snapshot; made now where nobody has asked for a while.

        Raises
        ------
        InputError
            As ``board``.
        """
        self._asked = time.monotonic()
        found = self._snapshot
        if found is not None:
            return found  # from memory: whoever asks waits for nobody
        with self._lock:
            board = self.board()
            if not self._ends:
                self._ends = [self.live.show(h.part.key, h.part.render, every=h.part.every) for h in board.holders]
                self._ends.append(self.live.subscribe(self._looked))
            if self._snapshot is None:
                self._snapshot = self._make(board, self.live.now)
            return self._snapshot

    def _looked(self, now: Now) -> None:
        # In the looking thread.
        with self._lock:
            if time.monotonic() - self._asked > self.idle:
                self._rest()
                return
            try:
                board = self.board()
            except Exception:
                self._rest()  # whoever asks next is told
                raise
            if self._ends:  # otherwise the board is another one now, and made when it is asked for
                self._snapshot = self._make(board, now)

    def _rest(self) -> None:
        for end in self._ends:
            end()
        self._ends, self._snapshot = [], None

    def _make(self, board: Wallboard, now: Now) -> Snapshot:
        self.made += 1
        body = orjson.dumps(
            {
                "now": now.time // 1_000_000,
                "tick": now.tick,
                "layout": self.layout,
                "newest": newest(now) // 1_000_000,
                "stale": STALE,
                "parts": {h.id: {"all": self.live.html(h.part.key, h.part.render)} for h in board.holders},
            }
        )
        return Snapshot(now.tick, body, gzip.compress(body, 5, mtime=0), f'W/"{sha256(body).hexdigest()[:20]}"')


def newest(now: Now) -> int:
    """Time of the newest value of all sites [ns since 1970 UTC]; 0 where there is none."""
    return max(
        (int(block.times.max(initial=0)) for site in now.live_sites for block in site.blocks.values()), default=0
    )
