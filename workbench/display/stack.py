"""Power of the last hours in layers, by site or by kind of generation: what pages stream and the wallboard draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display.history import STATISTICS, PowerHistory, power_history

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.display.readings import Now, SiteNow

RELOAD_SECONDS = 300.0  #: after which the past is read anew


def layers(sites: Sequence[SiteNow], *, by_kind: bool) -> dict[str, str]:
    """What is stacked, name to words: the sites, or the kinds of generation of the one site there is."""
    if not by_kind:
        return {site.id: site.name for site in sites}
    kinds = sites[0].power_by_kind
    return {kind: fmt.words(kind) for kind in ("wind", "solar") if kind in kinds}


def stores(sites: Sequence[SiteNow]) -> bool:
    """Whether a battery is among them: then the line is net of what it takes and gives."""
    return any("storage" in site.power_by_kind for site in sites)


def past(live: Live, names: Sequence[str], hours: float) -> dict[str, PowerHistory] | None:
    """Power of the sites over the last hours, read in another thread and shared by all; None until it is there."""
    return live.remember(  # type: ignore[no-any-return]
        ("power", *names, hours),
        lambda: {name: power_history(live, name, hours) for name in names},
        seconds=RELOAD_SECONDS,
    )


def stack(found: Mapping[str, PowerHistory], areas: Sequence[str], site: str, now: Now) -> dict[str, list[float]]:
    """Columns ``time`` [ms since 1970 UTC], ``net`` [MW] and one of each layer [MW], the last row is now.

    NaN where nobody said anything, which is not zero. A slot stands at its middle.
    """
    time = next(iter(found.values())).time
    columns: dict[str, np.ndarray] = {}
    net = np.zeros(time.size)
    known = np.zeros(time.size, bool)
    for name, history in found.items():
        for power in history.power.values():
            known |= np.isfinite(power)
        parts = {kind: np.nan_to_num(power) / 1000 for kind, power in history.power.items()}
        net = net + sum(parts.values(), np.zeros(time.size))
        if site:
            columns |= {kind: np.maximum(parts.get(kind, np.zeros(time.size)), 0) for kind in areas}
        else:
            made = sum((power for kind, power in parts.items() if kind != "storage"), np.zeros(time.size))
            columns[name] = np.maximum(made, 0)
    columns["net"] = net
    data = {name: list(np.where(known, column, math.nan)) for name, column in columns.items()}
    middle = 500 * STATISTICS
    data["time"] = list(time.astype("datetime64[ms]").astype(np.int64).astype(float) + middle)
    for name, value in point(now, areas, site).items():
        data[name][-1] = value
    return data


def point(now: Now, areas: Sequence[str], site: str) -> dict[str, float]:
    """The row of now: time [ms since 1970 UTC], net and the layers [MW]."""
    row = {"net": 0.0}
    if site:
        kinds = now.site(site).power_by_kind
        row |= {kind: _mw(kinds[kind].value, least=0.0) if kind in kinds else 0.0 for kind in areas}
        row["net"] = sum(_mw(reading.value) for reading in kinds.values())
        known = any(reading.there for reading in kinds.values())
    else:
        known = False
        for name in areas:
            at = now.site(name)
            row[name] = _mw(at.generation.value, least=0.0)
            row["net"] += _mw(at.net_power.value)
            known |= at.net_power.there
    if not known:  # nobody says anything: not zero
        row = dict.fromkeys(row, math.nan)
    return {"time": now.time / 1e6, **row}


def _mw(kilowatts: float, *, least: float = -math.inf) -> float:
    return max(kilowatts / 1000, least) if math.isfinite(kilowatts) else 0.0
