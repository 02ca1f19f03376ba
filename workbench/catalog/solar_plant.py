"""What the analyses of a solar plant need, found in its store and its catalog: inverters and what lies behind them, weather, meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.catalog.site_inputs import Input, nothing_to_read, read_slots

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.catalog import Catalog, SiteView
    from workbench.model.assets import Site

#: What is read of inverters, beside the weather that some of them measure.
INVERTER = (
    "total_ac_power", "power_output", "active_power", "total_dc_power", "total_dc_current", "total_dc_voltage",
    "conversion_efficiency", "power_setpoint", "energy_lifetime", "heatsink_temperature", "internal_temperature", "operating_state",
    "grid_connection", "availability_status", "active_power_curtailment", "snow_depth",
)  # fmt: skip
MPPT = ("input_current", "input_voltage", "input_power")
STRING = ("current", "voltage", "power")
TRACKER = ("tracker_position", "tracker_target", "tracker_status", "wind_speed", "power")
METER = ("active_power", "energy_export", "breaker_status")
#: Kinds of assets that measure the weather, those nearest to the modules first.
SENSORS = ("irradiance_sensor", "weather_station", "met_mast")
#: Days before the period that strings, inputs and trackers are read from: what is usual of them is learned there.
LOOK_BACK = 60


@dataclass(frozen=True)
class SolarPlant:
    """Data of one solar plant, in memory; each dims (time, asset), in slots of ten minutes or those of its files.

    Attributes
    ----------
    inverters
        All of the record up to the end that was asked for; what is out of range is flagged.
    weather
        Of the plant's sensors, one dataset for each kind, as far as the record of the inverters goes.
    satellite
        Irradiance and weather of another place's models: entries of files with ``irradiance_ghi_satellite``.
    mppts, strings, trackers
        From :data:`LOOK_BACK` days before the period; None where no source has them.
    meter
        Of the period; None where there is none, or where it is not that of the inverters alone.
    parents, feeds
        Asset to the one it belongs to, from strings up; tracker to the input it feeds (its attribute ``feeds``).
    inputs
        What was read, with hashes.
    lacking
        What is not there, and why, in words.
    """

    inverters: xr.Dataset
    weather: tuple[xr.Dataset, ...]
    satellite: xr.Dataset | None
    mppts: xr.Dataset | None
    strings: xr.Dataset | None
    trackers: xr.Dataset | None
    meter: xr.Dataset | None
    parents: Mapping[str, str]
    feeds: Mapping[str, str]
    inputs: tuple[Input, ...]
    lacking: Mapping[str, str]

    @property
    def given(self) -> dict[str, Any]:
        """What :func:`workbench.analytics.solar.assess` takes beside the inverters."""
        return {
            "weather": self.weather,
            "satellite": self.satellite,
            "mppts": self.mppts,
            "strings": self.strings,
            "trackers": self.trackers,
            "meter": self.meter,
            "parents": self.parents,
            "feeds": self.feeds,
            "lacking": self.lacking,
        }


def solar_plant(
    view: SiteView, catalog: Catalog, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
) -> SolarPlant:
    """Read what the analyses of a solar plant need.

    Parameters
    ----------
    start, end
        The period, half-open [UTC]; all there is if left out. Inverters and weather are read from the beginning of their
        record: clocks, degradation and soiling are told from all of it.

    Raises
    ------
    InputError
        There is no data of inverters before the end, in the store or in a file.
    """
    import pandas as pd

    from workbench.analytics.solar.plant_model import SATELLITE
    from workbench.analytics.solar.plant_record import WEATHER

    found = read_slots(view, catalog, "inverter", None, end, [*INVERTER, *WEATHER])
    if found is None:
        raise nothing_to_read(view, catalog, "inverter", start, end)
    inverters, inputs, lacking = _ranged(found[0]), [found[1]], dict[str, str]()
    before = None if start is None else start - pd.Timedelta(LOOK_BACK, "D")

    def read(kind: str, fields: tuple[str, ...], begin: pd.Timestamp | None) -> xr.Dataset | None:
        part = read_slots(view, catalog, kind, begin, end, list(fields))
        if part is None or not part[0].sizes["time"] or not part[0].data_vars:
            return None
        inputs.append(part[1])
        return _ranged(part[0])

    weather = [part for part in (read(kind, WEATHER, None) for kind in SENSORS) if part is not None]
    satellite = None
    for name, entry in catalog.entries.items():
        if entry.kind != "file" or entry.site != view.name or entry.spec.errors or satellite is not None:
            continue
        if entry.series is not None and entry.series.asset_type in (*SENSORS, "inverter"):
            continue
        if SATELLITE in entry.reader().contents().variables:
            from workbench.catalog.site_inputs import input_of

            satellite = entry.open(time=slice(None, end)).load()
            source = ", ".join(map(str, satellite.attrs.get("files", [])))
            inputs.append(input_of(name, "entry", satellite, None, end, source))
    behind = {
        kind: read(kind, fields, before) for kind, fields in (("mppt", MPPT), ("string", STRING), ("tracker", TRACKER))
    }
    for kind, title in (("mppt", "MPPT inputs"), ("string", "strings"), ("tracker", "trackers")):
        if behind[kind] is None:
            lacking[kind] = f"no data of {title}"
    meter = read("grid_meter", METER, start)
    others = sorted({one.type for one in view.assets if one.type in ("battery", "wind_turbine")})
    if meter is None:
        lacking["meter"] = "no data of a meter"
    elif others:
        meter, lacking["meter"] = None, f"the meter counts {' and '.join(others).replace('_', ' ')} too"
    elif meter.sizes["asset"] > 1:
        lacking["meter"] = f"{meter.sizes['asset']} meters, and which is that of the inverters is not known"
        meter = None
    parents = {asset.id: asset.parent for asset in view.assets if asset.parent}
    feeds = {asset.id: str(asset.attributes["feeds"]) for asset in view.assets if asset.attributes.get("feeds")}
    return SolarPlant(
        inverters, tuple(weather), satellite, behind["mppt"], behind["string"], behind["tracker"], meter, parents,
        feeds, tuple(inputs), lacking,
    )  # fmt: skip


def _ranged(data: xr.Dataset) -> xr.Dataset:
    from workbench.model.quality import is_quality
    from workbench.transforms.quality import flag_range

    numbers = [str(name) for name, one in data.data_vars.items() if one.dtype.kind == "f" and not is_quality(str(name))]
    return flag_range(data, variables=numbers)


def terms_of(site: Site) -> dict[str, float]:
    """What the portfolio says of a site's cleanings and contract: ``cleaning_cost``, ``contracted_capacity_ratio``; those that are there."""
    names = ("cleaning_cost", "contracted_capacity_ratio")
    return {name: float(site.attributes[name]) for name in names if name in site.attributes}
