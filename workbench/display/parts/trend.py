"""The course of the portfolio's power as a picture that the server draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.display import markup as h
from workbench.display import theme
from workbench.display.page import Part
from workbench.display.readings import Now
from workbench.display.stack import layers, past, stack, stores
from workbench.display.svg import stacked_areas

if TYPE_CHECKING:
    from workbench.display.live import Live


def power_trend(live: Live, *, hours: float = 24.0, span: int = 7) -> Part:
    """Power of the last hours by site: the picture of ``charts.PowerTrend``, without a session of its own."""

    def render(now: Now) -> str:
        sites = now.live_sites
        areas = layers(sites, by_kind=False)
        found = past(live, list(areas), hours)
        if not found:
            return h.nothing("Reading the last hours …" if found is None else "No site is live.")
        colours = theme.colours(len(areas))
        marks = [(colour, "area", words) for colour, words in zip(colours, areas.values(), strict=True)]
        marks.append((theme.INK, "line", "Net, with storage" if stores(sites) else "Total"))
        legend = "".join(
            f'<span><i class="{mark}" style="--c:{colour}"></i>{h.esc(words)}</span>' for colour, mark, words in marks
        )
        picture = stacked_areas(stack(found, list(areas), "", now), areas, colours, line="net", unit="MW")
        return f'<div class="legend">{legend}</div>\n{picture}'

    note = "ten-minute means, the last point is now; UTC"
    return Part(
        "power-trend", render, title=f"Power, last {hours:g} hours", note=note, span=span, about=(f"{hours:g}",)
    )
