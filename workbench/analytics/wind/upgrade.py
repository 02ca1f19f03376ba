"""What an upgrade of turbines brings, beside turbines that were not upgraded.

Slots are put into cells of what the reference turbines make and of the wind direction; in each cell the power of the
upgraded turbine with the upgrade is held against that without [1]_. What the weather does both see, air density
included, and each side has the same wakes in a sector. The uplift is the sum over the cells as the time with the
upgrade filled them, so that it is a share of energy.

Two things make it uncertain: the weather of the days there happen to be (weeks are drawn with replacement) and turbines
that drift against each other for reasons of their own. The latter is told by treating each reference as if it
had been upgraded beside the others (a placebo): what they then seem to win beyond chance is added to the variance.

References
----------
.. [1] wind-up (RES), https://github.com/resgroup/wind-up, and A. Clerc, P. Stuart, L. Cameron et al., "Results from the
   Offshore Wind Accelerator (OWA) Power Curve Validation using LiDAR Project", WindEurope 2018 (side-by-side method).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from workbench.analytics.calendar import check_axes
from workbench.analytics.wind.upgrade_cells import Comparison, Uplift, UpliftSettings
from workbench.analytics.wind.upgrade_toggle import toggle_uplift
from workbench.analytics.wind.yaw_misalignment import tell_reasons
from workbench.model.errors import InputError
from workbench.model.keys import DurationText, MomentText
from workbench.steps import step


def upgrade_uplift(
    turbines: xr.Dataset,
    upgraded: Sequence[str],
    when: str | np.datetime64,
    *,
    until: str | np.datetime64 | None = None,
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
    """Energy that an upgrade brings, before against after.

    Parameters
    ----------
    turbines
        dims (time, asset): power [kW]; wind direction [degree] where it is there; coordinate
        ``rated_capacity`` (asset) [kW].
    upgraded
        Names of the turbines.
    when, until
        [when, until) was the work on them (UTC) and counts for neither side; ``until`` is ``when`` if left out.
    references
        Turbines to compare with; all that were not upgraded if left out. Without any, a turbine is compared with its
        own anemometer, and a caution says so.
    simulations, seed, level
        Of the interval; with 95 % one claim of forty of something won is false.
    progress
        Called with the turbines done and all, references first.

    Raises
    ------
    InputError
        No such turbine; a turbine that is its own reference; a wrong setting. Too little data is no error: it is NaN
        with the reason.
    """
    check_axes(turbines)
    time = turbines["time"].values
    start = moment(when, "when")
    end = start if until is None else moment(until, "until")
    if end < start:
        raise InputError("it ends before it begins", where="until", found=str(until), expected=f"after {when}")
    one = Comparison.of(turbines, upgraded, references, settings, wind_speed, power, direction)
    return one.uplift(
        time < start, time >= end, shared=False, simulations=simulations, seed=seed, level=level, progress=progress
    )


def moment(given: str | np.datetime64, where: str) -> np.datetime64:
    """A time in UTC; an offset it names is heeded."""
    import pandas as pd

    try:
        found = pd.Timestamp(given)
    except ValueError as error:
        raise InputError("no time", where=where, found=str(given), expected="such as 2015-01-01") from error
    return (found.tz_convert("UTC").tz_localize(None) if found.tzinfo else found).to_datetime64()


@step("upgrade_uplift")
def add_upgrade_uplift(
    data: xr.Dataset,
    *,
    upgraded: list[str],
    when: MomentText = "",
    until: MomentText = "",
    state: str = "",
    settle: DurationText = "PT10M",
    references: list[str] | None = None,
    simulations: int = 500,
    seed: int = 0,
    level: float = 0.95,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    direction: str = "wind_direction",
    output_field: str = "uplift",
) -> xr.Dataset:
    """Energy that an upgrade brings, beside turbines that were not upgraded.

    Before against after a time, or with against without by a field that says whether the upgrade is on.

    Parameters
    ----------
    data
        dims (time, asset).
    upgraded
        Names of the turbines.
    when, until
        Time of the upgrade (UTC); what is between the two counts for neither side.
    state
        Field that is 1 where the upgrade is on and 0 where it is off, of a toggle test; instead of ``when``. See
        :func:`~workbench.analytics.wind.upgrade_toggle.toggle_uplift`.
    settle
        Time after a switch of the state that counts for neither side.
    references
        Names of the turbines to compare with; all others if left out.
    simulations, seed, level
        Of the range.
    wind_speed, power, direction
        Fields [m/s, kW, degree]; the first is used without references, the last where it is there.
    output_field
        What the uplift is called.

    Returns
    -------
    The data with the uplift, its ``_lower`` and ``_upper`` [%], dims (asset); NaN of the other turbines, and where the
    data do not tell, which is said.

    Raises
    ------
    InputError
        No such turbine, or neither a time nor a state.
    """
    if bool(when) == bool(state):
        raise InputError(
            "either the time of the upgrade or its state", where="when", found="both" if when else "neither"
        )
    if when:
        found = upgrade_uplift(
            data, upgraded, when, until=until or None, references=references, simulations=simulations, seed=seed,
            level=level, wind_speed=wind_speed, power=power, direction=direction,
        ).uplift  # fmt: skip
    else:
        found = toggle_uplift(
            data, upgraded, state, settle=settle, references=references, simulations=simulations, seed=seed,
            level=level, wind_speed=wind_speed, power=power, direction=direction,
        ).uplift  # fmt: skip
    tell_reasons("upgrade_uplift", found)
    whole = found.reindex(asset=data["asset"].values)
    names = {output_field: "uplift", f"{output_field}_lower": "lower", f"{output_field}_upper": "upper"}
    titles = {"uplift": "uplift of energy", "lower": "lower bound of it", "upper": "upper bound of it"}
    return data.assign(
        {
            name: ("asset", whole[source].values, {"units": "%", "long_name": titles[source]})
            for name, source in names.items()
        }
    )
