"""Plots made by the server as SVG, for the wallboard: they stretch to any screen, their words do not.

The drawing has no proportions of its own; ticks are words of HTML placed by percent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from workbench.display.markup import esc

WIDTH, HEIGHT = 1000.0, 400.0


def stacked_areas(
    data: Mapping[str, Sequence[float]], areas: Mapping[str, str], colours: Sequence[str], *, line: str, unit: str
) -> str:
    """Areas on top of each other over ``time`` [ms since 1970 UTC] with a ``line`` above; missing values are gaps.

    Parameters
    ----------
    data
        Columns: ``time``, the one called ``line``, and one of each area.
    areas
        Column to words, from the ground up.
    """
    time = np.asarray(data["time"], dtype=float)
    total = np.asarray(data[line], dtype=float)
    tops = np.cumsum([np.asarray(data[name], dtype=float) for name in areas], axis=0) if areas else np.empty((0, 0))
    shown = np.concatenate([tops.ravel(), total])
    shown = shown[np.isfinite(shown)]
    if time.size < 2 or not shown.size:
        return '<p class="nothing">Nothing has been measured in these hours.</p>'
    low, high = min(0.0, 1.06 * float(shown.min())), max(1.06 * float(shown.max()), 1e-3)
    ticks = nice_ticks(low, high)
    x = (time - time[0]) / (time[-1] - time[0]) * WIDTH

    def y(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return HEIGHT * (1 - (value - low) / (high - low))

    drawn = []
    below = np.zeros(time.size)
    for top, colour in zip(tops, colours, strict=False):
        path = "".join(
            "M"
            + "L".join(_points(x[run], y(top[run])))
            + "L"
            + "L".join(_points(x[run][::-1], y(below[run])[::-1]))
            + "Z"
            for run in _runs(np.isfinite(top))
        )
        drawn.append(f'<path d="{path}" fill="{colour}" fill-opacity=".85"/>')
        below = np.where(np.isfinite(top), top, 0.0)
    over = "".join("M" + "L".join(_points(x[run], y(total[run]))) for run in _runs(np.isfinite(total)))
    drawn.append(f'<path class="net" d="{over}"/>')
    rules, words = [], []
    for tick in ticks:
        share = (tick - low) / (high - low)
        rules.append(f'<path class="rule{" zero" if tick == 0 else ""}" d="M0 {HEIGHT * (1 - share):.1f}H{WIDTH:g}"/>')
        words.append(f'<span class="y" style="bottom:{100 * share:.2f}%">{tick:g}</span>')
    for at, text in hours(time[0], time[-1]):
        words.append(f'<span class="x" style="left:{100 * (at - time[0]) / (time[-1] - time[0]):.2f}%">{text}</span>')
    svg = (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img" aria-label="'
        f'{esc(", ".join(areas.values()))} [{esc(unit)}]">\n' + "\n".join(rules) + "\n" + "\n".join(drawn) + "\n</svg>"
    )
    return f'<div class="plot"><span class="unit">{esc(unit)}</span>\n{svg}\n' + "\n".join(words) + "\n</div>"


def _points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> list[str]:
    return [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]


def _runs(there: npt.NDArray[np.bool_]) -> list[slice]:
    """Stretches of at least two values that are there."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


def nice_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers between ``low`` and ``high``, at most about ``most`` of them."""
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def hours(start: float, end: float) -> list[tuple[float, str]]:
    """Full hours between two times [ms since 1970 UTC], about six of them, with their words."""
    span = (end - start) / 3_600_000
    every = next((step for step in (1, 2, 3, 4, 6, 12) if span / step <= 7), 24)
    step = every * 3_600_000
    found = np.arange(math.ceil(start / step) * step, end, step)
    edge = 0.02 * (end - start)  # words at the very edge would stand outside
    return [
        (float(at), datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M"))
        for at in found
        if start + edge < at < end - edge
    ]
