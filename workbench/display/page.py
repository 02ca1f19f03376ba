"""A live page: rows of parts and charts, served by Panel, kept fresh by the live view.

    page = Page("Portfolio", view := live_view())
    page.row(parts.verdict())
    page.row(parts.power_now(), charts.PowerTrend(view))
    page.show()

A *part* is a function from what is known now to HTML; it is made once per look for all viewers. A *chart* is a
Bokeh figure of one viewer, whose columns are streamed or patched. Anything else that Panel can show may stand in
a row as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import panel as pn
import param
from panel.custom import JSComponent

from workbench.display import theme
from workbench.display.access import Role, role_of
from workbench.display.controls import Controls
from workbench.display.gate import visitor
from workbench.display.markup import href
from workbench.display.plain import frame
from workbench.display.readings import Now

if TYPE_CHECKING:
    from bokeh.document import Document

    from workbench.display.live import Live

log = logging.getLogger(__name__)

Render = Callable[[Now], str]


@dataclass(frozen=True)
class Part:
    """A piece of a page made of HTML.

    ``name`` and ``about`` make it the same part for all viewers; ``render`` gives its HTML. ``span`` is its
    width in twelfths of the row, ``narrow`` that on a phone. ``every`` renders it at every so many looks.
    """

    name: str
    render: Render = field(repr=False, compare=False)
    title: str = ""
    note: str = ""
    span: int = 12
    narrow: int = 12
    every: int = 1
    about: tuple[str, ...] = ()
    bare: bool = False  #: without the frame of a card
    tall: int = 0  #: greatest height [px]; beyond it the part scrolls inside

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same part."""
        return (self.name, *self.about)


class Chart(Protocol):
    """A plot of one viewer."""

    title: str
    note: str
    span: int
    figure: Any
    legend: Sequence[tuple[str, str, str]]  #: colour, mark (``area``, ``line``, ``dash``, ``dot``), words

    def start(self, page: Page) -> None:
        """Called once when the page is shown: load what is slow with ``page.later``."""

    def update(self, now: Now) -> None:
        """Called after each look, with the viewer's document locked: stream or patch what is new."""


class Feed(JSComponent):
    """What goes between a page and its browser: news one way, wishes the other."""

    wish = param.Dict(default={}, doc="what the viewer asked for")

    _esm = """
export function render({model}) {
  model.on("msg:custom", (event) => window.workbench.take(JSON.parse(event.text)));
  window.workbench.send = (what) => { model.wish = what };
  window.workbench.ask({do: "all"});
}
"""

    def tell(self, news: dict[str, Any]) -> None:
        """Send news to the browser: a message, not a state that would be kept and compared."""
        # As one text: Bokeh would look into every single line.
        self._send_msg({"text": orjson.dumps(news).decode()})


