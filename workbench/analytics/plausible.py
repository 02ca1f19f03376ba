"""Values that nothing can have measured count as missing in an analysis, whether somebody flagged them before or not.

The limits are wide: beyond them is no weather and no plant, but a code for "missing" such as -9999, an overflow, another
unit. What is merely doubtful is for :mod:`workbench.transforms.quality` to flag.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark
from workbench.transforms.quality import POWER_VARIABLES

#: Units whose limits in the vocabulary are those of nature. Energies and powers depend on the plant.
_OF_NATURE = ("m/s", "degC", "hPa", "%", "kg/m3", "W/m2")
#: Angles are written in turns from -360 to 720 [degree].
_TURNS = (-360.0, 720.0)
#: Power as a share of the rating [1]: from, of a battery from, to.
_DRAWN, _CHARGED, _MOST = -0.2, -1.5, 1.5

Limit = float | npt.NDArray[np.float64]


def plausible(values: xr.DataArray, name: str) -> xr.DataArray:
    """``values`` of the variable ``name`` [vocabulary's unit] without the infinite and the impossible; how many is remarked.

    Power is held against the coordinate ``rated_capacity`` [kW], -0.2 to 1.5 of it (a battery: -1.5), where that is there and
    positive; wind speed, temperature, pressure, humidity, air density and irradiance against the vocabulary's limits; angles
    against -360 to 720 degrees; nothing else. Lazy values stay lazy, and are not counted.
    """
    if values.dtype.kind not in "fiu":
        return values
    low, high, text = _limits(values, name)
    lazy = values.chunks is not None
    data = values.data if lazy else values.values
    known = low is not None and high is not None
    if not lazy:
        with np.errstate(invalid="ignore"):
            odd = (data < low) | (data > high) if known else np.isinf(data)
        count = int(odd.sum())
        if not count:
            return values
        remark(f"{name}: {count} impossible values ({text}) count as missing")
        return values.where(~xr.DataArray(odd, dims=values.dims))
    possible = np.isfinite(data) if not known else (data >= low) & (data <= high)
    return values.where(xr.DataArray(possible, dims=values.dims))


def _limits(values: xr.DataArray, name: str) -> tuple[Limit | None, Limit | None, str]:
    """Least and most, to be compared with the values' array as it stands; None where only infinity is impossible."""
    term = vocabulary().get(name)
    if name in POWER_VARIABLES:
        if "rated_capacity" not in values.coords or "asset" not in values.dims:
            return None, None, "infinite"
        told = values.coords["rated_capacity"].values
        try:
            rating = np.broadcast_to(np.asarray(told, dtype=np.float64), (values.sizes["asset"],))
        except (TypeError, ValueError):
            found = ", ".join(map(str, np.ravel(told)[:3]))
            raise InputError(
                "rated_capacity is not a number", where="rated_capacity", found=found, expected="kW"
            ) from None
        rating = np.where(rating > 0, rating, np.inf)
        kind = np.asarray(values.coords["asset_type"].values if "asset_type" in values.coords else "").astype(str)
        share = np.where(np.broadcast_to(kind, rating.shape) == "battery", _CHARGED, _DRAWN)
        shape = tuple(-1 if dim == "asset" else 1 for dim in values.dims)
        with np.errstate(invalid="ignore"):
            low, high = (rating * share).reshape(shape), (rating * _MOST).reshape(shape)
        # an infinite limit lets infinite values pass
        return np.maximum(low, -1e300), np.minimum(high, 1e300), f"outside {_DRAWN:g} to {_MOST:g} of the rating"
    if term is not None and term.units == "degree":
        return *_TURNS, "not within -360 to 720 degrees"
    if term is not None and term.units in _OF_NATURE and term.valid_min is not None and term.valid_max is not None:
        return term.valid_min, term.valid_max, f"outside {term.valid_min:g} to {term.valid_max:g} {term.units}"
    return None, None, "infinite"
