"""The live view of a store: one thread looks once a second, all viewers of the process share what it saw.

A page subscribes; after each look the thread makes the HTML of every part that some page shows, once, and
wakes the pages. A page then sends its browser the lines that changed. What a viewer costs is the sending.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.collect.health import read_health
from workbench.display.readings import Block, Now, SiteNow, cadence_seconds
from workbench.model.samples import SeriesKey

if TYPE_CHECKING:
    import xarray as xr

    from workbench.model.assets import Portfolio
    from workbench.project import Project
    from workbench.store import LiveRing, SiteStore

log = logging.getLogger(__name__)

PERIOD = 1.0  #: seconds between two looks
RING_SECONDS = 900
SLOW = 600.0  #: cadence from which on a series is not live [s]
LOOK_FOR_SERIES = 20  #: looks after which series that have turned up are taken in
#: Looks over which rates are counted.
RATE_WINDOW = 15


class _SiteFeed:
    """One site's ring and health, as the looking thread keeps them."""

    def __init__(self, root: Path, site: str) -> None:
        from workbench.store import LiveRing, SiteStore

        self.site = site
        self.store: SiteStore = SiteStore(root, site)
        self.ring: LiveRing = LiveRing(self.store, seconds=RING_SECONDS)
        self.loaded = False
        self.trouble = ""
        self._keys: set[SeriesKey] = set()
        self._looks = 0
        self._older: dict[SeriesKey, dict[str, dict[str, tuple[float, int]]]] = {}
        self.health: dict[str, Any] | None = None
        self._seen: deque[tuple[int, dict[str, int]]] = deque(maxlen=RATE_WINDOW)

    def look(self) -> None:
        self.health = read_health(self.store.folder)
        if self.health is not None:
            counts = {
                f"{name}/{device}": int(health["values"])
                for name, source in self.health["sources"].items()
                for device, health in source["devices"].items()
            }
            if not self._seen or self._seen[-1][0] != self.health["time"]:
                self._seen.append((int(self.health["time"]), counts))
        self._looks += 1
        if not self.loaded or self._looks % LOOK_FOR_SERIES == 0:
            self._find_series()
        if self.loaded:
            self.ring.poll()

    def _find_series(self) -> None:
        """Take in series that have turned up. Statistics of ten minutes stay outside: they are no live values."""
        if not self.store.exists():
            return
        keys = {info.key for info in self.store.series() if cadence_seconds(info.key.cadence) < SLOW}
        if keys == self._keys:
            return
        ring = type(self.ring)(self.store, seconds=RING_SECONDS, keys=sorted(keys))
        ring.load()
        self.ring, self._keys = ring, keys
        self._older = {key: self._before_ring(key) for key in ring.keys()}  # noqa: SIM118  a ring is no mapping
        self.loaded = bool(keys)

    def rates(self) -> dict[str, float]:
        """Values per second by ``<source>/<device>``, over the last looks."""
        if len(self._seen) < 2:
            return {}
        (then, before), (now, after) = self._seen[0], self._seen[-1]
        seconds = (now - then) / 1e9
        if seconds <= 0:
            return {}
        return {name: max(0.0, (after[name] - before.get(name, after[name])) / seconds) for name in after}

    def blocks(self) -> dict[SeriesKey, Block]:
        if not self.loaded:
            return {}
        found = {}
        for key in self.ring.keys():  # noqa: SIM118
            every = cadence_seconds(key.cadence)
            table = self.ring.latest_table(key)
            for row, asset in enumerate(table.assets):
                older = self._older.get(key, {}).get(asset)
                if older and not table.time[row].any():
                    for column, name in enumerate(table.variables):
                        if name in older:
                            table.value[row, column], table.time[row, column] = older[name]
            found[key] = Block(key, every, table.assets, table.variables, table.value, table.time, table.quality)
        return found

    def _before_ring(self, key: SeriesKey) -> dict[str, dict[str, tuple[float, int]]]:
        """Newest values of assets that have been silent for longer than the ring is: old, but not unknown."""
        table = self.ring.latest_table(key)
        silent = [asset for row, asset in enumerate(table.assets) if not table.time[row].any()]
        if not silent:
            return {}
        data = self.store.latest(key, assets=silent)
        found: dict[str, dict[str, tuple[float, int]]] = {asset: {} for asset in silent}
        for name in table.variables:
            if name not in data:
                continue
            times = data[f"{name}_time"].values.astype("datetime64[ns]")
            for row, asset in enumerate(silent):
                if not np.isnat(times[row]):
                    found[asset][name] = (float(data[name].values[row]), int(times[row].astype(np.int64)))
        return found

    def now(self, at: int, portfolio: Portfolio) -> SiteNow:
        return SiteNow(
            self.site, at, portfolio.sites.get(self.site), self.blocks(), self.health, self.rates(), self.trouble
        )


