"""Drawings made of SVG: the layout of a site, a wind rose. No maps are asked for: positions come from the portfolio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.display import theme
from workbench.display.markup import esc
from workbench.display.states import State

WIDTH, HEIGHT, EDGE = 560.0, 330.0, 44.0
TOP, BOTTOM = 34.0, 80.0  # room for a glyph above, for name, value and the scale below


@dataclass(frozen=True)
class Place:
    """An asset on the layout."""

    id: str
    kind: str
    latitude: float
    longitude: float
    state: State | None
    label: str = ""  #: the value shown below its name
    href: str = ""
    heading: float = math.nan  #: where its rotor looks [degree], or NaN
    load: float = math.nan  #: power over rated power


def positions(places: Sequence[Place]) -> tuple[npt.NDArray[np.float64], float]:
    """Positions on the drawing [n, 2], and metres per unit of it.

    Equirectangular about the middle: true to the metre over a few kilometres.
    """
    latitude = np.array([place.latitude for place in places])
    longitude = np.array([place.longitude for place in places])
    middle = np.deg2rad((latitude.min() + latitude.max()) / 2)
    east = (longitude - longitude.mean()) * 111_320.0 * np.cos(middle)
    north = (latitude - latitude.mean()) * 110_540.0
    wide, high = max(float(np.ptp(east)), 1.0), max(float(np.ptp(north)), 1.0)
    metres = max(wide / (WIDTH - 2 * EDGE), high / (HEIGHT - TOP - BOTTOM), 0.5)
    x = WIDTH / 2 + (east - (east.min() + east.max()) / 2) / metres
    y = (TOP + HEIGHT - BOTTOM) / 2 - (north - (north.min() + north.max()) / 2) / metres
    return _apart(np.stack([x, y], axis=1)), metres


def _apart(at: npt.NDArray[np.float64], wide: float = 70.0, high: float = 62.0) -> npt.NDArray[np.float64]:
    """Push apart what would cover each other's label; what has room stays where it is."""
    at = at.copy()
    for _ in range(60):
        moved = False
        for i in range(len(at)):
            for j in range(i + 1, len(at)):
                dx, dy = at[j] - at[i]
                over_x, over_y = wide - abs(dx), high - abs(dy)
                if over_x > 0 and over_y > 0:
                    moved = True
                    axis = 0 if over_x / wide < over_y / high else 1
                    push = (over_x, over_y)[axis] / 2 + 0.5
                    sign = 1.0 if (dx, dy)[axis] >= 0 else -1.0
                    at[i, axis] -= sign * push
                    at[j, axis] += sign * push
        at[:, 0] = np.clip(at[:, 0], EDGE, WIDTH - EDGE)
        at[:, 1] = np.clip(at[:, 1], TOP, HEIGHT - BOTTOM)
        if not moved:
            break
    return at


def site_layout(places: Sequence[Place], *, wind_from: float = math.nan, name: str = "") -> str:
    """The assets of a site where they stand, north up, with a scale."""
    if not places:
        return ""
    at, metres = positions(places)
    parts = [
        f'<svg class="drawing" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="group" aria-label="Layout of {esc(name)}">'
    ]
    parts += [_scale(metres), _north()]
    if math.isfinite(wind_from):
        parts.append(_wind(wind_from))
    for place, (x, y) in zip(places, at, strict=True):
        colour = place.state.colour if place.state is not None else theme.STALE
        abnormal = place.state is not None and place.state.abnormal
        ring = f'<circle class="ring" r="17" fill="none" stroke="{colour}" stroke-width="2"/>' if abnormal else ""
        shape = place.state.shape if place.state is not None and abnormal else ""
        badge = (
            f'<svg x="8" y="-20" width="14" height="14" style="color:{colour}"><use href="#s-{shape}"/></svg>'
            if shape
            else ""
        )
        word = f", {place.state.word}" if place.state is not None else ""
        parts.append(
            f'<a href="{place.href}" aria-label="{esc(place.id)}{word}"><g transform="translate({x:.1f},{y:.1f})">'
            f'<rect x="-30" y="-20" width="60" height="58" fill="transparent"/>{ring}{_glyph(place, abnormal)}{badge}'
            f'<text class="name" y="29" text-anchor="middle">{esc(place.id)}</text>'
            f'<text y="29" dy="1.1em" text-anchor="middle">{place.label}</text></g></a>'
        )
    return "\n".join([*parts, "</svg>"])


