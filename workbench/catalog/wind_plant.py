"""What the analyses of a wind farm need, found in its store and its catalog: turbines, meter, reanalyses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.catalog.site_inputs import Input, input_of, read_ten_minutes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.catalog import Catalog, SiteView
    from workbench.catalog.entry import Entry

#: What is read of turbines, where it is there.
TURBINE = (
    "power_output",
    "wind_speed",
    "wind_direction",
    "nacelle_position",
    "yaw_error",
    "blade_pitch_angle",
    "temperature",
    "barometric_pressure",
    "humidity",
    "wind_speed_std",
    "turbulence_intensity",
    "availability_status",
    "operating_state",
    "power_setpoint",
)
#: What a meter has to tell for a yield.
METER = ("net_energy", "availability_loss", "curtailment_loss")


@dataclass(frozen=True)
class WindPlant:
    """Data of one wind farm, in memory.

    Attributes
    ----------
    turbines
        dims (time, asset), ten-minute means.
    meter
        dims (time, asset): ``net_energy``, ``availability_loss``, ``curtailment_loss`` [kWh] per slot; None where no
        source has all three.
    reanalysis
        By name of the entry, dims (time, asset) with one point.
    inputs
        What was read, with hashes.
    lacking
        What is not there, and why, in words: ``meter``, ``reanalysis``.
    """

    turbines: xr.Dataset
    meter: xr.Dataset | None
    reanalysis: Mapping[str, xr.Dataset]
    inputs: tuple[Input, ...]
    lacking: Mapping[str, str]


def wind_plant(
    view: SiteView, catalog: Catalog, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
) -> WindPlant:
    """Read what a wind farm's analyses need.

    Parameters
    ----------
    start, end
        Of turbines and meter, half-open [UTC]; all there is if left out. Reanalyses are read whole: the long term is
        theirs to tell.

    Raises
    ------
    InputError
        There is no ten-minute data of turbines in this time.
    """
    found = read_ten_minutes(view, catalog, "wind_turbine", start, end, list(TURBINE))
    if found is None:
        from workbench.catalog.site_inputs import nothing_to_read

        raise nothing_to_read(view, catalog, "wind_turbine", start, end)
    turbines, about = found
    inputs, lacking = [about], {}
    meter = None
    metered = read_ten_minutes(view, catalog, "grid_meter", start, end)
    if metered is None:
        lacking["meter"] = "no ten-minute data of a meter"
    elif absent := [name for name in METER if name not in metered[0]]:
        lacking["meter"] = f"the meter does not tell {', '.join(absent)}"
    else:
        meter = metered[0][list(METER)]
        inputs.append(metered[1])
    reanalysis = {}
    for entry in _files(view, catalog):
        if entry.driver == "reanalysis":
            data = entry.open().load()
            reanalysis[entry.name.removeprefix(f"{view.name}.")] = data
            inputs.append(
                input_of(entry.name, "entry", data, None, None, ", ".join(map(str, data.attrs.get("files", []))))
            )
    if not reanalysis:
        lacking["reanalysis"] = "no entry of the driver reanalysis in the catalog of the site"
    return WindPlant(turbines, meter, reanalysis, tuple(inputs), lacking)


def _files(view: SiteView, catalog: Catalog) -> list[Entry]:
    """The entries of a site that are files and without a mistake."""
    return [
        entry
        for entry in catalog.entries.values()
        if entry.kind == "file" and entry.site == view.name and not entry.spec.errors
    ]
