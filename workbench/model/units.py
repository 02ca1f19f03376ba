"""Units, through pint: spelled as devices and data sheets spell them, converted with their offsets.

The registry is made on first use; importing this module costs nothing.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pint

_Values = TypeVar("_Values")

#: Spellings that pint does not know, or would read as something else. Matched whole.
_SPELLINGS = {
    "": "dimensionless",
    "-": "dimensionless",
    "1": "dimensionless",
    "%": "percent",
    "deg": "degree",
    "deg C": "degC",
    "deg F": "degF",
    "degrees celsius": "degC",
    "degrees fahrenheit": "degF",
    "C": "degC",  # in this trade a device that says C means Celsius, never coulomb
    "F": "degF",
    "Celsius": "degC",
    "Fahrenheit": "degF",
    "RPM": "rpm",
    "r/min": "rpm",
    "1/min": "rpm",
    "VAr": "var",
    "VAR": "var",
    "kVAr": "kvar",
    "kVAR": "kvar",
    "MVAr": "Mvar",
    "MVAR": "Mvar",
    "€/MWh": "EUR/MWh",
    "$/MWh": "USD/MWh",
}
# Products written without a sign. pint knows none of them, or (Nm) as a number of metres, the weavers' unit.
for _prefix in ("", "k", "M", "G"):
    _SPELLINGS |= {f"{_prefix}Nm": f"{_prefix}N*m", f"{_prefix}VAh": f"{_prefix}VA*h"}
    _SPELLINGS |= {f"{_prefix}{_var}h": f"{_prefix}var*h" for _var in ("var", "VAr", "VAR")}

#: Units by which a wrong spelling is put right: those a device of this trade is likely to mean.
_USUAL = (
    *("W", "kW", "MW", "GW", "Wh", "kWh", "MWh", "GWh", "var", "kvar", "Mvar", "kvarh", "Mvarh", "VA", "kVA", "MVA"),
    *("kVAh", "V", "kV", "A", "kA", "Hz", "Hz/s", "ohm", "kohm", "degC", "degF", "K", "m", "km", "m/s", "km/h", "rpm"),
    *("degree", "degree/s", "Pa", "hPa", "kPa", "bar", "mbar", "W/m2", "kW/m2", "kWh/kWp", "Nm", "kNm", "mm/s", "m/s2"),
    *("mm", "mm/h", "kg/m3", "ppm", "s", "min", "h", "EUR/MWh", "USD/MWh"),
)

#: Units of the trade. Reactive power has the dimension of power, as in every data sheet; currencies are
#: dimensions of their own, so that euros never turn into dollars.
_DEFINITIONS = (
    "var = volt * ampere",
    "watt_peak = watt = Wp",
    "microstrain = 1e-6",
    "EUR = [currency_EUR]",
    "USD = [currency_USD]",
    "GBP = [currency_GBP]",
    "CAD = [currency_CAD]",
)

# "m2", "m-2", "s-1": an exponent stands right behind the letters of its unit (UDUNITS).
_EXPONENT = re.compile(r"(?<=[A-Za-z])(?=[-+]?\d+(?:$|[^\d.A-Za-z]))")
_ANGULAR = frozenset({"radian", "degree", "turn", "revolutions_per_minute", "revolutions_per_second"})
_CYCLIC = frozenset({"hertz", "counts_per_second"})


@functools.cache
def registry() -> pint.UnitRegistry[Any]:
    """The registry of units, one per process, made on first use."""
    import pint

    units: pint.UnitRegistry[Any] = pint.UnitRegistry(
        autoconvert_offset_to_baseunit=True, preprocessors=[_exponents], cache_folder=None
    )
    for definition in _DEFINITIONS:
        units.define(definition)
    return units


def _exponents(text: str) -> str:
    return _EXPONENT.sub("**", text)


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> pint.Unit:
    import pint

    spelled = text.strip()
    spelled = _SPELLINGS.get(spelled, spelled)
    spelled = re.sub(r"\s+per\s+", "/", spelled)
    # UDUNITS writes a product as "W m-2" or "kg.m-3"
    spelled = re.sub(r"(?<=[A-Za-z0-9²³])(?:\s+|\.)(?=[A-Za-z])", "*", spelled)
    try:
        return registry().parse_units(spelled)
    except (pint.PintError, ValueError, TypeError, AttributeError, AssertionError, SyntaxError) as error:
        raise InputError(
            f"unknown unit {text!r}",
            found=text,
            expected="a unit such as kW, m/s, degC, W/m2, kWh, %",
            hint=_near(spelled),
        ) from error


def _near(text: str) -> str | None:
    """The unit that differs from ``text`` in nothing but case (``KW``, ``HZ``)."""
    import pint

    usual = next((unit for unit in _USUAL if unit.casefold() == text.casefold()), None)
    if usual is not None:
        return f"did you mean {usual}?"
    try:
        found = registry().parse_units(text, case_sensitive=False)
    except (pint.PintError, ValueError, TypeError, AttributeError, AssertionError, SyntaxError):
        return None
    return f"did you mean {found:~}?"


def check_unit(text: str) -> str:
    """``text`` if it is a unit.

    Raises
    ------
    InputError
        It is none.
    """
    _parsed(text)
    return text


def same_dimension(a: str, b: str) -> bool:
    """Whether a quantity in unit ``a`` can be converted to unit ``b``.

    Raises
    ------
    InputError
        One of them is no unit.
    """
    one, other = _parsed(a), _parsed(b)
    return one.dimensionality == other.dimensionality and not _crosses(one, other)


def convert(values: _Values, from_unit: str, to_unit: str) -> _Values:
    """``values`` in another unit, offsets included (0 degC is 32 degF).

    Parameters
    ----------
    values
        A number, numpy array, dask array or DataArray [``from_unit``]. A DataArray stays lazy where it is
        lazy and gets the new ``units`` attribute; floating dtypes are kept.
    from_unit, to_unit
        Units as pint or UDUNITS write them, and the usual spellings of devices.

    Returns
    -------
    The same kind of thing [``to_unit``].

    Raises
    ------
    InputError
        A unit is unknown, or one cannot be converted to the other.
    """
    if from_unit == to_unit:
        return values
    start, end = _parsed(from_unit), _parsed(to_unit)
    if start.dimensionality != end.dimensionality:
        raise InputError(
            f"cannot convert {from_unit!r} to {to_unit!r}",
            found=f"{from_unit!r}, {_dimension(start)}",
            expected=f"a unit of {_dimension(end)}, as {to_unit!r} is",
        )
    if _crosses(start, end):
        raise InputError(
            f"cannot convert {from_unit!r} to {to_unit!r}",
            found="an angular speed and a frequency",
            hint="one turn is one cycle: divide rpm by 60 to get Hz",
        )
    if hasattr(values, "dims") and hasattr(values, "attrs"):  # a DataArray
        array: Any = values
        changed = array.copy(data=_converted(array.data, start, end))
        changed.attrs = {**array.attrs, "units": to_unit}
        return changed  # type: ignore[no-any-return]
    return _converted(values, start, end)  # type: ignore[no-any-return]


def _converted(values: Any, start: pint.Unit, end: pint.Unit) -> Any:
    import numpy as np

    if isinstance(values, (list, tuple)):
        values = np.asarray(values, dtype=float)
    line = _line(start, end)
    if line is None:
        return registry().convert(values, start, end)
    factor, shift = line
    # Python floats leave float32 as it is; a product by one still is a new array
    return values * factor + shift if shift else values * factor


@functools.lru_cache(maxsize=1024)
def _line(start: pint.Unit, end: pint.Unit) -> tuple[float, float] | None:
    """``(a, b)`` with end = a·start + b, or None where it is no straight line (logarithmic units).

    pint goes by way of the base unit, which in float32 costs °C to °F three digits (273.15 in between).
    """
    import numpy as np

    change = registry().convert
    with np.errstate(all="ignore"):  # a million decibels are beyond any number
        zero, one, wide, double = (float(change(x, start, end)) for x in (0.0, 1.0, 1e6, 2e6))
    factor, shift = (wide - zero) / 1e6, zero
    if not all(np.isfinite(value) for value in (zero, one, wide, double)):
        return None
    for x, value in ((1.0, one), (2e6, double)):
        if abs(value - (zero + x * factor)) > 1e-9 * max(abs(value), abs(zero)):
            return None
    # the rounding of pint's own sums is taken out again: 32, not 31.99999999999994
    if shift == 0.0:
        return float(change(1.0, start, end)), 0.0
    return float(f"{factor:.12g}"), float(f"{shift:.10g}")


def _dimension(unit: pint.Unit) -> str:
    text = str(unit.dimensionality)
    return "a plain number" if text == "dimensionless" else text


def _crosses(one: pint.Unit, other: pint.Unit) -> bool:
    """Whether pint would turn revolutions into cycles by 2π: it holds radians for plain numbers."""

    def has(unit: pint.Unit, names: frozenset[str]) -> bool:
        return any(str(name) in names for name in unit._units)

    return (has(one, _ANGULAR) and has(other, _CYCLIC)) or (has(one, _CYCLIC) and has(other, _ANGULAR))


def line(from_unit: str, to_unit: str) -> tuple[float, float]:
    """``(factor, offset)`` with which a number [``from_unit``] becomes one [``to_unit``].

    Raises
    ------
    InputError
        A unit is unknown, one cannot be converted to the other, or not by a straight line.
    """
    zero = float(convert(0.0, from_unit, to_unit))
    found = _line(_parsed(from_unit), _parsed(to_unit))
    if found is None:
        raise InputError(f"{from_unit!r} does not convert to {to_unit!r} by a factor", found=f"0 is {zero:g}")
    return found


def combined(a: str, b: str, op: str) -> str:
    """The unit of a product (``*``) or quotient (``/``) of quantities in the units ``a`` and ``b``; ``1`` for none."""
    one, other = _parsed(a), _parsed(b)
    found = one * other if op == "*" else one / other
    return _text(found)


def raised(a: str, exponent: float) -> str:
    """The unit of a power of a quantity in the unit ``a``."""
    return _text(_parsed(a) ** exponent)


def _text(unit: Any) -> str:
    return "1" if unit == registry().Unit("dimensionless") else f"{unit:~C}"