def _glyph(place: Place, abnormal: bool) -> str:
    ink = place.state.colour if place.state is not None and abnormal else theme.TEXT
    load = float(np.clip(place.load, 0, 1)) if math.isfinite(place.load) else 0.0
    if place.kind == "wind_turbine":
        turn = place.heading if math.isfinite(place.heading) else 0.0
        # Seen from above: the rotor as a bar across the nacelle, looking into the wind.
        return (
            f'<g transform="rotate({turn:.0f})"><path d="M0 -7V12" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>'
            f'<path d="M-13 -7H13" stroke="{ink}" stroke-width="2.4" stroke-linecap="round"/></g>'
            f'<circle r="4.5" fill="{theme.PANEL}" stroke="{ink}" stroke-width="2"/>'
        )
    if place.kind == "inverter":
        height = 20 * load
        return (
            f'<rect x="-13" y="-11" width="26" height="22" rx="1.5" fill="{theme.RAISED}" stroke="{ink}" stroke-width="1.6"/>'
            f'<rect x="-12" y="{10 - height:.1f}" width="24" height="{height:.1f}" fill="{theme.KIND["solar"]}" opacity=".55"/>'
            f'<path d="M-4.3 -11V11M4.3 -11V11M-13 0H13" stroke="{ink}" stroke-width=".8" opacity=".55"/>'
        )
    if place.kind == "battery":
        return (
            f'<rect x="-13" y="-9" width="26" height="19" rx="2" fill="{theme.RAISED}" stroke="{ink}" stroke-width="1.8"/>'
            f'<path d="M-7 -12h4M3 -12h4" stroke="{ink}" stroke-width="3"/>'
            f'<rect x="-11" y="-7" width="{22 * load:.1f}" height="15" fill="{theme.KIND["storage"]}" opacity=".6"/>'
        )
    if place.kind in ("met_mast", "weather_station"):
        return (
            f'<path d="M-6 12 0 -13 6 12M-4 4H4M-2.4 -3H2.4M-7 -13H7" fill="none" stroke="{ink}" stroke-width="1.6"/>'
        )
    if place.kind == "irradiance_sensor":
        return (
            f'<circle r="5.5" fill="{theme.RAISED}" stroke="{ink}" stroke-width="1.8"/>'
            f'<path d="M0 -12v4M0 8v4M-12 0h4M8 0h4M-8.5 -8.5l2.8 2.8M5.7 5.7l2.8 2.8M-8.5 8.5l2.8 -2.8M5.7 -5.7l2.8 -2.8" stroke="{ink}" stroke-width="1.6"/>'
        )
    return (
        f'<circle r="10" fill="{theme.RAISED}" stroke="{ink}" stroke-width="1.8"/>'
        f'<path d="M-5 3 0 -5 0 1 5 -3" fill="none" stroke="{ink}" stroke-width="1.8"/>'
    )


def _scale(metres: float) -> str:
    length = next(step for step in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000) if step / metres >= 50)
    wide = length / metres
    words = f"{length} m" if length < 1000 else f"{length // 1000} km"
    y = HEIGHT - 10
    return (
        f'<path d="M14 {y - 5}v5h{wide:.1f}v-5" fill="none" stroke="{theme.MUTED}" stroke-width="1.2"/>'
        f'<text x="{14 + wide / 2:.1f}" y="{y - 6}" text-anchor="middle">{words}</text>'
    )


def _north() -> str:
    return (
        f'<g transform="translate({WIDTH - 20:g},24)"><path d="M0 -15 5 4 0 0 -5 4Z" fill="{theme.MUTED}"/>'
        '<text y="18" text-anchor="middle">N</text></g>'
    )


