"""The steps for the quality of solar data: what is wrong is flagged, what can be put right is, and nothing is lost.

Clocks come first (:mod:`workbench.analytics.solar.clock`), as all else that compares with the sun rests on them; then signs and units,
as the other checks look at sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import xarray as xr

from workbench.analytics.solar.clipping import clipping_of
from workbench.analytics.solar.clock import solar_clock_shifts
from workbench.analytics.solar.level import level_shifts, offsets_of, signs_of
from workbench.analytics.solar.outliers import outliers_of
from workbench.analytics.solar.series import Grid, grid_of, sun_of
from workbench.analytics.solar.stale import lines_of, stale_of
from workbench.analytics.wind.clock_correction import CORRECTED, SHIFT, shifts_of
from workbench.model.errors import InputError
from workbench.model.keys import DurationText
from workbench.model.quality import DTYPE, Quality, is_quality, quality_attrs, quality_name
from workbench.steps import remark, step

POWER = ("total_ac_power", "active_power", "power_output", "total_dc_power", "input_power", "power")
IRRADIANCE = (
    "irradiance_poa",
    "irradiance_ghi",
    "irradiance_dni",
    "irradiance_dhi",
    "irradiance_rear",
    "irradiance_reference_cell",
)
OFFSET, SIGN, LEVEL, CLIPPING, MEASURED = "_night_offset", "_sign", "_level", "_clipping", "_measured"
#: A night offset is flagged above this share of the scale; a level by this share off.
_LARGE = 0.01
#: Levels beyond these ratios are taken out before the other checks look at sizes.
_UNITS = 5.0


@step("solar_data_quality")
def solar_data_quality(
    data: xr.Dataset,
    *,
    variables: Sequence[str] | None = None,
    stale: bool = True,
    interpolated: bool = True,
    outliers: bool = True,
    clipping: bool = True,
    level: bool = True,
    night_offset: bool = True,
    sign: bool = True,
) -> xr.Dataset:
    """Flag power and irradiance that is stale, interpolated, an outlier, or off in zero, sign or scale; tell clipping.

    Flags: STUCK (stale), INTERPOLATED, SPIKE (outlier), OFFSET (reversed sign, another level, a night offset above 1 % of the scale).
    A clipped value is right, and not flagged.

    Parameters
    ----------
    data
        dims (time, asset), power and irradiance in any unit; gaps, and nights that are zero, missing or left out, are all one.
    variables
        What to check; power and irradiance that are there if left out.
    stale, interpolated, outliers, clipping, level, night_offset, sign
        Which checks to make: :func:`stale_values`, :func:`interpolated_values`, :func:`outlier_values`,
        :func:`clipped_values` (of power), :func:`level_shifts`, :func:`night_offsets`, :func:`signs`.

    Returns
    -------
    xr.Dataset
        The data with ``<variable>_quality``, and where asked for ``_night_offset`` [its unit], ``_sign`` (-1 or 1), ``_level`` [1] and of power
        ``_clipping`` (0, 1), each by time and asset.

    Raises
    ------
    InputError
        Nothing to check, or times of no one cadence.
    """
    there = [name for name in (*POWER, *IRRADIANCE) if name in data] if variables is None else list(variables)
    if not there:
        raise InputError("no power or irradiance to check", where="variables", expected=", ".join(POWER + IRRADIANCE))
    added: dict[str, tuple[tuple[str, str], npt.NDArray[np.generic], dict[str, object]]] = {}
    dims = ("time", "asset")
    for name in there:
        grid = grid_of(data, name)
        size = grid.values.shape
        levels = _levels(data, name, grid) if level else np.ones(size, np.float32)
        flags, clipped = np.zeros(size, DTYPE), np.zeros(size, "uint8")
        offset, signs = np.full(size, np.nan, np.float32), np.ones(size, "int8")
        for column in range(size[1]):
            values = grid.values[:, column]
            sun = sun_of(grid.times, values, grid.slot)
            if not np.isfinite(sun.scale):
                if np.isfinite(values).any():
                    asset = data["asset"].values[column]
                    remark(f"solar_data_quality: {name} of {asset} has no course of the day and is not judged")
                continue
            if sign:
                signs[:, column] = signs_of(values, sun)
            if night_offset:
                offset[:, column] = offsets_of(values, sun)
                with np.errstate(invalid="ignore"):
                    off = np.abs(offset[:, column]) > _LARGE * sun.scale
                flags[off & np.isfinite(values), column] |= DTYPE.type(Quality.OFFSET)
            units = np.where(np.abs(np.log(levels[:, column])) > np.log(_UNITS), levels[:, column], 1.0)
            if (units != 1.0).any() or (signs[:, column] < 0).any():
                values = (values - sun.night) * signs[:, column] / units
                sun = sun_of(grid.times, values, grid.slot)
            lines = lines_of(values, sun, grid.slot) if interpolated or stale else np.zeros(len(values), bool)
            found = np.zeros(len(values), DTYPE)
            if interpolated:
                found |= lines * DTYPE.type(Quality.INTERPOLATED)
            if stale:
                found |= stale_of(values, sun, grid.slot, lines) * DTYPE.type(Quality.STUCK)
            if outliers:
                found |= outliers_of(values, sun, grid.slot) * DTYPE.type(Quality.SPIKE)
            wrong = (signs[:, column] < 0) | (levels[:, column] != 1.0)
            found |= (wrong & np.isfinite(values)) * DTYPE.type(Quality.OFFSET)
            flags[:, column] |= found
            if clipping and name in POWER:
                clipped[:, column] = clipping_of(values, sun, grid.slot)[0]
        old = data[quality_name(name)].transpose(*dims).values if quality_name(name) in data else DTYPE.type(0)
        added[quality_name(name)] = (dims, grid.back(flags) | np.asarray(old, DTYPE), quality_attrs(name))
        unit = {"units": data[name].attrs["units"]} if "units" in data[name].attrs else {}
        if night_offset:
            added[name + OFFSET] = (dims, grid.back(offset), {**unit, "long_name": f"{name} at night"})
        if sign:
            added[name + SIGN] = (dims, grid.back(signs), {"units": "1", "long_name": f"sign of {name}"})
        if level:
            attrs: dict[str, object] = {"units": "1", "long_name": f"level of {name} against its longest"}
            added[name + LEVEL] = (dims, grid.back(levels), attrs)
        if clipping and name in POWER:
            kinds = {"flag_values": np.array([0, 1], "uint8"), "flag_meanings": "free clipped"}
            added[name + CLIPPING] = (dims, grid.back(clipped), {"long_name": f"{name} held at a limit", **kinds})
    return data.assign(added)


def _levels(data: xr.Dataset, name: str, grid: Grid) -> npt.NDArray[np.float32]:
    """The level at each slot [slot, asset]; 1 where it is the usual one or not told."""
    table = level_shifts(data, variable=name)
    out: npt.NDArray[np.float32] = np.ones(grid.values.shape, np.float32)
    column = {str(asset): k for k, asset in enumerate(data["asset"].values)}
    for row in table.with_columns(pl.col("start", "end").cast(pl.Int64)).iter_rows(named=True):
        if row["reason"] is not None or row["level"] is None or row["level"] == 1.0:
            continue
        first, stop = np.searchsorted(grid.times, [row["start"], row["end"]])
        if stop >= len(grid.times) - 1:
            stop = len(grid.times)
        ratio = row["level"]
        # units are off by a whole power of ten, whatever the weather of the days made of it
        out[first:stop, column[row["asset"]]] = 10.0 ** (3 * round(np.log10(ratio) / 3)) if row["note"] else ratio
        text = f" ({row['note']})" if row["note"] else ""
        remark(f"solar_data_quality: {name} of {row['asset']} runs at {row['level']:.3g} of its level{text}")
    return out


@step("solar_level_correction")
def solar_level_correction(
    data: xr.Dataset,
    *,
    variable: str = "total_ac_power",
    night_offset: bool = True,
    sign: bool = True,
    level: bool = False,
    undo: bool = False,
) -> xr.Dataset:
    """Put right what ``solar_data_quality`` found of zero, sign and scale: (value - offset) * sign / level.

    What was measured and its flags stay as ``<variable>_measured`` and ``<variable>_measured_quality``; ``undo`` puts both back,
    bit for bit. Corrected values lose their flag OFFSET and are DERIVED.

    Parameters
    ----------
    night_offset
        Whether zero is what the nights say. Of power leave it out to keep what an inverter takes at night.
    level
        Whether to bring all spans to the level of the longest. A level may be real (a part of the plant added): look first. Ratios
        of 5 or more, which only units make, are always put right with ``sign``.

    Raises
    ------
    InputError
        Nothing was found yet, or the correction was made already, or was not made.
    """
    kept, flags, kept_flags = variable + MEASURED, quality_name(variable), quality_name(variable + MEASURED)
    if undo:
        if kept not in data:
            raise InputError("no correction was made", expected=kept)
        back = {variable: data[kept].variable} | ({flags: data[kept_flags].variable} if kept_flags in data else {})
        return data.drop_vars([name for name in (kept, kept_flags) if name in data]).assign(back)
    if kept in data:
        raise InputError("the correction was made already", where=kept)
    needed = [variable + part for part, on in ((OFFSET, night_offset), (SIGN, sign), (LEVEL, level)) if on]
    missing = [name for name in (variable, *needed) if name not in data]
    if missing:
        raise InputError("not in the data: see solar_data_quality", expected=", ".join(missing))
    array = data[variable]
    new = array.astype(np.float64)
    if night_offset:
        new = new - data[variable + OFFSET].fillna(0.0)
    if sign:
        new = new * data[variable + SIGN]
    if variable + LEVEL in data and (level or sign):
        by = data[variable + LEVEL]
        new = new / (by if level else by.where(np.abs(np.log(by)) > np.log(_UNITS), 1.0))
    new = new.transpose(*array.dims).astype(array.dtype).assign_attrs(array.attrs)
    changed = (new != array) & array.notnull()
    made = {variable: new.variable, kept: array.variable.copy(deep=False)}
    if flags in data:
        old = data[flags].astype(DTYPE)
        cleared = (old & DTYPE.type(0xFFFF ^ int(Quality.OFFSET))) | DTYPE.type(Quality.DERIVED)
        made[flags] = cleared.where(changed, old).astype(DTYPE).transpose(*array.dims).variable
        made[flags].attrs = dict(data[flags].attrs)
        made[kept_flags] = data[flags].variable
    return data.assign(made)


@step("solar_clock_shift_detection")
def solar_clock_shift_detection(
    data: xr.Dataset,
    *,
    variable: str = "total_ac_power",
    resolution: DurationText = "PT15M",
    smallest: DurationText = "PT25M",
    tz: str | None = None,
    flag: bool = True,
) -> xr.Dataset:
    """Find times at which clocks were off by the sun; see :func:`solar_clock_shifts`.

    The step ``clock_shift_correction`` puts the values where they belong, and back.

    Parameters
    ----------
    tz
        Zone of the site; the attribute ``timezone`` of the data where left out.
    flag
        Whether to flag CLOCK all measured values of the times.

    Returns
    -------
    The data with ``clock_shift`` [min], positive where time stamps are late; NaN where an asset could not be judged.
    """
    table = solar_clock_shifts(
        data, variable=variable, resolution=resolution, smallest=smallest, tz=tz or data.attrs.get("timezone")
    )
    for asset, why in table.filter(table["reason"].is_not_null()).select("asset", "reason").iter_rows():
        remark(f"solar_clock_shift_detection: {asset} is not judged: {why}")
    if "longitude" not in data.coords:
        remark("solar_clock_shift_detection: without a longitude the level that holds longest counts as right")
    shift = shifts_of(table, data)
    data = data.assign({SHIFT: shift})
    if not flag:
        return data
    where = np.abs(np.nan_to_num(shift.values)) > 0
    added = {}
    for name in measured(data):
        old = data[quality_name(name)].transpose("time", "asset").values if quality_name(name) in data else 0
        bits = np.asarray(old, DTYPE) | where * DTYPE.type(Quality.CLOCK)
        added[quality_name(name)] = (("time", "asset"), bits, quality_attrs(name))
    return data.assign(added)


def measured(data: xr.Dataset) -> list[str]:
    """Fields by time and asset that were measured."""
    return [
        str(name)
        for name, array in data.data_vars.items()
        if array.dtype.kind == "f"
        and set(array.dims) == {"time", "asset"}
        and not is_quality(str(name))
        and name not in (SHIFT, CORRECTED, "sample_count")
    ]


def solar_quality_table(data: xr.Dataset) -> pl.DataFrame:
    """A row for each asset and variable that has flags: values there and missing, and how many are flagged by what.

    Columns ``asset, variable, values, missing, clock, stuck, interpolated, spike, offset, range, inconsistent, clipped``.
    """
    kinds = [Quality.CLOCK, Quality.STUCK, Quality.INTERPOLATED, Quality.SPIKE, Quality.OFFSET, Quality.RANGE]
    kinds.append(Quality.INCONSISTENT)
    rows = []
    for name in map(str, data.data_vars):
        variable = name.removesuffix("_quality")
        if not is_quality(name) or variable not in data or variable.endswith(MEASURED):
            continue
        bits = data[name].transpose("time", "asset").values
        known = np.isfinite(data[variable].transpose("time", "asset").values)
        clipped = data.get(variable + CLIPPING)
        held = None if clipped is None else clipped.transpose("time", "asset").values
        for column, asset in enumerate(map(str, data["asset"].values)):
            counts = {str(kind.name).lower(): int(((bits[:, column] & int(kind)) > 0).sum()) for kind in kinds}
            there = int(known[:, column].sum())
            row = {"asset": asset, "variable": variable, "values": there, "missing": len(bits) - there, **counts}
            rows.append({**row, "clipped": None if held is None else int(held[:, column].sum())})
    schema = dict.fromkeys(("asset", "variable"), pl.String) | dict.fromkeys(
        ("values", "missing", *(str(kind.name).lower() for kind in kinds), "clipped"), pl.Int64
    )
    return pl.DataFrame(rows, schema=schema)
