"""What the demonstration did, in figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workbench.demo.compare import SeriesComparison, compare
from workbench.model.samples import SeriesKey

#: Seconds a source is given to deliver its first value; what it misses after that is lost.
GRACE = 10


@dataclass
class DemoSummary:
    """Figures of a demonstration. ``lost``, ``wrong`` and ``duplicates`` come from the comparison with the truth."""

    seconds: float
    values: int
    lost: int
    wrong: int
    duplicates: int
    late: int
    age_p50_s: float
    age_p99_s: float
    store_bytes_per_value: float
    history_values: int
    skipped_ticks: int
    sources: list[dict[str, Any]]
    examples: list[str]
    exit_codes: dict[str, int]

    @property
    def well(self) -> bool:
        """Nothing lost, nothing wrong, nothing twice, and there was something."""
        return self.values > 0 and not (self.lost or self.wrong or self.duplicates)

    def to_json(self) -> dict[str, Any]:
        """As plain types; what was not measured is None."""
        content = dataclasses.asdict(self)
        content["age_p50_s"], content["age_p99_s"] = _or_none(self.age_p50_s), _or_none(self.age_p99_s)
        return content


def summarise(
    *,
    store: Path,
    truth: Path,
    began_ns: int,
    ended_ns: int,
    healths: Mapping[str, Mapping[str, Any]],
    ages: Mapping[str, Any],
    exit_codes: Mapping[str, int],
    history_values: int,
) -> DemoSummary:
    """Compare the store below ``store`` with the truth below ``truth`` (a folder per site) and add it all up."""
    comparisons = {site: compare_site(store, truth / site, site, began_ns) for site in sorted(healths)}
    rows = [
        _row(site, name, source, comparisons[site], ages.get(name, (float("nan"), float("nan"))))
        for site, health in sorted(healths.items())
        for name, source in health["sources"].items()
    ]
    every = [one for site in comparisons.values() for one in site]
    p50, p99 = ages.get("all", (float("nan"), float("nan")))
    return DemoSummary(
        seconds=round((ended_ns - began_ns) / 1e9, 1) if began_ns else 0.0,
        values=sum(one.expected - one.lost for one in every),
        lost=sum(one.lost for one in every),
        wrong=sum(one.wrong for one in every),
        duplicates=sum(one.duplicates for one in every),
        late=sum(int(health["collector"]["late"]) for health in healths.values()),
        age_p50_s=p50,
        age_p99_s=p99,
        store_bytes_per_value=round(bytes_per_value(store, sorted(healths)), 3),
        history_values=history_values,
        skipped_ticks=_skipped(truth),
        sources=rows,
        examples=[line for one in every for line in one.examples][:10],
        exit_codes=dict(exit_codes),
    )


def compare_site(store: Path, truth: Path, site: str, began_ns: int) -> list[SeriesComparison]:
    """Compare one site's store with its truth, from its first values to the last tick served."""
    from workbench.simulate.truth import read_truth
    from workbench.store import SiteStore

    true = read_truth(truth)
    at = SiteStore(store, site)
    known = {info.key for info in at.series()}
    stored: dict[SeriesKey, xr.Dataset] = {}
    for key, data in true.items():
        if key in known and data.sizes["time"]:
            first, last = data["time"].values[[0, -1]]
            span = slice(first, last + np.timedelta64(1, "s"))
            names = [str(name) for name in data.data_vars]
            there = next(info for info in at.series() if info.key == key)
            stored[key] = at.open(
                key, time=span, variables=[name for name in names if name in there.variables], quality=False
            ).load()
    return compare(
        true,
        stored,
        latest_start=np.datetime64(began_ns, "ns") + np.timedelta64(GRACE, "s"),
        end=np.datetime64("2262-01-01", "ns"),
    )


def bytes_per_value(store: Path, sites: list[str]) -> float:
    """Bytes of the telemetry stores of ``sites`` per value in them; the journal's open hour is not in it."""
    from workbench.store import SiteStore

    size = values = 0
    for site in sites:
        info = SiteStore(store, site).info()
        size += info.bytes
        values += info.values
    return size / values if values else float("nan")


def _row(
    site: str,
    name: str,
    source: Mapping[str, Any],
    comparisons: list[SeriesComparison],
    age: tuple[float, float],
) -> dict[str, Any]:
    devices = list(source["devices"].values())
    same = [one for one in comparisons if str(one.series) == source["series"]]
    return {
        "source": name,
        "site": site,
        "protocol": source["protocol"],
        "series": source["series"],
        "devices": len(devices),
        "samples": sum(device["samples"] for device in devices),
        "values": sum(one.expected - one.lost for one in same),
        "lost": sum(one.lost for one in same),
        "wrong": sum(one.wrong for one in same),
        "duplicates": sum(one.duplicates for one in same),
        "flagged": sum(device["bad"] for device in devices),
        "errors": sum(device["errors"] for device in devices),
        "reconnects": sum(device["reconnects"] for device in devices),
        "age_p50_s": _or_none(age[0]),
        "age_p99_s": _or_none(age[1]),
    }


def _skipped(truth: Path) -> int:
    """Ticks the simulator itself could not make in time; nobody could have collected those."""
    import orjson

    path = truth / "service.json"
    return int(orjson.loads(path.read_bytes())["skipped_ticks"]) if path.exists() else 0


def _or_none(value: float) -> float | None:
    return None if value != value else round(value, 3)
