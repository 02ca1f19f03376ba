"""Power curves as objects: what a turbine gives at a wind speed, whatever form the curve has.

A curve is evaluated on numbers or on a DataArray, which stays lazy where it is lazy, and can be written as a table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from numpy.polynomial import chebyshev

from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]
#: No wind is faster [m/s]; the vocabulary's limit.
FASTEST = 75.0


@dataclass(frozen=True)
class Curve(ABC):
    """Power [kW] of one turbine by wind speed [m/s], at one air density.

    A fitted curve holds between ``low`` and ``high``. Below, it is ``below``; above, it keeps its value at ``high`` up to
    ``cut_out``; beyond, it is zero. It is never more than ``limit``, and never less than zero or ``below``: a turbine that
    stands takes power.
    """

    low: float  #: [m/s]
    high: float  #: [m/s]
    limit: float  #: highest power [kW]
    cut_out: float = 25.0  #: [m/s]
    below: float = 0.0  #: power below ``low`` [kW]

    @abstractmethod
    def form(self, speed: Floats) -> Floats:
        """Power [kW] at wind speeds within [low, high]."""

    def at(self, wind_speed: npt.ArrayLike) -> Floats:
        """Power [kW] at wind speeds [m/s], of the same shape; NaN where the wind speed is missing."""
        speed = np.asarray(wind_speed, dtype=np.float64)
        found: npt.NDArray[Any] = self.form(np.clip(speed, self.low, self.high))
        found = np.clip(found, min(self.below, 0.0), self.limit)
        found = np.where(speed < self.low, self.below, found)
        found = np.where(speed > self.cut_out, 0.0, found)
        return np.where(np.isfinite(speed), found, np.nan)

    def __call__(self, wind_speed: xr.DataArray) -> xr.DataArray:
        """Power [kW] at wind speeds [m/s], of the same dims; lazy where they are lazy."""
        found: xr.DataArray = xr.apply_ufunc(self.at, wind_speed, dask="parallelized", output_dtypes=[np.float64])
        return found.drop_attrs(deep=False).assign_attrs(units="kW", long_name="power by the curve")

    def table(self, bin_width: float = 0.5) -> xr.Dataset:
        """The curve at the multiples of ``bin_width`` [m/s] up to cut-out; dims (wind_speed_bin), ``power`` [kW]."""
        centres = np.arange(int(np.floor(self.cut_out / bin_width + 1e-9)) + 1) * bin_width
        axis = ("wind_speed_bin", centres, {"units": "m/s", "long_name": "bin centre"})
        power = ("wind_speed_bin", self.at(centres), {"units": "kW", "long_name": "power by the curve"})
        return xr.Dataset({"power": power}, coords={"wind_speed_bin": axis}, attrs=self.settings())

    def rmse(self, wind_speed: npt.ArrayLike, power: npt.ArrayLike) -> float:
        """Root mean square [kW] of what measured ``power`` [kW] differs from the curve; missing values left out."""
        off = np.asarray(power, dtype=np.float64) - self.at(wind_speed)
        return float(np.sqrt(np.nanmean(off * off)))

    def settings(self) -> dict[str, Any]:
        """The form and its numbers, as attributes."""
        return {"form": type(self).__name__, "low": self.low, "high": self.high, "cut_out": self.cut_out}


@dataclass(frozen=True)
class PointsCurve(Curve):
    """Straight lines between points: a manufacturer's table, or the means of bins."""

    speeds: tuple[float, ...] = ()  #: rising [m/s]
    powers: tuple[float, ...] = ()  #: [kW]

    def form(self, speed: Floats) -> Floats:
        """Linear between the points."""
        return np.interp(speed, self.speeds, self.powers)


