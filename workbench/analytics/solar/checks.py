"""What every solar analysis asks of its data before it takes them: times, assets, places, ratings, units and signs.

Each function tells one kind of fault, in the same words everywhere. Data that cannot be what they are said to be are refused; what
may be so but seldom is gets a remark.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import check_axes
from workbench.model.errors import InputError
from workbench.model.quality import good
from workbench.model.units import convert
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark

Floats = npt.NDArray[np.float64]

#: Numbers that loggers write for a missing value.
CODES = (-32768.0, -99999.0, -9999.0, -999.0)
LIGHT = 20.0  #: more than the offset of any sensor of irradiance [W/m²]
#: A plant's power is never above the first of its rating, and seldom below the second for as long as data are.
_ABOVE, _BELOW = 20.0, 0.02
#: The median of the air and the coolest hours of modules are nowhere above [degC]; from the last on it is Kelvin.
_AIR, _COOLEST, _KELVIN = 45.0, 40.0, 150.0
_PLACE = {"latitude": 90.0, "longitude": 360.0}
#: Slots from which on a unit is told.
_SOME = 8


def check_plant(data: xr.Dataset, *, times: bool = True) -> None:
    """That there are times (``times``) and assets, and that places are numbers on the globe.

    Raises
    ------
    InputError
        See :func:`~workbench.analytics.calendar.check_axes`; there is no dimension or no time; a latitude or longitude cannot be.
    """
    for dim in ("time", "asset") if times else ("asset",):
        if dim not in data.dims or dim not in data.coords:
            hint = "data.expand_dims('asset'), with the name of the asset" if dim == "asset" else None
            raise InputError(
                f"the data have no dimension {dim!r}", where="data", found=", ".join(map(str, data.dims)) or "none",
                expected="dims (time, asset)", hint=hint,
            )  # fmt: skip
    check_axes(data if times else data[["asset"]])
    if times and not data.sizes["time"]:
        raise InputError("the data have no times", where="time", found=0, expected="one or more")
    for name, most in _PLACE.items():
        if name not in data.coords:
            continue
        values = fact(data, name)
        odd = np.abs(values) > most
        if odd.any():
            raise InputError(
                "no place on the globe", where=f"{name} of {data['asset'].values[int(np.argmax(odd))]}",
                found=float(values[odd][0]), expected=f"-{most:g} to {most:g} degrees",
            )  # fmt: skip


def fact(data: xr.Dataset, name: str) -> Floats:
    """A number of each asset from its coordinate, [asset]; NaN where it is not known.

    Raises
    ------
    InputError
        It is no number.
    """
    count = data.sizes.get("asset", 1)
    if name not in data.coords:
        return np.full(count, np.nan)
    raw = data[name].values
    try:
        return np.broadcast_to(np.asarray(raw, dtype=np.float64), (count,)).copy()
    except (TypeError, ValueError):
        found = ", ".join(map(str, np.ravel(raw)[:3]))
        raise InputError(
            f"{name} is not a number", where=name, found=found, expected="a number of each asset"
        ) from None


def rating(data: xr.Dataset, name: str) -> Floats:
    """A rating of each asset [kW] from its coordinate; NaN where it is not known, or not above zero, which is remarked."""
    values = fact(data, name)
    none = np.isfinite(values) & (values <= 0)
    if none.any():
        which = ", ".join(map(str, data["asset"].values[none][:6]))
        remark(f"{name} of {which} is {values[none][0]:g}: no rating, it counts as not known")
    return np.where(none | ~np.isfinite(values), np.nan, values)


def without_codes(values: Floats, name: str) -> Floats:
    """``values`` of the field ``name`` with :data:`CODES` as NaN, where nothing else lies near them; how many is remarked."""
    count = int(np.isinf(values).sum())
    if count:
        remark(f"{name}: {count} infinite values count as missing")
        values = np.where(np.isinf(values), np.nan, values)
    count = 0
    for code in CODES:
        here = values == code
        if here.any() and not ((np.abs(values - code) < 0.05 * abs(code)) & ~here).any():
            count += int(here.sum())
            values = np.where(here, np.nan, values)
    if count:
        remark(f"{name}: {count} codes for missing values ({', '.join(f'{c:g}' for c in CODES)}) count as missing")
    return values


def kilowatts(field: xr.DataArray) -> xr.DataArray:
    """A power that the vocabulary does not name, such as one expected, in kW by its attribute ``units``."""
    units = str(field.attrs.get("units") or "")
    if units in ("", "kW"):
        return field
    try:
        return convert(field, units, "kW")
    except InputError as error:
        raise error.at(where=str(field.name)) from None


def check_power(data: xr.Dataset, name: str, rated: Floats) -> None:
    """That power is in kW and not turned round, by the ratings ``rated`` [kW]; an asset without one is not judged.

    Raises
    ------
    InputError
        It is more than 20 times the rating, or of reversed sign.
    """
    raw = _values(data, name, "kW")
    size = raw.shape[1]
    rated = np.broadcast_to(np.where(rated > 0, rated, np.nan), (size,) if size > 1 else rated.shape)
    rated = rated if size > 1 else np.array([np.nansum(rated) if np.isfinite(rated).any() else np.nan])
    raw = np.where(np.isin(raw, CODES), np.nan, raw)
    top = np.nanmax(raw, axis=0, initial=-np.inf)
    names = _names(data, name)
    with np.errstate(invalid="ignore"):
        high = top > _ABOVE * rated
        below, above = (raw < -0.05 * rated).sum(axis=0), (raw > 0.05 * rated).sum(axis=0)
        low = (top > 0) & (top < _BELOW * rated) & (np.isfinite(raw).sum(axis=0) >= _SOME)
    # a few values far above are for `plausible`
    high &= (raw > _ABOVE * rated).sum(axis=0) > 0.05 * np.isfinite(raw).sum(axis=0)
    if high.any():
        at = int(np.argmax(high))
        raise InputError(
            "power far above the rating", where=f"{name} of {names[at]}", found=f"{float(top[at]):g}",
            expected=f"kW, rated {float(rated[at]):g}", hint="W? name the unit in its `units`",
        )  # fmt: skip
    turned = (below > above) & (below > 3)
    if turned.any():
        which = ", ".join(one for one, wrong in zip(names, turned, strict=True) if wrong)
        raise InputError(
            "power of reversed sign", where=f"{name} of {which}", found=f"{int(below[turned].sum())} values far below zero",
            hint="the steps solar_data_quality and solar_level_correction put it right",
        )  # fmt: skip
    if low.any():
        remark(f"{name} of {names[int(np.argmax(low))]} never reaches {100 * _BELOW:g} % of the rating: MW?")


def check_irradiance(data: xr.Dataset, name: str) -> None:
    """That irradiance is in W/m² and not turned round; codes and other values far below zero are remarked.

    Raises
    ------
    InputError
        It is text; it is below zero by day; it never reaches 20 W/m² though it is above zero.
    """
    raw = _values(data, name, "W/m2")
    with np.errstate(invalid="ignore"):
        below, above = (raw < -LIGHT).sum(axis=0), (raw > LIGHT).sum(axis=0)
    turned = below > above
    coded = np.isin(raw, CODES).sum(axis=0) >= below
    if (turned & ~coded).any():
        which = [one for one, wrong in zip(_names(data, name), turned, strict=True) if wrong]
        raise InputError(
            "irradiance of reversed sign",
            where=f"{name} of {', '.join(which[:10])}",
            found=f"{int(below[turned].sum())} values below {-LIGHT:g} W/m², {int(above[turned].sum())} above {LIGHT:g}",
            hint="the steps solar_data_quality and solar_level_correction put it right",
        )
    if below.any():
        remark(f"{name}: {int(below.sum())} values below {-LIGHT:g} W/m² count as missing")
    top = float(np.nanmax(raw, initial=-np.inf))
    if 0 < top < LIGHT:
        raise InputError(
            f"irradiance that never reaches {LIGHT:g} W/m²", where=name, found=f"at most {top:g}", hint="kW/m²?"
        )


def check_heat(data: xr.Dataset, name: str) -> None:
    """That a temperature of air, modules or cells can be in degC.

    Raises
    ------
    InputError
        Most of it is above 150 (Kelvin), or that of the air above 45 (Fahrenheit).
    """
    raw = _values(data, name, "degC")
    known = raw[np.isfinite(raw) & ~np.isin(raw, CODES)]
    if len(known) < _SOME:
        return
    middle = float(np.median(known))
    air = name in ("ambient_temperature", "temperature")
    if middle > _KELVIN or (air and middle > _AIR):
        raise InputError(
            "a temperature that cannot be in degC", where=name, found=f"median {middle:.4g}", expected="degC",
            hint=f"{'K' if middle > _KELVIN else 'degF'}? name the unit in its `units`, or the step `unit_conversion`",
        )  # fmt: skip
    coolest = float(np.quantile(known, 0.05))
    if not air and coolest > _COOLEST:
        remark(f"{name} is hardly ever below {coolest:.0f} degC: degF?")


def _values(data: xr.Dataset, name: str, units: str) -> Floats:
    """Values that are not rejected, in ``units``, [time, asset or 1], the infinite as NaN."""
    field = good(data, name)
    term = vocabulary().get(name)
    try:
        values = field.transpose("time", ...).values.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("values are no numbers", where=name, found=str(field.dtype), expected=units) from None
    if data[name].dtype.kind not in "fiub" and (term is None or not term.states):
        raise InputError("values are no numbers", where=name, found=str(field.dtype), expected=units)
    given = str(data[name].attrs.get("units") or "")
    if given and given != units:
        try:
            values = np.asarray(convert(values, given, units), dtype=np.float64)
        except InputError as error:
            raise error.at(where=name) from None
    values = np.where(np.isfinite(values), values, np.nan)
    return values if values.ndim == 2 else values[:, None]


def _names(data: xr.Dataset, name: str) -> list[str]:
    return [str(one) for one in data["asset"].values] if "asset" in data[name].dims else [name]