class Page:
    """One page for one viewer.

    Parameters
    ----------
    title
        Of the page and the browser's tab.
    live
        The live view of the store.
    crumbs
        Pages above this one: (text, page, query).
    here
        Name of the page in the navigation: ``portfolio``, ``performance`` or ``sources``.
    """

    def __init__(
        self,
        title: str,
        live: Live,
        *,
        crumbs: Sequence[tuple[str, str, dict[str, str]]] = (),
        here: str = "portfolio",
        subtitle: str = "",
    ) -> None:
        self.title, self.live, self.crumbs, self.here, self.subtitle = title, live, list(crumbs), here, subtitle
        self.feed = Feed(width=0, height=0, margin=0)  # type: ignore[no-untyped-call]
        self._rows: list[list[Any]] = []
        self._parts: dict[str, Part] = {}
        self._sent: dict[str, list[str]] = {}
        self._charts: list[Chart] = []
        self._firsts: list[Callable[[], None]] = []
        self.viewer = visitor()  #: who looks at it
        self._wishes: dict[str, tuple[Callable[[dict[str, Any]], None], Role]] = {}
        self._ends: dict[str, Callable[[], None]] = {}  #: by holder; what this page has the live view do for it
        self._document: Document | None = None
        self._template: Any = None
        self._waiting = False
        self._ready = False

    # -- putting together -----------------------------------------------------------------------------

    def row(self, *items: Part | Chart | Any, css: str = "") -> None:
        """Add a row of parts, charts or Panel objects, side by side where there is room.

        A list among them is stood on top of each other; the first says how wide the stack is.
        """
        self._rows.append([css, *items])

    def on(self, what: str, handler: Callable[[dict[str, Any]], None], *, needs: Role | str = Role.VIEWER) -> None:
        """Call ``handler`` when the viewer follows a link made by ``markup.ask`` with ``{"do": what}``.

        ``needs`` is the role it takes; somebody who lacks it is told so instead.
        """
        self._wishes[what] = (handler, role_of(needs))

    def ready(self, call: Callable[[], None]) -> None:
        """Do ``call`` once there is a browser at the other end, with the document locked."""
        self._firsts.append(call)

    def show(self) -> None:
        """Serve the page to the viewer who asked for it."""
        pn.config.throttled = True
        if not self.live.ready:
            self._rows = [["", _reading_part(self.live)]]
        template = pn.Template(_page_template())
        rows = [{"css": css, "stacks": [self._stack(template, item) for item in items]} for css, *items in self._rows]
        template.add_panel("feed", self.feed)
        for name, content in {
            "rows": rows,
            "heading": self.title,
            "subtitle": self.subtitle,
            "crumbs": [(text, href(page, **query)) for text, page, query in self.crumbs],
            "here": self.here,
            "message": "",
            "viewer": self.viewer.name,
            **frame(),
        }.items():
            template.add_variable(name, content)
        self._template = template
        self._document = pn.state.curdoc
        # Bokeh would look through all that is there already for each thing that is added: seconds on a large page.
        with self._document.models.freeze() if self._document is not None else nullcontext():
            template.servable(title=f"{self.title} · Workbench")
        if self._document is None or self._document.session_context is None:
            return  # run outside of a server, as a check of the script
        self.feed.param.watch(self._wished, "wish")
        self._document.on_session_destroyed(self._gone)
        pn.state.onload(self._loaded)

    def _stack(self, template: Any, item: Any) -> dict[str, Any]:
        items = [self._item(template, one) for one in (item if isinstance(item, list) else [item])]
        return {"items": items, "span": items[0]["span"], "narrow": items[0]["narrow"], "bare": items[0]["bare"]}

    def _item(self, template: Any, item: Any) -> dict[str, Any]:
        if isinstance(item, Part):
            holder = f"p{len(self._parts)}-{item.name}"
            self._parts[holder] = item
            self._ends[holder] = self.live.show(item.key, item.render, every=item.every)
            content = self.live.html(item.key, item.render)
            return {"id": holder, "html": content, "part": item, "root": "", **_looks(item)}
        root = f"c{len(template._render_items)}"
        if hasattr(item, "figure") and hasattr(item, "update"):
            self._charts.append(item)
            pane = pn.pane.Bokeh(item.figure, sizing_mode="stretch_width", margin=0)  # type: ignore[no-untyped-call]
            template.add_panel(root, pane)
        else:
            # a card of controls says what of it is for Panel, as it has a title and a width besides
            template.add_panel(root, item.panel if isinstance(item, Controls) else item)
        return {"id": root, "html": "", "part": None, "root": root, **_looks(item)}

    # -- while it is looked at ------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether somebody may still be looking."""
        return self._document is not None

    def give_way(self) -> None:
        """Slow work calls it between its steps: it waits while a viewer waits for an answer."""
        self.live.give_way()

    def later(self, work: Callable[[], Any], then: Callable[[Any], None], *, slow: bool = False) -> None:
        """Do ``work`` in another thread, then give its result to ``then`` with the document locked.

        ``slow`` is what takes seconds: it waits for other slow work, and nothing quick waits for it.
        """

        def done(future: Any) -> None:
            if future.cancelled() or self._document is None:
                return
            error = future.exception()
            if error is not None:
                log.error("work for a page failed", exc_info=error)
                return

            def show() -> None:
                with pn.io.hold():  # one message to the browser, and one drawing there
                    then(future.result())

            self._next_tick(show)

        job = self.live.slow.submit(work) if slow else self.live.quick(work)
        job.add_done_callback(done)

    def replace(self, name: str, part: Part) -> None:
        """Show another part in the place of the one called ``name``."""
        for holder, old in self._parts.items():
            if old.name == name:
                # The new one first: where it is the same part, nothing is made anew.
                end = self._ends.get(holder)
                self._ends[holder] = self.live.show(part.key, part.render, every=part.every)
                self._parts[holder] = part
                if end is not None:
                    end()
        self.push()

    def push(self) -> None:
        """Send the browser what changed; with the document locked."""
        if not self._ready:
            return
        now = self.live.now
        changed: dict[str, Any] = {}
        for holder, part in self._parts.items():
            lines = self.live.html(part.key, part.render).split("\n")
            change = difference(self._sent.get(holder), lines)
            if change is not None:
                changed[holder] = change
                self._sent[holder] = lines
        self.feed.tell({"now": now.time // 1_000_000, "tick": now.tick, "parts": changed})

    def _loaded(self) -> None:
        # Only now is there a browser at the other end: what is sent before would be lost or come twice.
        if self._document is not None:
            self._ends["news"] = self.live.subscribe(self._told)
        for chart in self._charts:
            chart.start(self)
        for call in self._firsts:
            call()

    def _told(self, _: Now) -> None:
        # In the looking thread. A browser that is slow to take news gets the newest, not all of it.
        if not self._waiting:
            self._waiting = True
            self._next_tick(self._update)

    def _update(self) -> None:
        self._waiting = False
        if not self.viewer.may(Role.VIEWER):
            # The sign-in has run out: the page gets nothing more, and the browser has to sign in again.
            self.feed.tell({"reload": True})
            self._gone(None)
            return
        now = self.live.now
        with pn.io.hold():
            for chart in self._charts:
                chart.update(now)
            self.push()

    def _wished(self, event: Any) -> None:
        wish = dict(event.new or {})
        if wish.get("do") == "all":
            # The browser is ready, or has missed something: from here on it gets what changed.
            self._ready = True
            self._sent.clear()
            self.push()
        elif (found := self._wishes.get(str(wish.get("do")))) is not None:
            handler, needs = found
            if self.viewer.may(needs):
                handler(wish)
                self.push()
            else:
                log.warning(
                    "%s, %s, was refused %r, which needs %s", self.viewer.name, self.viewer.role, wish["do"], needs
                )
                now = self.live.now
                notice = f"This needs the role {needs}; you have the role {self.viewer.role}."
                self.feed.tell({"now": now.time // 1_000_000, "tick": now.tick, "notice": notice})

    def _next_tick(self, call: Callable[[], None]) -> None:
        document = self._document
        if document is None or document.session_context is None:
            self._waiting = False
            return
        try:
            document.add_next_tick_callback(call)
        except (RuntimeError, AttributeError):
            self._waiting = False  # the session ended between the question and the answer

    def _gone(self, _: object) -> None:
        self._document = None
        for end in self._ends.values():
            end()
        self._ends.clear()


def _reading_part(live: Live) -> Part:
    """Stands on a page while the store is read for the first time; then the page loads anew."""

    def render(_: Now) -> str:
        if live.ready:
            return '<div class="start" data-reload><h2>Ready</h2></div>'
        return '<div class="start"><h2>Reading the store …</h2><p>The newest minutes of every site; a few seconds.</p></div>'

    return Part("reading", render, about=(str(live.root),))


def difference(old: list[str] | None, new: list[str]) -> dict[str, Any] | None:
    """What to send to a browser that has ``old``: nothing, the lines that changed, or all of it."""
    if old is None or len(old) != len(new):
        return {"all": "\n".join(new)}
    changed = [(at, line) for at, (was, line) in enumerate(zip(old, new, strict=True)) if was != line]
    return {"count": len(new), "lines": changed} if changed else None


def argument(name: str, default: str = "") -> str:
    """A parameter of the page's address, ``?site=north_ridge``."""
    given = pn.state.session_args.get(name, []) if pn.state.session_args else []
    return given[0].decode("utf-8", "replace") if given else default


def _looks(item: Any) -> dict[str, Any]:
    return {
        "title": getattr(item, "title", ""),
        "note": getattr(item, "note", ""),
        "span": getattr(item, "span", 12),
        "narrow": getattr(item, "narrow", 12),
        "bare": getattr(item, "bare", False),
        "tall": getattr(item, "tall", 0),
        "legend": getattr(item, "legend", ()),
    }


@lru_cache(maxsize=1)
def _page_template() -> str:
    return (theme.STATIC / "page.html").read_text(encoding="utf-8")


def failure_page(title: str, text: str) -> None:
    """Serve a page with a message instead of the one that could not be made."""
    template = pn.Template(_page_template())
    variables = {"rows": [], "heading": title, "subtitle": "", "crumbs": [], "here": "", "message": text}
    for name, content in {**variables, "viewer": visitor().name, **frame()}.items():
        template.add_variable(name, content)
    template.servable(title=f"{title} · Workbench")