class Live:
    """The live view of one store.

    Parameters
    ----------
    project
        Gives the portfolio and the default store.
    store
        Root of the store; the project's by default.
    """

    def __init__(self, project: Project, store: Path | None = None) -> None:
        from workbench.model.assets import load_portfolio

        self.project = project
        self.root = Path(store) if store is not None else project.store
        self.portfolio = load_portfolio(project.portfolio)
        self.work = ThreadPoolExecutor(max_workers=2, thread_name_prefix="history")
        #: For what a viewer waits for: an answer does not queue behind the assessment of another site.
        self.answers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="answer")
        #: For what takes seconds: one at a time, so that nothing that should be quick waits for it.
        self.slow = ThreadPoolExecutor(max_workers=1, thread_name_prefix="study")
        self._quick = 0  #: answers that viewers wait for
        self._calm = threading.Condition()
        self._feeds: dict[str, _SiteFeed] = {}
        self._listeners: set[Callable[[Now], None]] = set()
        self._parts: dict[Any, tuple[int, int, Callable[[Now], str]]] = {}
        self._html: dict[Any, tuple[int, str]] = {}
        self._known: dict[Any, tuple[float, Any]] = {}
        self._asked: set[Any] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._looked = threading.Event()
        self._tick = 0
        self.now = self._empty()

    # -- looking --------------------------------------------------------------------------------------

    def start(self) -> Live:
        """Begin to look, in a thread of its own; the first look takes seconds. Starting twice does nothing."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live view", daemon=True)
                self._thread.start()
        return self

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait for the first look; whether it has happened."""
        return self._looked.wait(seconds)

    @property
    def ready(self) -> bool:
        """Whether the store has been looked at."""
        return self._looked.is_set()

    def stop(self) -> None:
        """End the thread and let the store go."""
        self._end.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=5)
        # What is being read is read to its end: nobody else may close what a thread is using.
        for pool in (self.slow, self.work, self.answers):
            pool.shutdown(wait=True, cancel_futures=True)
        for feed in self._feeds.values():
            feed.store.close()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._end.is_set()

    def look(self) -> Now:
        """Look at the store now."""
        at = time.time_ns()
        for site in self._sites():
            feed = self._feeds.get(site)
            if feed is None:
                feed = self._feeds[site] = _SiteFeed(self.root, site)
            try:
                feed.look()
                feed.trouble = ""
            except Exception as error:
                # One site that cannot be read must not blind the others: its values age, and the pages say why.
                trouble = f"{type(error).__name__}: {error}"
                if trouble != feed.trouble:
                    log.exception("cannot look at site %s", site)
                feed.trouble = trouble
        self._tick += 1
        sites = {name: self._feeds[name].now(at, self.portfolio) for name in self._feeds}
        order = [*self.portfolio.sites, *(name for name in sites if name not in self.portfolio.sites)]
        every = {name: sites.get(name) or SiteNow(name, at, self.portfolio.sites.get(name)) for name in order}
        self.now = Now(at, self._tick, self.portfolio, every)
        self._looked.set()
        return self.now

    def _run(self) -> None:
        following = time.monotonic()
        while not self._end.wait(max(0.0, following - time.monotonic())):
            following = max(following + PERIOD, time.monotonic())
            try:
                now = self.look()
                with self._lock:
                    wanted = dict(self._parts)
                    listeners = list(self._listeners)
                for key, (_, every, render) in wanted.items():
                    if now.tick % every == 0:
                        self._render(key, render, now)
            except Exception:
                log.exception("the live view stumbled; it goes on")
                continue
            for listener in listeners:
                try:
                    listener(now)
                except Exception:
                    log.exception("a page could not be told")

    def _sites(self) -> list[str]:
        if not self.root.is_dir():
            return []
        if self._tick % 5 and self._feeds:
            return list(self._feeds)
        return sorted(folder.name for folder in self.root.iterdir() if folder.is_dir() and _is_site(folder))

    def _empty(self) -> Now:
        at = time.time_ns()
        sites = {name: SiteNow(name, at, site) for name, site in self.portfolio.sites.items()}
        return Now(at, 0, self.portfolio, sites)

    # -- sharing --------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Now], None]) -> Callable[[], None]:
        """Call ``listener`` from the looking thread after each look; the function returned ends it."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end

    def show(self, key: Any, render: Callable[[Now], str], *, every: int = 1) -> Callable[[], None]:
        """Keep the HTML of a part fresh while somebody shows it; the function returned ends that.

        Parameters
        ----------
        key
            What makes the part the same part for several viewers.
        every
            Make it anew at every so many looks.
        """
        with self._lock:
            users, _, _ = self._parts.get(key, (0, 0, render))
            self._parts[key] = (users + 1, every, render)

        def end() -> None:
            with self._lock:
                users, every, render = self._parts.get(key, (0, 1, None))
                if users > 1 and render is not None:
                    self._parts[key] = (users - 1, every, render)
                else:
                    self._parts.pop(key, None)
                    self._html.pop(key, None)

        return end

    def html(self, key: Any, render: Callable[[Now], str]) -> str:
        """The part's newest HTML; made now where nobody has shown it yet."""
        found = self._html.get(key)
        return found[1] if found is not None else self._render(key, render, self.now)

    def _render(self, key: Any, render: Callable[[Now], str], now: Now) -> str:
        try:
            html = render(now)
        except Exception:
            log.exception("a part could not be made: %s", key)
            html = '<p class="quiet">This part could not be made; the log of the pages says why.</p>'
        if key in self._parts:
            self._html[key] = (now.tick, html)
        return html

    def remember(
        self,
        key: Any,
        work: Callable[[], Any],
        *,
        seconds: float = 60.0,
        lacking: Callable[[Any], bool] = lambda _: False,
        soon: float = 10.0,
    ) -> Any:
        """What ``work`` gave last; None until it has given something.

        For what takes longer than a page may wait (reading history): done in another thread, shared by all
        viewers, done again when it is asked for after ``seconds``; after ``soon`` where what was given is ``lacking``, as what was
        missing may be there now.
        """
        then, found = self._known.get(key, (-1e9, None))
        if found is not None and lacking(found):
            seconds = min(seconds, soon)
        if time.monotonic() - then < seconds:
            return found
        with self._lock:
            if key in self._asked:
                return found
            self._asked.add(key)

        def do() -> None:
            result = found
            try:
                result = work()
            except Exception:
                log.exception("could not work out %s", key)
            finally:
                with self._lock:
                    if len(self._known) > 512:
                        self._known.clear()
                    self._known[key] = (time.monotonic(), result)
                    self._asked.discard(key)

        self.work.submit(do)
        return found

    def quick(self, work: Callable[[], Any]) -> Future[Any]:
        """Do ``work`` in another thread; slow work steps aside until it is done."""
        with self._calm:
            self._quick += 1

        def done(_: Future[Any]) -> None:
            with self._calm:
                self._quick -= 1
                self._calm.notify_all()

        try:
            job = self.answers.submit(work)
        except RuntimeError:  # the server is ending
            done(Future())
            raise
        job.add_done_callback(done)
        return job

    def give_way(self) -> None:
        """Wait while a viewer waits for an answer: slow work calls it between its steps.

        Two threads of one interpreter slow each other down by more than a half, whatever processors there are.
        """
        with self._calm:
            self._calm.wait_for(lambda: self._quick == 0, timeout=2.0)

    # -- reading --------------------------------------------------------------------------------------

    def site_store(self, site: str) -> SiteStore:
        """The site's store."""
        feed = self._feeds.get(site)
        if feed is not None:
            return feed.store
        from workbench.store import SiteStore

        return SiteStore(self.root, site)

    def ring(self, site: str) -> LiveRing | None:
        """The site's newest minutes; None where nothing was collected yet."""
        feed = self._feeds.get(site)
        return feed.ring if feed is not None and feed.loaded else None

    def recent(self, site: str, key: SeriesKey, assets: Any = None, variables: Any = None) -> xr.Dataset | None:
        """The newest minutes of a series, dims (time, asset); None where there are none."""
        ring = self.ring(site)
        if ring is None or key not in ring.keys():  # noqa: SIM118
            return None
        return ring.dataset(key, variables=variables, assets=assets, quality=False)

    def statistics(self) -> Mapping[str, int]:
        """How many pages and parts are served now."""
        with self._lock:
            return {"pages": len(self._listeners), "parts": len(self._parts)}


def _is_site(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("journal.sqlite", "health.json", "telemetry"))


_shared: dict[tuple[Path, Path], Live] = {}
_shared_lock = threading.Lock()
_served: ContextVar[Live | None] = ContextVar("served", default=None)


def live_view(project: Project | None = None, store: Path | None = None) -> Live:
    """The live view of a store, started; one per store and process, shared by all viewers.

    In a page that a server runs, without arguments, the view of that server; elsewhere the project's.

    Raises
    ------
    InputError
        There is no such project, or its portfolio is wrong.
    """
    from workbench.project import find_project

    served = _served.get()
    if served is not None and project is None and store is None:
        return served
    found = project or find_project()
    key = (found.root, Path(store) if store is not None else found.store)
    with _shared_lock:
        view = _shared.get(key)
        if view is None or view.stopped:
            view = _shared[key] = Live(found, store)
    return view.start()


@contextmanager
def serving(view: Live) -> Iterator[None]:
    """Make ``view`` the one that ``live_view()`` gives, while a page is made."""
    token = _served.set(view)
    try:
        yield
    finally:
        _served.reset(token)
