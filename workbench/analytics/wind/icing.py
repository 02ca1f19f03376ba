"""Icing of rotors and anemometers from SCADA data, by the method of IEA Wind Task 19.

The turbine is the ice detector: in the cold, power below the tenth percentile of the turbine's own ice-free power at that
wind speed for half an hour is a loss to ice (class a); a stop that begins so is a standstill by ice (class b); power above
the ninetieth percentile means that the anemometer is iced (class c).

What is found is an operating state and no bad value, so it is a field of its own, ``icing``, and no quality flag: the power
of an iced turbine is true. Only the wind speed of class c is wrong, and is flagged INCONSISTENT.

References
----------
.. [1] IEA Wind TCP Task 19, Ice Loss Method, https://github.com/IEAWind-Task19/T19IceLossMethod (documentation,
   "Method"); T. Karlsson et al., IEA Wind Task 19 report on availability and losses in cold climates.
"""

from __future__ import annotations

from typing import Annotated, Any

import numba
import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.wind.air_density import STANDARD_DENSITY, density_of
from workbench.analytics.wind.neighbours import by_turbine
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.analytics.wind.usual_power import at_speed, bridged, rating_of, usual_values
from workbench.model.quality import Quality, add_flags
from workbench.steps import progress, remark, step

UNKNOWN, NONE, LOSS, STANDSTILL, OVERPRODUCTION = -1, 0, 1, 2, 3
ICING, ICING_LOSS = "icing", "icing_loss"
_MEANINGS = "unknown none production_loss standstill overproduction"

#: Reference: ice-free by temperature [degC], producing by share of the rating where no status tells [1]_.
_WARM, _PRODUCING = 3.0, 0.05
_LONG = 3  #: slots in a row that begin and end an event: 30 minutes
_STOPPED = 0.005  #: share of the rating, below it a turbine stands
_STOP_LONG = 2  #: slots it has to stand: 20 minutes


@step("icing_detection")
def icing_detection(
    data: xr.Dataset,
    *,
    freezing: float = 0.0,
    lower: Annotated[float, Field(gt=0, lt=0.5)] = 0.1,
    upper: Annotated[float, Field(gt=0.5, lt=1)] = 0.9,
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    cut_in: Annotated[float, Field(ge=0)] = 4.0,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    temperature: str = "temperature",
    flag: bool = True,
) -> xr.Dataset:
    """Find icing by power in the cold, as IEA Wind Task 19 does.

    Reference: power by bins of wind speed (0.5 m/s, brought to 1.225 kg/m3) of the slots above +3 degC in which the turbine
    produced; a bin needs six hours, between bins it is taken linearly. An event of class a or c begins with 30 minutes in the
    cold on the wrong side of its percentile, one of class b with ten minutes below it and a stop of 20 minutes after it; each
    ends with 30 minutes on the right side. Slots without data do not end an event, and are unknown.

    By its definition a tenth of all slots lies below the tenth percentile, and slots in a row are alike: with the method as
    published much of what is found in the cold is chance (of La Haute Borne's overproduction nine tenths lie within 10 % of
    the percentile). ``margin`` asks for more by default; with 0 the method is as published.

    Parameters
    ----------
    data
        dims (time, asset): wind speed [m/s], power [kW], temperature [degC]. Faster data are brought to ten minutes
        first.
    freezing
        Highest temperature of an event's beginning [degC]; nacelle sensors may read 2 to 3 K too warm.
    lower, upper
        Quantiles of the reference.
    margin
        Share of the usual power by which power must lie beyond the quantile as well; 0 is the method as published.
    cut_in
        Wind speed [m/s] below which the turbine is not judged.
    flag
        Whether to flag INCONSISTENT the wind speed of class c.

    Returns
    -------
    xr.Dataset
        ``icing`` (time, asset), int8: -1 unknown, 0 none, 1 production_loss, 2 standstill, 3 overproduction;
        ``icing_loss`` [kW]: usual power less the power made in classes 1 and 2, 0 without icing, NaN in class 3 (there
        the wind is not known) and where unknown.
    """
    data = ten_minute(data)
    if temperature not in data:
        remark(f"icing_detection: no field {temperature!r}; nothing can be judged")
    speed, made = by_turbine(data, wind_speed), by_turbine(data, power)
    cold = by_turbine(data, temperature) if temperature in data else np.full(made.shape, np.nan)
    rating = rating_of(data, made)
    density = density_of(data, temperature=temperature, told_by="icing_detection")
    if density is not None:
        rho = np.broadcast_to(density.transpose("time", "asset").values, speed.shape)
        normal = speed * np.cbrt(rho / STANDARD_DENSITY)
    else:
        normal = speed
    reference = (cold > _WARM) & (made > _PRODUCING * rating) & np.isfinite(normal)
    progress(1, 4)
    low, middle, high = bridged(usual_values(normal, made, reference, (lower, 0.5, upper)))
    for column in np.flatnonzero(~np.isfinite(middle).any(axis=1)):
        remark(f"icing_detection: {data['asset'].values[column]} has no ice-free reference; it is not judged")
    progress(2, 4)
    usual = at_speed(middle, normal)
    least = at_speed(low, normal) - margin * usual
    most = at_speed(high, normal) + margin * usual
    # at rated power nothing is above the curve, and a turbine's own spread there is its noise
    most = np.where(usual > 0.97 * rating, np.inf, most)
    judged = np.isfinite(made) & np.isfinite(cold) & np.isfinite(least) & (speed >= cut_in)
    progress(3, 4)
    ice, known = _events(made, least, most, cold, judged, rating, freezing)
    progress(4, 4)
    # below cut-in nothing would be made: no ice that matters, unless an event goes on
    calm = np.isfinite(made) & np.isfinite(cold) & (speed < cut_in)
    code = np.where(known | (calm & (ice == NONE)) | (np.isfinite(cold) & (cold > _WARM) & (ice == NONE)), ice, UNKNOWN)
    loss = np.where((code == LOSS) | (code == STANDSTILL), usual - made, np.where(code == NONE, 0.0, np.nan))
    dims, coords = ("time", "asset"), {name: data[name] for name in ("time", "asset")}
    data = data.assign(
        {
            ICING: xr.DataArray(
                code.astype(np.int8),
                dims=dims,
                coords=coords,
                attrs={
                    "long_name": "icing",
                    "flag_values": np.array([UNKNOWN, NONE, LOSS, STANDSTILL, OVERPRODUCTION], np.int8),
                    "flag_meanings": _MEANINGS,
                    "comment": "IEA Wind Task 19 ice loss method",
                },
            ),
            ICING_LOSS: xr.DataArray(
                loss.astype(np.float32),
                dims=dims,
                coords=coords,
                attrs={"units": "kW", "long_name": "power lost to ice"},
            ),
        }
    )
    return add_flags(data, wind_speed, data[ICING] == OVERPRODUCTION, Quality.INCONSISTENT) if flag else data


