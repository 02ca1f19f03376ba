"""One dataset of a solar plant's inverters with its weather, and faults of what lies behind them charged to the inverters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.solar.plant_model import SATELLITE, Source
from workbench.analytics.solar.rating import with_weather
from workbench.model.errors import InputError
from workbench.model.quality import DTYPE, good, quality_name
from workbench.steps import remark

#: Weather and irradiance that stands for all inverters of a plant.
WEATHER = (
    "irradiance_poa", "irradiance_ghi", "irradiance_dni", "irradiance_dhi", SATELLITE, "irradiance_rear", "cell_temperature",
    "module_temperature", "panel_temperature", "ambient_temperature", "temperature", "wind_speed", "humidity",
    "barometric_pressure", "soiling_ratio", "snow_depth", "snow_cover", "precipitation", "precipitation_amount",
)  # fmt: skip
#: Irradiance in the plane that was used: measured, else modelled.
USED = "irradiance_poa_used"


def plant_record(inverters: xr.Dataset, *weather: xr.Dataset) -> xr.Dataset:
    """Inverters with the weather of their plant, on the inverters' grid of times.

    What an inverter measures itself goes first; where it has nothing, slot by slot, the first of ``weather`` that has it. Of
    several sensors the median counts. Values are brought to the middles of the inverters' slots, between two values no
    further apart than two slots; flagged values count as missing.

    Parameters
    ----------
    inverters
        dims (time, asset).
    weather
        dims (time, asset) each: sensors, stations, satellites; :data:`WEATHER` of them is taken.

    Returns
    -------
    xr.Dataset
        The inverters with what was added, dims (time) where no inverter has it. A weather that has no time in common is left out,
        with a remark.
    """
    record = inverters
    for part in weather:
        names = [name for name in WEATHER if name in part]
        if not names or not part.sizes.get("time"):
            continue
        one = xr.Dataset({name: _middle(good(part, name)) for name in names}, attrs=part.attrs)
        try:
            found = with_weather(xr.Dataset(coords={"time": record["time"]}), one, tuple(names))
        except InputError as error:
            remark(f"weather of {_names(part)} is left out: {error.message}")
            continue
        for name in names:
            record = _filled(record, name, found[name])
    return record


def _middle(field: xr.DataArray) -> xr.DataArray:
    """The median of the sensors [unit of the field], (time)."""
    if "asset" not in field.dims:
        return field
    only = field.isel(asset=0, drop=True) if field.sizes["asset"] == 1 else field.median("asset", keep_attrs=True)
    return only.drop_vars([name for name in only.coords if name != "time"])


def _names(part: xr.Dataset) -> str:
    return ", ".join(map(str, np.atleast_1d(part["asset"].values)[:3])) if "asset" in part.coords else "a source"


def _filled(record: xr.Dataset, name: str, told: xr.DataArray) -> xr.Dataset:
    """``record`` with ``told`` (time) where it has no value of ``name``."""
    if name not in record:
        return record.assign({name: told})
    own = good(record, name)
    lacking = own.isnull() & told.notnull()
    if not bool(lacking.any()):
        return record
    values = own.fillna(told).transpose(*record[name].dims).astype(record[name].dtype).assign_attrs(record[name].attrs)
    record = record.assign({name: values})
    flags = quality_name(name)
    if flags in record:
        kept = record[flags].where(~lacking, 0).transpose(*record[flags].dims).astype(DTYPE)
        record = record.assign({flags: kept.assign_attrs(record[flags].attrs)})
    return record


def with_expected(record: xr.Dataset, expected: xr.Dataset) -> xr.Dataset:
    """``record`` with what :func:`.expected.expected_power` gave, and :data:`USED`, the irradiance in the plane it rests on.

    Parameters
    ----------
    record
        dims (time, asset), what was given to ``expected_power``.
    expected
        Its result on the same times and assets.

    Returns
    -------
    xr.Dataset
        With ``irradiance_poa_used`` [W/m²], (time, asset).
    """
    source = expected["irradiance_source"]
    measured = source == int(Source.MEASURED_PLANE)
    used = xr.full_like(expected["expected_power"], np.nan)
    if "irradiance_poa" in record:
        used = good(record, "irradiance_poa").where(measured)
    if "irradiance_poa_modelled" in expected:
        used = used.where(measured, expected["irradiance_poa_modelled"])
    used = used.transpose("time", "asset").assign_attrs(
        {"units": "W/m2", "long_name": "irradiance in the plane, measured or modelled"}
    )
    return record.assign({str(name): expected[name] for name in expected.data_vars} | {USED: used})


def beside_trackers(record: xr.Dataset, spans: Sequence[tuple[str, np.datetime64, np.datetime64]]) -> xr.Dataset:
    """``record`` with the irradiance of other inverters where a tracker of an inverter is not where it should be.

    A sensor on such a tracker shows what its plane gets, and not what was there to be had: by it nothing would be lost.

    Parameters
    ----------
    record
        dims (time, asset): ``irradiance_poa`` [W/m²] of each.
    spans
        (inverter, first, last slot) of each fault of a tracker.

    Returns
    -------
    xr.Dataset
        In those slots the median of the inverters without such a fault, where there are any and it is more.
    """
    name = "irradiance_poa"
    if not spans or name not in record or record[name].dims == ("time",):
        return record
    times = record["time"].values
    away = np.zeros((record.sizes["time"], record.sizes["asset"]), bool)
    column = {str(one): place for place, one in enumerate(record["asset"].values)}
    for inverter, first, last in spans:
        if inverter in column:
            away[(times >= first) & (times <= last), column[inverter]] = True
    own = good(record, name).transpose("time", "asset")
    others = own.where(~away).median("asset")
    more = xr.DataArray(away, dims=("time", "asset"), coords=own.coords) & (others > own)
    if not bool(more.any()):
        return record
    values = own.where(~more, others).astype(record[name].dtype).assign_attrs(record[name].attrs)
    return record.assign({name: values.transpose("time", "asset").where(own.notnull(), record[name])})


def inverter_of(asset: str, parents: Mapping[str, str], inverters: set[str]) -> str:
    """The inverter that a string, an input or a tracker belongs to; empty where none is known."""
    seen: set[str] = set()
    while asset and asset not in seen:
        if asset in inverters:
            return asset
        seen.add(asset)
        asset = parents.get(asset, "")
    return ""


def charged(
    loss: xr.DataArray, record: xr.Dataset, parents: Mapping[str, str]
) -> tuple[xr.DataArray, npt.NDArray[np.object_]]:
    """Energy that assets behind inverters lost, summed by inverter, in the slots of the inverters' record.

    Parameters
    ----------
    loss
        dims (time, asset) [kWh] of each slot, of strings, inputs or trackers.
    record
        dims (time, asset) of inverters.
    parents
        Asset to the one it belongs to.

    Returns
    -------
    energy, inverters
        dims (time, asset) of ``record`` [kWh]; and the inverter of each asset of ``loss``, empty where none is known (its energy is
        in no sum, which is remarked).
    """
    names = [str(one) for one in record["asset"].values]
    column = {name: place for place, name in enumerate(names)}
    of = np.array([inverter_of(str(one), parents, set(names)) for one in loss["asset"].values], dtype=object)
    slot = slot_length(record).astype("timedelta64[ns]").astype(np.int64)
    start = record["time"].values.astype("datetime64[ns]").astype(np.int64)
    at = loss["time"].values.astype("datetime64[ns]").astype(np.int64)
    row = np.searchsorted(start, at, side="right") - 1
    inside = (row >= 0) & (at - start[np.maximum(row, 0)] < slot)
    energy = np.zeros((len(start), len(names)))
    values = np.nan_to_num(loss.transpose("time", "asset").values)
    for place, name in enumerate(of):
        if name:
            energy[:, column[name]] += np.bincount(row[inside], values[inside, place], minlength=len(start))
    if (of == "").any():
        lost = float(values[:, of == ""].sum())
        remark(
            f"{int((of == '').sum())} assets belong to no inverter that is known; {lost:.0f} kWh they lost are in no sum"
        )
    coords = {"time": record["time"], "asset": record["asset"]}
    return xr.DataArray(energy, dims=("time", "asset"), coords=coords, attrs={"units": "kWh"}), of
