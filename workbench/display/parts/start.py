"""What stands on a page that has nothing to show yet."""

from __future__ import annotations

from workbench.display import markup as h
from workbench.display.live import Live
from workbench.display.page import Part
from workbench.display.readings import Now


def how_to_start(live: Live) -> Part:
    """Nothing was collected yet: what to do about it."""

    def render(now: Now) -> str:
        if not now.empty:
            return '<div class="start" data-reload><h2>Data is arriving</h2><p><a href="portfolio">Show the portfolio</a></p></div>'
        return (
            '<div class="start">\n<h2>Nothing has been collected yet</h2>\n'
            f"<p>The store <code>{h.esc(_short(live))}</code> holds no live site. Start one of these in a terminal; this page "
            "fills by itself within seconds.</p>\n<dl>\n"
            "<dt><code>workbench demo</code></dt><dd>A simulated portfolio, live, nothing to configure. It serves pages of its own.</dd>\n"
            "<dt><code>workbench collect</code></dt><dd>Read the live sources of your catalogs into the store.</dd>\n"
            "<dt><code>workbench dashboards --store DIR</code></dt><dd>Show another store, such as that of a demo.</dd>\n"
            f"</dl>\n<p>The portfolio knows {len(now.portfolio.sites)} sites.</p>\n</div>"
        )

    return Part("start", render, about=(str(live.root),))


def _short(live: Live) -> str:
    try:
        return str(live.root.relative_to(live.project.root))
    except ValueError:
        return str(live.root)


def not_found(what: str, name: str, page: str, known: dict[str, str], **query: str) -> Part:
    """A page was asked for something that is not there: what there is instead, as id to name."""

    def render(_: Now) -> str:
        chips = [
            f'<a class="chip" href="{h.href(page, **{**query, what: one})}">{h.esc(text)}</a>'
            for one, text in known.items()
        ]
        asked = f"No {what} is called <code>{h.esc(name)}</code>" if name else f"No {what} was named"
        there = " ".join(chips) or f"{h.link('portfolio', 'Back to the portfolio')}"
        return f'<div class="start"><h2>{asked}</h2><p>{"There are:" if chips else ""} {there}</p></div>'

    return Part("not-found", render, about=(what, name))