def icing_summary(data: xr.Dataset) -> xr.Dataset:
    """Hours and energy of icing by turbine, from the fields of :func:`icing_detection`.

    Returns
    -------
    xr.Dataset
        dims (asset): ``hours_production_loss``, ``hours_standstill``, ``hours_overproduction``, ``hours_judged`` [h];
        ``lost_energy`` [kWh] of the first two classes (a lower bound where class c occurs).
    """
    hours = float(slot_length(data) / np.timedelta64(3600, "s"))
    ice = data[ICING]
    found = {
        f"hours_{n}": (ice == c).sum("time") * hours for n, c in (("production_loss", LOSS), ("standstill", STANDSTILL))
    }
    found["hours_overproduction"] = (ice == OVERPRODUCTION).sum("time") * hours
    found["hours_judged"] = (ice != UNKNOWN).sum("time") * hours
    result = xr.Dataset({name: one.assign_attrs(units="h") for name, one in found.items()})
    result["lost_energy"] = (data[ICING_LOSS].sum("time") * hours).assign_attrs(units="kWh", long_name="lost to ice")
    return result


@numba.njit(cache=True, nogil=True)
def _events(made: Any, least: Any, most: Any, cold: Any, judged: Any, rating: Any, freezing: float) -> Any:
    """Class of each slot, and which slots were judged."""
    rows, columns = made.shape
    ice = np.zeros((rows, columns), np.int8)
    known = judged.copy()
    for column in range(columns):
        stopped = _STOPPED * rating[column]
        state = 0
        below = np.zeros(_LONG, np.int64)  # the last judged slots on the wrong side, of low power and cold
        n_below, n_above, n_stop, n_right, trigger = 0, 0, 0, 0, -1
        above = np.zeros(_LONG, np.int64)
        right = np.zeros(_LONG, np.int64)
        for row in range(rows):
            # a turbine that stands may be in any wind: what matters of it is that it stands
            if not judged[row, column]:
                if state != 0:
                    ice[row, column] = 0
                    known[row, column] = False
                continue
            p = made[row, column]
            low = p < least[row, column]
            over = p > most[row, column]
            freezes = cold[row, column] < freezing
            if state == 0:
                if low and freezes:
                    below[n_below % _LONG] = row
                    n_below += 1
                else:
                    n_below = 0
                if over and freezes:
                    above[n_above % _LONG] = row
                    n_above += 1
                else:
                    n_above = 0
                # a stop that began with low power of a turbine that still ran
                if low and freezes and p >= stopped:
                    trigger, n_stop = row, 0
                elif low and p < stopped and trigger >= 0:
                    n_stop += 1
                else:
                    trigger, n_stop = -1, 0
                if n_stop >= _STOP_LONG:
                    state = 2
                    for at in range(trigger, row + 1):
                        if judged[at, column]:
                            ice[at, column] = 2
                elif n_below >= _LONG:
                    state = 1
                    for k in range(_LONG):
                        ice[below[k], column] = 1
                elif n_above >= _LONG:
                    state = 3
                    for k in range(_LONG):
                        ice[above[k], column] = 3
                if state != 0:
                    n_below, n_above, n_right = 0, 0, 0
                continue
            ice[row, column] = state
            if state == 1:
                if p < stopped:
                    n_stop += 1
                    if n_stop >= _STOP_LONG:
                        state = 2  # what began as a loss has become a stop
                        ice[row, column] = 2
                else:
                    n_stop = 0
            well = (not over) if state == 3 else (not low)
            if well:
                right[n_right % _LONG] = row
                n_right += 1
            else:
                n_right = 0
            if n_right >= _LONG:
                for k in range(_LONG):
                    ice[right[k], column] = 0
                state, n_right, n_stop, trigger = 0, 0, 0, -1
    return ice, known
