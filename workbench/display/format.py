"""Numbers as people read them: units, digits, ages, clock times.

Everything shown to a person goes through these functions, so that a page, a notebook and a report write the
same value in the same way.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

NOTHING = "–"
THIN = "\u202f"  # narrow no-break space: between a number and its unit

# UDUNITS as the vocabulary writes them, and as an operator does.
_UNITS = {
    "1": "",
    "": "",
    "degC": "°C",
    "degree_Celsius": "°C",
    "celsius": "°C",
    "delta_degC": "K",
    "degF": "°F",
    "degree": "°",
    "degrees": "°",
    "degree_north": "°N",
    "degree_east": "°E",
    "percent": "%",
    "m s-1": "m/s",
    "m/s": "m/s",
    "mm s-1": "mm/s",
    "m s-2": "m/s²",
    "W m-2": "W/m²",
    "degree/s": "°/s",
    "kN*m": "kN·m",
    "mm2/s": "mm²/s",
    "microstrain": "µε",
    "W/m2": "W/m²",
    "kg/m3": "kg/m³",
    "m/s2": "m/s²",
    "kWh/m2": "kWh/m²",
    "W/m^2": "W/m²",
    "kg m-3": "kg/m³",
    "kvar*h": "kvarh",
    "kW h": "kWh",
    "MW h": "MWh",
    "kWh m-2": "kWh/m²",
    "kvar": "kvar",
    "min-1": "rpm",
    "rev/min": "rpm",
    "degree s-1": "°/s",
    "Hz s-1": "Hz/s",
    "ohm": "Ω",
    "kohm": "kΩ",
    "Mohm": "MΩ",
    "mm h-1": "mm/h",
}

# Decimals that make sense for a unit, whatever the size of the number.
_DECIMALS = {
    "Hz": 3,
    "°C": 1,
    "K": 1,
    "°": 1,
    "m/s": 1,
    "%": 1,
    "rpm": 1,
    "bar": 1,
    "mm/s": 2,
    "kg/m³": 3,
    "W/m²": 0,
    "hPa": 1,
}

_STEPS = {
    "W": ("W", "kW", "MW", "GW"),
    "Wh": ("Wh", "kWh", "MWh", "GWh", "TWh"),
    "var": ("var", "kvar", "Mvar", "Gvar"),
    "VA": ("VA", "kVA", "MVA", "GVA"),
}


def unit(units: str | None) -> str:
    """The unit as an operator writes it: ``"m s-1"`` becomes ``m/s``, ``"degC h-1"`` ``°C/h``, ``"1"`` nothing.

    Parameters
    ----------
    units
        UDUNITS text, as in the attribute ``units`` of a variable.
    """
    text = (units or "").strip()
    if text not in _UNITS and text.endswith(" h-1"):  # a slope, or a rate of change
        return f"{unit(text.removesuffix(' h-1'))}/h"
    return _UNITS.get(text, text)


def number(value: float | None, units: str | None = None, *, decimals: int | None = None) -> str:
    """``value`` with thousands separators, a true minus sign and as many decimals as its unit deserves.

    Parameters
    ----------
    value
        A missing value (None, NaN, infinity) gives an en dash.
    units
        Decides the decimals where ``decimals`` is not given; three significant digits otherwise.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if decimals is None:
        decimals = _DECIMALS.get(unit(units), _digits(value))
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        # "-0.0" is a zero that was rounded, not a negative number
        text = text[1:] if not text.strip("-0.,") else "\u2212" + text[1:]
    return text


def _digits(value: float) -> int:
    size = abs(value)
    if size >= 100 or size == 0 or float(value).is_integer():
        return 0
    return 1 if size >= 10 else 2 if size >= 1 else 3


def scaled(value: float | None, units: str | None, *, like: float | None = None) -> tuple[float | None, str]:
    """``value`` in the multiple of its unit that reads best: ``(2850.5, "kW")`` gives ``(2.8505, "MW")``.

    Parameters
    ----------
    like
        Choose the multiple for this value instead, so that several values share it.
    """
    name = unit(units)
    for steps in _STEPS.values():
        if name not in steps:
            continue
        judge = like if like is not None else value
        if value is None or judge is None or not math.isfinite(judge):
            return value, name
        at = steps.index(name)
        up = 0
        # From 1,000 kW on an operator thinks in MW; 999 kW stays.
        while at + up + 1 < len(steps) and abs(judge) >= 1000.0 ** (up + 1):
            up += 1
        return value / 1000.0**up, steps[at + up]
    return value, name


def quantity(value: float | None, units: str | None, *, decimals: int | None = None, scale: bool = False) -> str:
    """Number and unit in one text: ``quantity(12.34, "m s-1")`` is ``12.3 m/s``.

    Parameters
    ----------
    scale
        Choose the multiple of the unit that reads best (kW, MW, GW).
    """
    name = unit(units)
    if scale:
        value, name = scaled(value, units)
        if decimals is None and value is not None and name != unit(units):
            decimals = 2 if abs(value) < 100 else 1
    text = number(value, name, decimals=decimals)
    space = "" if name in ("°", "%") and name == "°" else THIN
    return f"{text}{space}{name}" if name else text


def percent(fraction: float | None, *, decimals: int = 1) -> str:
    """``0.4567`` as ``45.7 %``."""
    if fraction is None or not math.isfinite(fraction):
        return f"{NOTHING}{THIN}%"
    return f"{number(fraction * 100.0, decimals=decimals)}{THIN}%"


def age(seconds: float | None) -> str:
    """A length of time in its two leading digits: ``0.4 s``, ``12 s``, ``3 min``, ``2.1 h``, ``4 d``."""
    if seconds is None or not math.isfinite(seconds):
        return "never"
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}{THIN}s"
    if seconds < 99.5:
        return f"{seconds:.0f}{THIN}s"
    for size, name in ((60.0, "min"), (3600.0, "h"), (86400.0, "d")):
        amount = seconds / size
        if amount < 9.95:
            return f"{amount:.1f}{THIN}{name}"
        if amount < (59.5 if name == "min" else 47.5) or name == "d":
            return f"{amount:,.0f}{THIN}{name}"
    raise AssertionError("unreachable")


def zone(name: str | None) -> tzinfo:
    """The time zone of that IANA name; UTC for None."""
    return ZoneInfo(name) if name else UTC


def clock(ns: int | None, tz: str | None = None, *, date: bool = False, seconds: bool = True) -> str:
    """Time of day of an instant, ``14:05:31``, with its date where asked, in the zone ``tz`` (default UTC).

    Parameters
    ----------
    ns
        ns since 1970 UTC; None or 0 gives an en dash.
    """
    if not ns:
        return NOTHING
    when = datetime.fromtimestamp(ns / 1e9, tz=zone(tz))
    pattern = "%H:%M:%S" if seconds else "%H:%M"
    return when.strftime(f"%Y-%m-%d {pattern}" if date else pattern)


def shorten(text: str, most: int) -> str:
    """``text`` with at most ``most`` characters, an ellipsis where some were left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def words(name: str) -> str:
    """A name of the vocabulary as words: ``operating_normal`` becomes ``Operating normal``."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