@dataclass(frozen=True)
class LogisticCurve(Curve):
    """Five-parameter logistic: P = d + (a - d) / (1 + (v / c)^-b)^g.

    References
    ----------
    .. [1] M. Lydia et al., Advanced algorithms for wind turbine power curve modeling, IEEE Transactions on Sustainable
       Energy 4 (2013) 827-835, https://doi.org/10.1109/TSTE.2013.2247641.
    """

    rating: float = np.nan  #: a, the upper asymptote [kW]
    steepness: float = np.nan  #: b [1]
    centre: float = np.nan  #: c [m/s]
    floor: float = np.nan  #: d, the lower asymptote [kW]
    asymmetry: float = np.nan  #: g [1]

    def form(self, speed: Floats) -> Floats:
        """By the formula; at no wind the lower asymptote."""
        with np.errstate(divide="ignore", over="ignore"):
            ratio = np.exp(-self.steepness * np.log(speed / self.centre))
            return self.floor + (self.rating - self.floor) * np.exp(-self.asymmetry * np.log1p(ratio))

    def settings(self) -> dict[str, Any]:
        """With its five parameters."""
        names = ("rating", "steepness", "centre", "floor", "asymmetry")
        return super().settings() | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class PolynomialCurve(Curve):
    """Polynomial in the wind speed, as a Chebyshev series on [low, high]; powers of v itself are ill-conditioned."""

    coefficients: tuple[float, ...] = ()
    above: float = np.nan  #: power from ``high`` on [kW]; NaN for that of the polynomial at ``high``

    def form(self, speed: Floats) -> Floats:
        """By Clenshaw's recurrence."""
        found = np.asarray(chebyshev.chebval(scaled(speed, self.low, self.high), self.coefficients), dtype=np.float64)
        return np.where(speed >= self.high, self.above, found) if np.isfinite(self.above) else found

    def settings(self) -> dict[str, Any]:
        """With its degree."""
        return super().settings() | {"degree": len(self.coefficients) - 1}


def scaled(speed: Floats, low: float, high: float) -> Floats:
    """[low, high] as [-1, 1]."""
    return (2.0 * speed - low - high) / (high - low)


@dataclass(frozen=True)
class SplineCurve(Curve):
    """Monotone cubic interpolation between rising points, which neither overshoots nor falls.

    References
    ----------
    .. [1] F. N. Fritsch and J. Butland, A method for constructing local monotone piecewise cubic interpolants, SIAM
       Journal on Scientific and Statistical Computing 5 (1984) 300-304, https://doi.org/10.1137/0905021.
    """

    speeds: tuple[float, ...] = ()
    powers: tuple[float, ...] = ()

    def form(self, speed: Floats) -> Floats:
        """Piecewise cubic."""
        from scipy.interpolate import PchipInterpolator

        found: Floats = PchipInterpolator(self.speeds, self.powers, extrapolate=False)(speed)
        return found


def curves_power(curves: Mapping[str, Curve], wind_speed: xr.DataArray) -> xr.DataArray:
    """Power [kW] by the curve of each asset at ``wind_speed`` [m/s], same dims; NaN for an asset without a curve.

    Lazy where ``wind_speed`` is lazy.

    Raises
    ------
    InputError
        ``wind_speed`` has no dim ``asset``.
    """
    if "asset" not in wind_speed.dims:
        raise InputError(
            "the wind speed is of no asset",
            where="wind_speed",
            found=str(wind_speed.dims),
            expected="dims (time, asset)",
        )
    own = [curves.get(str(asset)) for asset in wind_speed["asset"].values]

    def each(speeds: Floats) -> Floats:
        found = np.full(speeds.shape, np.nan)
        for column, curve in enumerate(own):
            if curve is not None:
                found[..., column] = curve.at(speeds[..., column])
        return found

    found: xr.DataArray = xr.apply_ufunc(
        each,
        wind_speed,
        input_core_dims=[["asset"]],
        output_core_dims=[["asset"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[np.float64],
    )
    found = found.transpose(*wind_speed.dims).drop_attrs(deep=False)
    return found.assign_attrs(units="kW", long_name="power by the curve")
