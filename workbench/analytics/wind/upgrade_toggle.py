"""What an upgrade brings that is switched on and off again and again.

The weather of both states is the same but for minutes, so that drifts and seasons cancel. Slots after a switch do not
count, until the turbine has settled. Blocks of days have both states and are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.upgrade_cells import Comparison, Uplift, UpliftSettings
from workbench.model.errors import InputError
from workbench.model.time import parse_duration


def toggle_uplift(
    turbines: xr.Dataset,
    upgraded: Sequence[str],
    state: xr.DataArray | str,
    *,
    settle: str = "PT10M",
    references: Sequence[str] | None = None,
    settings: UpliftSettings | None = None,
    simulations: int = 500,
    seed: int = 0,
    level: float = 0.95,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    direction: str = "wind_direction",
    progress: Callable[[int, int], None] | None = None,
) -> Uplift:
    """Energy that an upgrade brings, on against off.

    Parameters
    ----------
    turbines, upgraded, references, simulations, seed, level, progress
        As for :func:`~workbench.analytics.wind.upgrade.upgrade_uplift`.
    state
        Whether the upgrade is on (1 or true), off (0 or false) or not known (NaN): dims (time), or a field with
        dims (time, asset), of which the first upgraded turbine counts.
    settle
        Time after a switch that counts for neither state (ISO 8601).
    settings
        Blocks are of one day if left out; they should be longer than a cycle.

    Raises
    ------
    InputError
        No such turbine or field; a state that is neither on nor off, or always the same.
    """
    if not len(upgraded):
        raise InputError("no turbine was upgraded", where="upgraded")
    one = Comparison.of(
        turbines, upgraded, references, settings or replace(UpliftSettings(), block=1), wind_speed, power, direction
    )
    given = variable_of(turbines, state) if isinstance(state, str) else state
    if "asset" in given.dims:
        given = given.sel(asset=upgraded[0])
    if given.sizes != {"time": turbines.sizes["time"]}:
        raise InputError("not a value for each time", where="state", found=dict(given.sizes), expected="dims (time)")
    values = np.asarray(given.values, dtype=np.float64)
    known = np.isfinite(values)
    odd = np.setdiff1d(np.unique(values[known]), [0.0, 1.0])
    if len(odd):
        raise InputError("neither on nor off", where="state", found=odd[0], expected="0 or 1")
    if len(np.unique(values[known])) < 2:
        raise InputError(
            "the upgrade was never switched",
            where="state",
            found=f"{known.sum()} slots, {'all on' if known.any() and values[known][0] else 'none on'}",
            expected="slots with and without",
            hint="before against after: upgrade_uplift",
        )
    time = turbines["time"].values.astype("datetime64[ns]").astype(np.int64)
    changed = np.flatnonzero(np.concatenate([[False], values[1:] != values[:-1]]))
    last = np.searchsorted(changed, np.arange(len(time)), side="right") - 1
    since = np.where(
        last >= 0, time - time[changed[np.maximum(last, 0)]] if len(changed) else 0, np.iinfo(np.int64).max
    )
    settled = since >= parse_duration(settle).ns
    return one.uplift(
        known & settled & (values == 0), known & settled & (values == 1),
        shared=True, simulations=simulations, seed=seed, level=level, progress=progress,
    )  # fmt: skip
