"""The newest values of a series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.model.quality import quality_attrs, quality_name
from workbench.model.samples import SeriesKey
from workbench.store.attributes import variable_attrs
from workbench.store.ring_series import SeriesRing

if TYPE_CHECKING:
    from workbench.store.site import SiteStore

#: Spans before the newest slot to look through, one after the other while something is missing, in chunks.
_BACK = (0, 1)


def latest(
    site: SiteStore, key: SeriesKey, assets: str | Iterable[str] | None, variables: str | Iterable[str] | None
) -> xr.Dataset:
    """See ``SiteStore.latest``."""
    with site.view() as view:
        source, dtypes = site.source(key, assets=assets, variables=variables)
        last = source.start + (source.size - 1) * source.grid.step
        ring = SeriesRing(key, 1)
        ring.grow(source.assets, {name: dtypes[name] for name in source.variables})
        series = view.series(key)
        newest = max((chunk.chunk for chunk in series.tail), default=None)
        if newest is not None:
            for row in view.journal.rows(key, chunk=newest):
                ring.remember(view.journal.batch(row))
        at = {name: place for place, name in enumerate(ring.assets)}
        places = [at[name] for name in source.assets]
        columns = [ring.variables.index(name) for name in source.variables]
        # Older than the journal, or in another chunk: from the merged grid, as far back as is needed.
        for back in _BACK:
            missing = [n for n in columns if (ring.last_time[places, n] == 0).any()]
            if not missing:
                break
            end = source.grid.chunk_start(source.grid.chunk(last) + 1 - back)
            start = end - source.grid.span
            if end <= source.start:
                break
            part, _ = site.source(
                key, time=slice(start, end), assets=source.assets, variables=[ring.variables[n] for n in missing]
            )
            ring.recall(part)
    cells = np.ix_(places, columns)
    value, time, flags = ring.last_value[cells], ring.last_time[cells], ring.last_quality[cells]
    stamps = np.where(time > 0, time, np.iinfo(np.int64).min).view("datetime64[ns]")
    found: dict[str, Any] = {}
    for j, name in enumerate(source.variables):
        attrs = variable_attrs(name, key)
        found[name] = ("asset", value[:, j].astype(dtypes[name]), attrs)
        found[f"{name}_time"] = ("asset", stamps[:, j], {"long_name": f"time of {attrs.get('long_name', name)}, UTC"})
        found[quality_name(name)] = ("asset", flags[:, j], quality_attrs(name))
    return xr.Dataset(
        found,
        coords={"asset": ("asset", np.array(source.assets, dtype=object).astype(str), {"long_name": "asset"})},
        attrs={"site": site.site, "series": str(key), "asset_type": key.asset_type, "cadence": key.cadence},
    )
