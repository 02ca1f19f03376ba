"""Energy of gaps in the record of an inverter, by its energy counter."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workbench.analytics.solar.weather import Columns

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def counted(counter: Columns, power: Columns, light: Columns, rated: Floats, hours: float) -> tuple[Floats, Bools]:
    """Energy [kWh] of each slot without power over which the counter tells, NaN elsewhere; and where it stood still.

    The counter's value of a slot is that at its end, as the last sample of a slot wins. Between the last value before a gap and the
    first after it lies the energy of the gap and of the slot with that first value. It is shared out by irradiance.

    Parameters
    ----------
    counter, power, light
        Columns (time, asset) of the counter [kWh], AC power [kW], and irradiance [W/m²].
    rated
        AC rating [kW], (asset).
    hours
        Length of a slot [h].
    """
    size = len(rated)
    shape = (len(power.values), size)
    energy, still = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    for asset in range(size):
        made = power.values[:, power.of[asset]]
        if np.isfinite(made).all():
            continue
        found, stood = _gaps(
            counter.values[:, counter.of[asset]].astype(np.float64),
            made.astype(np.float64),
            np.nan_to_num(light.values[:, light.of[asset]].astype(np.float64)),
            float(rated[asset]),
            hours,
        )
        energy[:, asset], still[:, asset] = found, stood
    return energy, still


@numba.njit(cache=True, nogil=True)
def _gaps(counter: Any, power: Any, light: Any, rated: float, hours: float) -> Any:
    size = len(power)
    energy = np.full(size, np.nan)
    still = np.zeros(size, np.bool_)
    row = 0
    while row < size:
        if not np.isnan(power[row]):
            row += 1
            continue
        start = row
        while row < size and np.isnan(power[row]):
            row += 1
        stop = row  # the first slot with power, or the end
        before = start - 1
        if before < 0 or np.isnan(counter[before]):
            continue
        # the counter may be there all along, or come back with the power
        if stop < size and not np.isnan(counter[stop]):
            total = counter[stop] - counter[before] - max(power[stop], 0.0) * hours
        elif not np.isnan(counter[stop - 1]):
            total = counter[stop - 1] - counter[before]
        else:
            continue
        if total < 0.0 and total > -0.5 * rated * hours:
            total = 0.0  # the counter's own steps
        if total < 0.0 or total > 1.05 * rated * hours * (stop - start):
            continue  # reset, or replaced
        sun = 0.0
        for k in range(start, stop):
            sun += max(light[k], 0.0)
        possible = min(sun / 1000.0, float(stop - start)) * rated * hours
        stands = total <= 0.02 * possible
        for k in range(start, stop):
            energy[k] = total * max(light[k], 0.0) / sun if sun > 0.0 else total / (stop - start)
            still[k] = stands and sun > 0.0
    return energy, still
