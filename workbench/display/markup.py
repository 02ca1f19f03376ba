"""Small pieces of HTML: a value with its unit, an age, a state, a bar, a sparkline.

Every function returns text. A line break inside the result of a part is where the page may cut it to send
only what changed, so rows and cells end with one.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from workbench.display import format as fmt
from workbench.display.readings import Reading, Total
from workbench.display.states import STALE_AFTER, State, abnormal_state
from workbench.model.quality import Quality


def esc(text: object) -> str:
    """``text`` so that a browser shows it as it is."""
    return html.escape(str(text), quote=True)


def href(page: str, **query: str | None) -> str:
    """Address of a page of this server, escaped for an attribute: ``site?site=north_ridge``."""
    given = {key: value for key, value in query.items() if value}
    return esc(page + ("?" + urlencode(given) if given else ""))


def link(page: str, text: str, **query: str | None) -> str:
    """A link to a page of this server; ``text`` is shown as it is."""
    return f'<a href="{href(page, **query)}">{esc(text)}</a>'


def ask(
    text: str, action: dict[str, object], page: str, *, css: str = "", current: bool = False, **query: str | None
) -> str:
    """A link that a live page follows without loading anew: ``action`` goes to the page's handler."""
    here = ' aria-current="true"' if current else ""
    return f'<a class="{css}" href="{href(page, **query)}" data-ask="{esc(json.dumps(action))}"{here}>{text}</a>'


def _fresh(time: int, every: float) -> str:
    return f'data-t="{time // 1_000_000}" data-e="{every:g}"'


def value(
    reading: Reading, now: int, *, scale: bool = False, decimals: int | None = None, css: str = "", sign: bool = False
) -> str:
    """A reading as number and unit, or as the name of its state, in colour where that is abnormal; greyed and hatched once it is stale.

    Parameters
    ----------
    now
        [ns since 1970 UTC]
    scale
        Choose the multiple of the unit that reads best.
    sign
        Show a plus too.
    """
    classes = " ".join(filter(None, ["val", css, "" if reading.fresh(now) else "stale"]))
    hint = ""
    if reading.quality:
        flags = ", ".join(str(flag.name).lower() for flag in Quality if flag and reading.quality & int(flag))
        classes += " flagged"
        hint = f' title="flagged: {esc(flags)}"'
    head = f'<span class="{classes}" {_fresh(reading.time, reading.every)}{hint}>'
    state = reading.state
    if state is not None:
        means = abnormal_state(reading.variable, state) if reading.fresh(now) else None
        css = f'"word s-{means.name}"' if means is not None else "word"
        return f"{head}<b class={css}>{esc(fmt.words(state))}</b></span>"
    shown, units = reading.value if reading.there else None, fmt.unit(reading.units)
    if scale:
        shown, units = fmt.scaled(shown, reading.units)
        if decimals is None and units != fmt.unit(reading.units) and shown is not None:
            decimals = 2 if abs(shown) < 100 else 1
    text = fmt.number(shown, units, decimals=decimals)
    if sign and shown is not None and shown > 0 and text.strip("0.,"):
        text = "+" + text
    return f"{head}<b>{text}</b>{f'<i>{esc(units)}</i>' if units else ''}</span>"


def age(time: int, now: int, every: float = 0.0) -> str:
    """How long ago ``time`` [ns since 1970 UTC] is; the browser keeps it true. Stale after five of ``every`` [s]."""
    seconds = (now - time) / 1e9 if time > 0 else math.inf
    stale = " stale" if every and seconds > STALE_AFTER * every else ""
    title = fmt.clock(time, date=True) + " UTC" if time > 0 else "no value yet"
    return f'<time class="age{stale}" {_fresh(time, every)} title="{title}">{fmt.age(seconds)}</time>'


def reporting(whole: Total, *, short: bool = False) -> str:
    """``5 of 6 reporting``, where a sum lacks some of its assets; nothing where it has them all."""
    if not whole.partial:
        return ""
    words = f"{whole.reporting} of {whole.of}"
    title = f' title="{words} assets reporting: the sum lacks the others"'
    return f'<span class="partial"{title}>{words}{"" if short else " reporting"}</span>'


def mark(name: str) -> str:
    """The drawing of a state, from the page's sprite."""
    return f'<svg class="mark" aria-hidden="true"><use href="#s-{name}"/></svg>'


def state(which: State, *, word: bool = True) -> str:
    """A state as shape, colour and word."""
    label = esc(which.word) if word else f'<span class="sr">{esc(which.word)}</span>'
    return f'<span class="state s-{which.name}">{mark(which.shape)}{label}</span>'


def bar(fraction: float, *, mark_at: float | None = None, css: str = "") -> str:
    """A horizontal bar of how much of the whole there is; a tick at ``mark_at`` where something was expected."""
    width = 0.0 if not math.isfinite(fraction) else float(np.clip(fraction, 0.0, 1.0)) * 100
    tick = ""
    if mark_at is not None and math.isfinite(mark_at):
        tick = f'<s style="left:{float(np.clip(mark_at, 0.0, 1.0)) * 100:.1f}%"></s>'
    return f'<span class="bar {css}" aria-hidden="true"><i style="width:{width:.1f}%"></i>{tick}</span>'


def deviation(fraction: float) -> str:
    """A bar that grows to the left or right of its middle; ±1 fills it."""
    size = 0.0 if not math.isfinite(fraction) else float(np.clip(fraction, -1.0, 1.0)) * 50
    left = 50 + min(size, 0)
    return f'<span class="bar two" aria-hidden="true"><i style="left:{left:.1f}%;width:{abs(size):.1f}%"></i></span>'


def spark(
    values: Sequence[float] | npt.NDArray[np.float64], *, width: int = 120, height: int = 24, points: int = 60
) -> str:
    """A sparkline: the course of a value without axes; gaps stay gaps."""
    given = np.asarray(values, dtype=float)
    finite = given[np.isfinite(given)]
    if finite.size < 2:
        return f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true"></svg>'
    if given.size > points:
        edges = np.linspace(0, given.size, points + 1).astype(int)
        sums = np.add.reduceat(np.nan_to_num(given), edges[:-1])
        counts = np.add.reduceat(np.isfinite(given).astype(float), edges[:-1])
        with np.errstate(invalid="ignore", divide="ignore"):
            given = np.where(counts > 0, sums / counts, np.nan)
        finite = given[np.isfinite(given)]
    low, high = float(finite.min()), float(finite.max())
    # A course that hardly moves is drawn flat: noise in the last digit is not news.
    room = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    middle = (high + low) / 2
    x = np.linspace(1, width - 1, given.size)
    y = height / 2 - (given - middle) / room * (height - 4)
    path, pen = [], "M"
    for i in range(given.size):
        if math.isfinite(y[i]):
            path.append(f"{pen}{x[i]:.0f} {y[i]:.1f}")
            pen = "L"
        else:
            pen = "M"
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{"".join(path)}"/></svg>'
    )


def tile(label: str, figure: str, *, age_text: str = "", below: str = "", css: str = "") -> str:
    """A figure with what it is above and what it means below."""
    return (
        f'<div class="tile {css}">\n<div class="label"><span>{esc(label)}</span>{age_text}</div>\n'
        f'<div class="figure">{figure}</div>\n<div class="below">{below}</div>\n</div>'
    )


def nothing(text: str, command: str = "") -> str:
    """What stands where there is nothing to show, and how to change that."""
    code = f"<code>{esc(command)}</code>" if command else ""
    return f'<p class="nothing">{esc(text)} {code}</p>'