def _wind(wind_from: float) -> str:
    return (
        f'<g transform="translate({WIDTH - 56:g},22)"><g transform="rotate({wind_from + 180:.0f})">'
        f'<path d="M0 14V-12M-5 -6 0 -13 5 -6" fill="none" stroke="{theme.MEASURED}" stroke-width="2"/></g>'
        '<text y="27" text-anchor="middle">wind</text></g>'
    )


def rose(shares: npt.NDArray[np.float64], labels: Sequence[str], *, now: Mapping[str, float] | None = None) -> str:
    """A wind rose from a table of shares [sectors, classes]; see ``plots.rose_table``.

    ``now`` may give ``direction`` [degree]: an arrow shows where the wind comes from at this moment.
    """
    radius, middle = 112.0, 140.0
    totals = shares.sum(axis=1)
    most = max(float(totals.max()), 1e-6)
    step = next((s for s in (0.02, 0.05, 0.1, 0.2) if most / s <= 4), 0.5)
    rim = math.ceil(most / step - 1e-9) * step
    parts = ['<svg class="drawing" viewBox="0 0 280 280" role="img" aria-label="Wind rose">']
    for k in range(1, round(rim / step) + 1):
        r = radius * k * step / rim
        parts.append(
            f'<circle cx="{middle}" cy="{middle}" r="{r:.1f}" fill="none" stroke="{theme.LINE}" stroke-width=".8"/>'
        )
    colours = theme.SEQUENTIAL[2 : 2 + shares.shape[1]]
    sectors = shares.shape[0]
    for i in range(sectors):
        inner = 0.0
        for k in range(shares.shape[1]):
            outer = inner + shares[i, k]
            if outer > inner:
                parts.append(
                    _wedge(middle, radius / rim, i, sectors, inner, outer, colours[k], labels[k], shares[i, k])
                )
            inner = outer
    for k in range(1, round(rim / step) + 1):
        r = radius * k * step / rim
        parts.append(
            f'<text x="{middle + r * 0.38:.1f}" y="{middle - r * 0.92:.1f}" font-size="9.5">{100 * k * step:.0f} %</text>'
        )
    for name, dx, dy in (("N", 0, -1), ("E", 1, 0), ("S", 0, 1), ("W", -1, 0)):
        parts.append(
            f'<text class="name" x="{middle + dx * (radius + 14)}" y="{middle + dy * (radius + 14) + 4}" text-anchor="middle">{name}</text>'
        )
    if now and math.isfinite(now.get("direction", math.nan)):
        parts.append(
            f'<g transform="translate({middle},{middle}) rotate({now["direction"]:.0f})">'
            f'<path d="M0 -{radius + 6}v16M-4.5 -{radius - 3}l4.5 7 4.5 -7" fill="none" stroke="{theme.INK}" stroke-width="2"/></g>'
        )
    parts.append("</svg>")
    legend = "".join(
        f'<span><i style="background:{c}"></i>{esc(label)}</span>' for c, label in zip(colours, labels, strict=True)
    )
    return "\n".join(parts) + f'\n<div class="legend">{legend}</div>'


def _wedge(
    middle: float,
    scale: float,
    sector: int,
    sectors: int,
    inner: float,
    outer: float,
    colour: str,
    label: str,
    share: float,
) -> str:
    width = 2 * math.pi / sectors
    start, end = (sector - 0.43) * width, (sector + 0.43) * width

    def point(angle: float, value: float) -> str:
        r = value * scale
        return f"{middle + r * math.sin(angle):.1f} {middle - r * math.cos(angle):.1f}"

    r1, r0 = outer * scale, inner * scale
    return (
        f'<path d="M{point(start, inner)}L{point(start, outer)}A{r1:.1f} {r1:.1f} 0 0 1 {point(end, outer)}'
        f'L{point(end, inner)}A{r0:.1f} {r0:.1f} 0 0 0 {point(start, inner)}Z" fill="{colour}">'
        f"<title>{esc(label)}: {100 * share:.1f} % of the time</title></path>"
    )
