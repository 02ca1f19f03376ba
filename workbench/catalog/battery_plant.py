"""What the analyses of batteries need, found in a site's store and catalog: batteries, their racks and cells, panels, meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.catalog.site_inputs import Input, nothing_to_read, read_ten_minutes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.catalog import Catalog, SiteView
    from workbench.model.assets import Site

RACKS = ("battery_rack", "rack")  #: kinds of assets between a battery and its cells, beside a battery within another
CELL_DAYS = 31  #: single cells are read of so many last days at most: there may be thousands of them
_WARRANTY = "warranty_"


@dataclass(frozen=True)
class BatteryPlant:
    """Data of the batteries of one site, in memory; each dims (time, asset), ten-minute means.

    Attributes
    ----------
    batteries
        All of the record up to the end that was asked for; what is out of range is flagged.
    racks, cells
        Of the window; None where no source has them. ``cells`` has the coordinate ``parent``.
    panels, meter
        Power of the inverters and of the point of connection, of the window; None where there are none.
    parents
        Asset to the one it belongs to, from cells up.
    inputs
        What was read, with hashes.
    """

    batteries: xr.Dataset
    racks: xr.Dataset | None
    cells: xr.Dataset | None
    panels: xr.Dataset | None
    meter: xr.Dataset | None
    parents: Mapping[str, str]
    inputs: tuple[Input, ...]

    @property
    def beside(self) -> tuple[xr.Dataset, ...]:
        """Panels and meter, as :func:`workbench.analytics.storage.assess` takes them; empty without panels."""
        if self.panels is None:
            return ()
        return (self.panels,) if self.meter is None else (self.panels, self.meter)

    def battery_of(self, asset: str) -> str:
        """The battery that a rack or cell belongs to; the asset itself where nothing is known."""
        seen = {asset}
        while (above := self.parents.get(asset, "")) and above not in seen:
            asset = above
            seen.add(asset)
        return asset


def battery_plant(
    view: SiteView, catalog: Catalog, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
) -> BatteryPlant:
    """Read what the analyses of a site's batteries need.

    Parameters
    ----------
    start, end
        The window, half-open [UTC]; all there is if left out. Batteries are read from the beginning of their record: a
        life and a trend are told from all of it.

    Raises
    ------
    InputError
        There is no ten-minute data of batteries before the end.
    """
    import pandas as pd

    from workbench.analytics.storage.assessment import CELL_FIELDS, FIELDS
    from workbench.transforms.quality import flag_range

    found = read_ten_minutes(view, catalog, "battery", None, end, list(FIELDS))
    if found is None:
        raise nothing_to_read(view, catalog, "battery", start, end)
    record, about = flag_range(found[0], variables=[name for name in FIELDS if name in found[0]]), found[1]
    inputs = [about]
    last = pd.Timestamp(record["time"].values[-1]) + pd.Timedelta("10min")
    until = last if end is None else min(end, last)
    recent = until - pd.Timedelta(CELL_DAYS, "D")
    since = recent if start is None else max(start, recent)

    def read(kind: str, fields: tuple[str, ...], begin: pd.Timestamp | None) -> xr.Dataset | None:
        part = read_ten_minutes(view, catalog, kind, begin, end, list(fields))
        if part is None or not part[0].sizes["time"] or not part[0].data_vars:
            return None
        inputs.append(part[1])
        return part[0]

    cells = read("battery_cell", CELL_FIELDS, since)
    parents = {asset.id: asset.parent for asset in view.assets if asset.parent} | _parents(record)
    inner = [parents.get(str(one), "") in record["asset"].values for one in record["asset"].values]
    racks = record.isel(asset=np.flatnonzero(inner)) if any(inner) else None
    for kind in RACKS:
        racks = read(kind, (*FIELDS, *CELL_FIELDS), since) if racks is None else racks
    for part in (racks, cells):
        parents |= {} if part is None else _parents(part)
    panels = read("inverter", ("total_ac_power", "active_power", "power_output"), start)
    meter = None if panels is None else read("grid_meter", ("active_power",), start)
    return BatteryPlant(
        record.isel(asset=np.flatnonzero(~np.array(inner))), racks, cells, panels, meter, parents, tuple(inputs)
    )


def _parents(data: xr.Dataset) -> dict[str, str]:
    if "parent" not in data.coords:
        return {}
    pairs = zip(data["asset"].values, data["parent"].values, strict=True)
    return {str(one): str(above) for one, above in pairs if above is not None and str(above) not in ("", "nan", "None")}


def warranty_of(site: Site) -> dict[str, Any]:
    """What the portfolio says of a site's warranty: its attributes ``warranty_…``, or those of its first battery that has some.

    ``guaranteed_energy`` [%] and ``end_of_life`` [%] stand beside the terms of
    :class:`workbench.analytics.storage.WarrantyTerms`.
    """
    for facts in (site.attributes, *(one.attributes for one in site.of_type("battery"))):
        found = {key.removeprefix(_WARRANTY): value for key, value in facts.items() if key.startswith(_WARRANTY)}
        if found:
            return found
    return {}
