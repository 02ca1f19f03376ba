"""What pipelines have made of an asset's tags: flags, features, classes; each with its course over a day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.page import Part
from workbench.display.readings import Now

if TYPE_CHECKING:
    import xarray as xr

    from workbench.display.live import Live

#: Seconds between two looks at the results; they change every ten minutes.
LOOK_EVERY = 20.0
_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class Feature:
    """One thing a pipeline made of an asset's tags."""

    name: str
    words: str
    units: str
    value: float | str  #: the newest
    course: tuple[float, ...]  #: of the last day


@dataclass(frozen=True)
class Made:
    """What one pipeline made."""

    result: str
    pipeline: str  #: its name for people
    time: int  #: of the newest slot [ns since 1970 UTC]
    every: float  #: length of a slot [s]
    features: tuple[Feature, ...]
    flags: tuple[tuple[str, str, int], ...]  #: of the last day: field, flag, how many values
    checked: int  #: values that were checked in the last day


def results_of(live: Live, site: str, asset: str) -> list[Made]:
    """The results of a site in which the asset is, the last day of them."""
    from workbench.store.results import open_result, result_folder, result_names

    found = []
    for name in result_names(live.root, site):
        first = str(np.datetime64(live.now.time - 2 * _DAY, "ns").astype("datetime64[D]"))
        try:
            data = open_result(result_folder(live.root, site, name), start=first)
        except (OSError, ValueError):  # a day is just being replaced
            continue
        with data:
            if asset in data["asset"].values.astype(str):
                found.append(_made(name, data.sel(asset=asset).load()))
    return found


def _made(result: str, data: xr.Dataset) -> Made:
    from workbench.model.quality import count_flags, is_quality

    times = data["time"].values.astype("datetime64[ns]").astype("int64")
    told = str(data.attrs.get("made", "")).split()
    made = [str(name) for name in data.data_vars if str(name) in told and not is_quality(str(name))]
    # The statistics come with the slot: the last in which anything was made.
    filled = np.zeros(len(times), dtype=bool)
    for name in made:
        if data[name].dtype.kind == "f":
            filled |= np.isfinite(data[name].values)
    last = int(np.flatnonzero(filled)[-1]) if filled.any() else len(times) - 1
    day = slice(int(np.searchsorted(times, times[last] - _DAY, side="right")), last + 1)
    part = data.isel(time=day)
    flags = [
        (field, flag, number) for field, kinds in count_flags(part).items() for flag, number in kinds.items() if number
    ]
    checked = sum(int(np.isfinite(part[f].values).sum()) for f in count_flags(part) if f in part)
    step = float(np.median(np.diff(times))) / 1e9 if len(times) > 1 else 600.0
    features = tuple(_feature(name, part[name]) for name in made)
    pipeline = str(data.attrs.get("title") or data.attrs.get("pipeline", result))
    return Made(result, pipeline, int(times[last]), step, features, tuple(flags), checked)


def _feature(name: str, array: Any) -> Feature:
    values = array.values
    words = fmt.words(str(array.attrs.get("long_name", name)))
    units = str(array.attrs.get("units", ""))
    if values.dtype.kind == "f":
        return Feature(name, words, units, float(values[-1]), tuple(float(one) for one in values))
    if values.dtype.kind == "b":
        return Feature(name, words, units, "yes" if values[-1] else "no", tuple(float(one) for one in values))
    return Feature(name, words, units, str(values[-1]), ())


def asset_features(live: Live, site: str, asset: str) -> Part:
    """What pipelines made of the asset's tags, the newest of each and its last day; and what they flagged."""

    def look() -> list[Made]:
        return results_of(live, site, asset)

    def render(now: Now) -> str:
        found = live.remember(("features", site, asset), look, seconds=LOOK_EVERY)
        if found is None:
            return '<p class="quiet">Reading what pipelines have made …</p>'
        if not found:
            return h.nothing("No pipeline has made anything of this asset's tags yet.", "workbench schedule")
        return "\n".join(_shown(one, now) for one in found)

    return Part(
        "asset-features",
        render,
        title="Features and flags",
        note="made by pipelines from ten-minute statistics; course of the last 24 h",
        about=(site, asset),
        every=5,
    )


def _shown(one: Made, now: Now) -> str:
    end = one.time + int(one.every * 1e9)
    rows = "\n".join(_row(feature) for feature in one.features)
    if one.flags:
        said = ", ".join(
            f"<b>{h.esc(field)}</b> {number} {h.esc(flag.replace('_', ' '))}" for field, flag, number in one.flags
        )
        verdict = f'<span class="state s-operating_reduced">{h.mark("reduced")}flagged in 24 h</span> {said}'
    else:
        verdict = f'<span class="quiet">{fmt.number(float(one.checked), decimals=0)} values checked in 24 h, none flagged</span>'
    return (
        f'<div class="made"><p class="made-head"><b>{h.esc(one.pipeline)}</b> '
        f'<span class="quiet">up to {fmt.clock(end, date=True, seconds=False)} UTC,</span> '
        f"{h.age(end, now.time, 2 * one.every)} · {verdict}</p>\n"
        f'<div class="tags features">\n<section>\n{rows}\n</section>\n</div></div>'
    )


def _row(feature: Feature) -> str:
    if isinstance(feature.value, str):
        css = "word" if feature.value in ("normal", "no", "") else "word s-operating_reduced"
        shown = f'<span class="val"><b class="{css}">{h.esc(fmt.words(feature.value) or fmt.NOTHING)}</b></span>'
    else:
        number = feature.value if math.isfinite(feature.value) else None
        units = fmt.unit(feature.units)
        text = fmt.number(number, units) if number is not None else fmt.NOTHING
        shown = (
            f'<span class="val"><b>{text}</b>{f"<i>{h.esc(units)}</i>" if units and number is not None else ""}</span>'
        )
    spark = h.spark(np.array(feature.course), points=72) if feature.course else h.spark([])
    return (
        f'<div class="tag" title="{h.esc(feature.name)}"><span class="named">{h.esc(feature.words)}</span>'
        f"{spark}{shown}</div>"
    )
