"""Power brought from the turbulence it was measured in to a turbulence of reference.

A ten-minute mean of power is the mean over all the wind speeds of those ten minutes. Where the curve bends upward, turbulence
raises it; at the knee it lowers it. Of a curve that is known without turbulence, both can be computed, and the difference
between the two turbulences is added to what was measured [1]_ [2]_.

References
----------
.. [1] IEC 61400-12-1:2017, annex M, Normalization of measured power curve data according to the turbulence intensity.
.. [2] A. Albers, Turbulence and shear normalisation of wind turbine power curve, Proceedings of EWEC 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from workbench.analytics.wind.air_density import STANDARD_DENSITY
from workbench.analytics.wind.curve_fits import MIN_COUNT, binned
from workbench.analytics.wind.curves import Floats
from workbench.model.errors import InputError

# Wind speeds within ten minutes are Gaussian [1]_: nodes in standard deviations, weights that sum to one.
_NODES = np.linspace(-4.0, 4.0, 81)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()
_ROUNDS = 50


@dataclass(frozen=True)
class ZeroTurbulence:
    """A turbine's curve without turbulence: nothing below cut-in, the highest power coefficient, the rating."""

    cut_in: float  #: [m/s]
    rating: float  #: [kW]
    coefficient: float  #: highest power coefficient [1]
    diameter: float  #: of the rotor [m]
    density: float = STANDARD_DENSITY  #: that the wind speeds are normalised to [kg/m3]

    def at(self, wind_speed: Floats) -> Floats:
        """Power [kW] at wind speeds [m/s] that do not vary."""
        found = np.minimum(self.coefficient * _available(wind_speed, self.diameter, self.density), self.rating)
        return np.where(wind_speed < self.cut_in, 0.0, found)  # a missing wind speed stays missing

    def in_turbulence(self, wind_speed: Floats, turbulence: Floats) -> Floats:
        """Mean power [kW] of ten minutes with mean wind speeds [m/s] and turbulence intensities [1], element by element."""
        found = np.zeros(np.broadcast(wind_speed, turbulence).shape)
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            found += weight * self.at(np.maximum(wind_speed * (1.0 + node * turbulence), 0.0))
        return found


def _available(wind_speed: Floats, diameter: float, density: float) -> Floats:
    """Power of the wind through the rotor [kW]."""
    return density / 2.0 * np.pi / 4.0 * diameter**2 * wind_speed**3 / 1000.0


def zero_turbulence_curve(
    wind_speed: Floats,
    power: Floats,
    turbulence: Floats,
    *,
    diameter: float,
    density: float = STANDARD_DENSITY,
    bin_width: float = 0.5,
) -> ZeroTurbulence:
    """The curve without turbulence whose means in the turbulence measured look like the measured curve.

    Its rating, cut-in and highest power coefficient are moved until the binned curve computed with it has those of the
    binned curve measured: within 0.1 % of the rating, 0.5 m/s and 0.01, the limits of the standard, and on from there as
    far as they come closer, at most fifty times.

    Parameters
    ----------
    wind_speed, power, turbulence
        Of one turbine in normal operation: [m/s], normalised to ``density``; [kW]; intensity [1]. Slots in which one is
        missing are left out.
    diameter
        Of the rotor [m].

    Raises
    ------
    InputError
        No bin of wind speed has enough values, or the limits are not reached.
    """
    there = np.isfinite(wind_speed) & np.isfinite(power) & np.isfinite(turbulence) & (wind_speed > 0)
    speed, made, mixed = (np.asarray(one, np.float64)[there] for one in (wind_speed, power, turbulence))

    def marks(values: Floats) -> Floats:
        bins = binned(speed, values, bin_width, MIN_COUNT)
        running = bins.speed[bins.power >= 0.001 * bins.limit]
        return np.array(
            [bins.limit, running[0], np.max(bins.power / _available(bins.speed, diameter, density))], dtype=np.float64
        )

    goal = marks(made)
    limits = np.array([0.001 * goal[0], 0.5, 0.01])
    given, best, curve = goal.copy(), np.inf, None
    for _ in range(_ROUNDS):
        one = ZeroTurbulence(float(given[1]), float(given[0]), float(given[2]), diameter, density)
        off = goal - marks(one.in_turbulence(speed, mixed))
        far = float(np.max(np.abs(off) / limits))
        if far < best - 1e-6:
            best, curve = far, one
        if far < 0.01:
            break
        given = np.maximum(given + off, [1e-6 * goal[0], 0.0, 1e-6])
    if curve is None or best > 1.0:
        raise InputError(
            "no curve without turbulence gives the curve measured",
            found=f"rating, cut-in or power coefficient off by {best:.1f} times what IEC 61400-12-1 allows",
            hint="leave out slots that are not normal operation; are power and rotor diameter those of the turbine?",
        )
    return curve


def turbulence_normalized_power(
    power: xr.DataArray,
    wind_speed: xr.DataArray,
    turbulence: xr.DataArray,
    curve: ZeroTurbulence,
    reference: xr.DataArray | float = 0.10,
) -> xr.DataArray:
    """Power [kW] as it would have been in the turbulence of reference; lazy where the inputs are lazy.

    P_ref = P + P_sim(v, TI_ref) - P_sim(v, TI), with P_sim the mean of the curve without turbulence over Gaussian wind
    speeds; IEC 61400-12-1:2017, annex M.

    Parameters
    ----------
    power, wind_speed, turbulence
        Of one turbine: [kW]; [m/s], normalised to the density of the curve; standard deviation over mean of the wind [1].
    curve
        From :func:`zero_turbulence_curve`.
    reference
        Turbulence intensity of reference [1].
    """

    def moved(made: Floats, speed: Floats, mixed: Floats, goal: Floats) -> Floats:
        return made + curve.in_turbulence(speed, goal) - curve.in_turbulence(speed, mixed)

    found: xr.DataArray = xr.apply_ufunc(
        moved, power, wind_speed, turbulence, reference, dask="parallelized", output_dtypes=[np.float64]
    )
    attrs = {"units": "kW", "long_name": "power at the turbulence of reference"}
    return found.drop_attrs(deep=False).assign_attrs(attrs)
