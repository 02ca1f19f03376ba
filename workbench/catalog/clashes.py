"""Entries that would measure the same thing twice: two of them write where one value fits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from workbench.catalog.entry import Entry
from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey


def clashes(entries: Iterable[Entry]) -> list[InputError]:
    """Live entries of a site that give the same variable of the same asset, in the same series or in its statistics.

    Ten-minute statistics of every faster series stand in ``<asset type>/10min``: two cadences of one variable
    would overwrite each other there, and a device's own ten-minute values would be overwritten.
    """
    live = [entry for entry in entries if entry.kind == "live" and not entry.spec.errors]
    errors = []
    for one, other in combinations(live, 2):
        if one.site != other.site or one.series is None or other.series is None:
            continue
        where = _places(one.series) & _places(other.series)
        if not where:
            continue
        both = sorted(set(one.assets) & set(other.assets))
        theirs = set(_variables(other))
        names = [name for name in _variables(one) if name in theirs]
        if both and names:
            series = ", ".join(sorted(map(str, where)))
            errors.append(
                other.spec.error(
                    f"{names[0]} of {both[0]} comes from {one.name} too",
                    "cadence" if one.series != other.series else "assets",
                    found=f"{len(names)} variables of {len(both)} assets would stand twice in {series}",
                    expected="each variable of an asset from one entry",
                    hint="leave the variables out of one of the two tag maps",
                )
            )
    return errors


def _places(series: SeriesKey) -> set[SeriesKey]:
    """The series its values and their statistics stand in."""
    from workbench.store.statistics import has_statistics, statistics_key

    return {series, statistics_key(series)} if has_statistics(series) else {series}


def _variables(entry: Entry) -> tuple[str, ...]:
    tagmap = entry.spec.tagmap
    return () if tagmap is None else tuple(tagmap.tags)
