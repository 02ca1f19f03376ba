"""What reports and analysis pages read: ten-minute data of a site, from its store or a catalog entry, with a hash of its content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.model.content import content_hash
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.catalog import Catalog, SiteView
    from workbench.store import SeriesInfo

CADENCE = "10min"


@dataclass(frozen=True)
class Input:
    """One thing a result was made from."""

    name: str  #: catalog entry, or ``<site> <series>`` of the store
    kind: str  #: ``entry``, ``store`` or ``events``
    start: str  #: of what was asked for [UTC]
    end: str
    slots: int
    assets: int
    variables: int
    sha256: str  #: of the content: names, times and values
    source: str = ""  #: file, or snapshot of the store
    licence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return asdict(self)


def series_cadence(infos: list[SeriesInfo], asset_type: str) -> str | None:
    """Cadence of the samples behind the ten-minute statistics of a kind of asset; None where there are none."""
    finer = [info for info in infos if info.key.asset_type == asset_type and info.step < 600_000_000_000]
    return min(finer, key=lambda info: info.step).key.cadence if finer else None


def read_ten_minutes(
    site: SiteView,
    catalog: Catalog,
    asset_type: str,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    variables: list[str] | None = None,
) -> tuple[xr.Dataset, Input] | None:
    """Ten-minute data of one kind of asset of a site, in memory; None where there is nothing of it.

    The site's store is asked first, then the file entries of the catalog that hold the series.

    Parameters
    ----------
    start, end
        Half-open [UTC]; from the first or to the last there is if left out.
    variables
        Names wanted, where they are there; all if left out.
    """
    for info in site.series():
        if info.key.asset_type != asset_type or info.key.cadence != CADENCE or info.first is None or info.last is None:
            continue
        if (start is not None and info.last < start.to_datetime64()) or (
            end is not None and info.first >= end.to_datetime64()
        ):
            continue
        chosen = None if variables is None else [name for name in variables if name in info.variables]
        data = site.telemetry(info.key, time=slice(start, end), variables=chosen).load()
        return data, input_of(f"{site.name} {info.key}", "store", data, start, end, str(data.attrs.get("snapshot", "")))
    for name, entry in catalog.entries.items():
        if entry.kind != "file" or entry.site != site.name or entry.spec.errors or entry.series is None:
            continue
        if tuple(entry.series) != (asset_type, CADENCE):
            continue
        there = entry.reader().contents().variables
        wanted = None if variables is None else [one for one in there if one in variables]
        data = entry.open(time=slice(start, end), variables=wanted).load()
        if not data.sizes["time"]:
            continue
        source = ", ".join(map(str, data.attrs.get("files", [])))
        return data, input_of(name, "entry", data, start, end, source)
    return None


def read_slots(
    site: SiteView,
    catalog: Catalog,
    asset_type: str,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    variables: list[str] | None = None,
    longest: str = "1h",
) -> tuple[xr.Dataset, Input] | None:
    """As :func:`read_ten_minutes`; where there is nothing of ten minutes, what a file of the catalog has at another step.

    Parameters
    ----------
    longest
        Step that is still taken; of several the finest.
    """
    found = read_ten_minutes(site, catalog, asset_type, start, end, variables)
    if found is not None:
        return found
    import pandas as pd

    steps = []
    for name, entry in catalog.entries.items():
        if entry.kind == "file" and entry.site == site.name and not entry.spec.errors and entry.series is not None:
            step = pd.Timedelta(entry.series.cadence)
            if entry.series.asset_type == asset_type and step <= pd.Timedelta(longest):
                steps.append((step, name))
    for _, name in sorted(steps):
        entry = catalog.entries[name]
        there = entry.reader().contents().variables
        wanted = None if variables is None else [one for one in there if one in variables]
        data = entry.open(time=slice(start, end), variables=wanted).load()
        if data.sizes["time"]:
            source = ", ".join(map(str, data.attrs.get("files", [])))
            return data, input_of(name, "entry", data, start, end, source)
    return None


def input_of(name: str, kind: str, data: xr.Dataset, start: Any, end: Any, source: str) -> Input:
    """What was read, with a hash of its content."""
    import pandas as pd

    times = data["time"].values
    first, last = pd.Timestamp(times[0]), pd.Timestamp(times[-1])
    step = pd.Timedelta(times[-1] - times[-2]) if len(times) > 1 else pd.Timedelta(CADENCE)
    return Input(
        name=name,
        kind=kind,
        start=f"{first if start is None else start:%Y-%m-%dT%H:%M:%S}Z",
        end=f"{last + step if end is None else end:%Y-%m-%dT%H:%M:%S}Z",
        slots=data.sizes["time"],
        assets=data.sizes["asset"],
        variables=len(data.data_vars),
        sha256=content_hash(data),
        source=source,
        licence=str(data.attrs.get("licence", "")),
    )


def nothing_to_read(site: SiteView, catalog: Catalog, asset_type: str, start: Any, end: Any) -> InputError:
    """The error for a site without data in a window; tells what there is instead."""
    infos = [info for info in site.series() if info.key.asset_type == asset_type]
    spans = [f"{info.key} from {str(info.first)[:16]} to {str(info.last)[:16]}" for info in infos]
    for name, entry in catalog.entries.items():
        if entry.kind == "file" and entry.site == site.name and entry.series and entry.series.asset_type == asset_type:
            spans.append(f"the entry {name}, with nothing in this time")
    bounds = [
        f"{word} {moment:%Y-%m-%d %H:%M}" for word, moment in (("from", start), ("to", end)) if moment is not None
    ]
    return InputError(
        " ".join([f"{site.name} has no ten-minute data of any {asset_type}", *bounds, "UTC" if bounds else ""]).strip(),
        found="; ".join(spans) or "nothing of it in the store, and no catalog entry with files of it",
        hint="choose a period with data, or collect some: workbench collect, workbench demo",
    )
