"""Wake losses of a wind farm from operating data, brought to its long-term wind.

At each time the turbines that no other one stands upstream of have free wind; what they make on average, all would
make without wakes [1]_ [2]_ [3]_. Turbines below their curve (curtailed, stopped) are left out of that mean, and what
they make is taken for what they could. Summed over time this gives the losses of the period. For the long-term wind, each
hour counts as often as a reanalysis has hours of its wind direction and wind speed in the long term, for each that it has
in the hours measured.

References
----------
.. [1] R. J. Barthelmie, L. E. Jensen, "Evaluation of wind farm efficiency and wind turbine wakes at the Nysted offshore
   wind farm", Wind Energy 13(6), 573-586, 2010, https://doi.org/10.1002/we.408.
.. [2] K. Walker et al., "An evaluation of the predictive accuracy of wake effects models for offshore wind farms", Wind
   Energy 19(5), 979-996, 2016, https://doi.org/10.1002/we.1871.
.. [3] J. Perr-Sauer et al., "OpenOA: An Open-Source Codebase For Operational Analysis of Wind Farms", Journal of Open
   Source Software 6(58), 2171, 2021, https://doi.org/10.21105/joss.02171.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.layout import free_turbines
from workbench.analytics.wind.long_term import chosen
from workbench.analytics.wind.wake_analysis import Analysis, Grid, LongTerm, Period, lost
from workbench.analytics.wind.wake_data import Climate, Farm, farm_of
from workbench.model.errors import InputError
from workbench.steps import progress

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Compatibility = Literal["openoa-3.2"]

#: Reason given for a farm without wakes.
ALONE = "one turbine: no other stands upstream of it, so that there are no wakes to find"


@dataclass(frozen=True)
class WakeLosses:
    """What :func:`wake_losses` finds. A loss is a share of what would be made with free wind; ``plant`` is the farm.

    Attributes
    ----------
    summary
        One row per turbine and ``plant``: ``period`` and ``long_term`` [1], the latter missing without a reanalysis.
    by_direction
        dims (wind_direction, asset): ``period``, ``long_term`` [1], NaN where it was not measured;
        dims (wind_direction): ``energy_period``, ``energy_long_term`` [1], the share of the farm's energy; ``free``
        (wind_direction, asset), whether the turbine has free wind. Coordinate: center of the sector [deg].
    by_speed
        dims (wind_speed, asset): the same by the farm's free wind speed [m/s], without ``free``.
    coverage
        One row per reanalysis: ``measured``, the share of its hours with a wind that was measured, ``filled``, of
        those taken for free of wakes, ``left_out`` [1]; ``years`` it has of those asked for; ``slope`` [1] and
        ``offset`` [m/s] from the farm's wind speed to its own.
    wind
        dims (wind_direction, wind_speed): share of the long-term hours [1] by the wind of the farm, mean over the
        reanalyses; in compatibility by that of the reanalysis. Coordinate ``free_wind_speed`` (wind_speed) [m/s], at the
        farm. None without a reanalysis.
    slots, left_out
        Times used, and those that lack what they need or have no turbine with free wind in normal operation.
    notes
        What one should know of the data.
    """

    summary: pd.DataFrame
    by_direction: xr.Dataset
    by_speed: xr.Dataset
    coverage: pd.DataFrame
    wind: xr.DataArray | None
    slots: int
    left_out: int
    notes: tuple[str, ...]


def wake_losses(
    turbines: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset] | None = None,
    *,
    products: Sequence[str] | None = None,
    direction_offset: float | Mapping[str, float] = 0.0,
    direction_assets: Sequence[str] | None = None,
    sector: float = 90.0,
    direction_bin: float = 5.0,
    speed_bin: float = 1.0,
    spread: float = 7.0,
    highest: float = 0.95,
    derated_from: float = 4.5,
    years: int = 20,
    no_wakes_from: float | None = 13.0,
    speed_ups: xr.DataArray | pd.DataFrame | None = None,
    compatibility: Compatibility | None = None,
    wind_speed: str = "wind_speed",
    wind_direction: str | xr.DataArray = "wind_direction",
    power: str = "power_output",
) -> WakeLosses:
    """Wake losses of a farm and of its turbines, of the period of the data and of the long-term wind.

    Parameters
    ----------
    turbines
        dims (time, asset): wind speed [m/s], power [kW], wind direction [deg]; coordinates ``latitude``,
        ``longitude`` [deg] and ``rated_capacity`` [kW] by asset.
    reanalysis
        By name, hourly, of one point: ``wind_speed``, ``wind_u``, ``wind_v`` [m/s]; without one there is no long-term
        figure. With several it is their mean.
    products
        Names of the reanalyses to use; all if left out.
    direction_offset
        Added to the wind directions [deg], as turbines' sensors are seldom aligned to north; by turbine, or one for
        all. :func:`~workbench.analytics.wind.northing.direction_offset` estimates it.
    direction_assets
        Turbines whose mean is the wind direction of the farm; all if left out.
    sector
        Width [deg] around the wind direction in which another turbine takes the free wind.
    direction_bin, speed_bin
        Widths of the bins [deg], [m/s].
    spread, highest, derated_from
        A turbine is below its curve where its wind speed is more than ``spread`` median absolute deviations above the
        median of its power bin, up to the share ``highest`` of its rating, or where it has no power from the wind
        speed ``derated_from`` [m/s] on. ``spread=inf, derated_from=inf`` finds none.
    years
        Length of the long-term wind, up to the last hour that all reanalyses have.
    no_wakes_from
        From this free wind speed [m/s] on, what was not measured is taken for rated power, without wakes; None leaves
        it out.
    speed_ups
        Wind speed at each turbine without wakes in proportion to the mean of all, by wind direction; see
        :func:`~workbench.analytics.wind.wake_data.speed_up_factors`.
    compatibility
        ``"openoa-3.2"`` gives that tool's figures, which differ in five things. It takes bearings in UTM and so from
        its grid north, 1.9 degrees off at La Haute Borne. It leaves out every time at which one value of one turbine is
        missing; here the others still count. It takes the plain mean of the directions in an hour, so that 359 and 1
        degrees make south; here the mean vector. For the long term it brings the farm's wind speed to that of the reanalysis
        by a line and takes the means of bins of the one for bins of the other; as the reanalysis scatters about the line it
        has more strong wind than the line gives, and the losses come out too small, by some hundredths of themselves on made-up farms. And a
        turbine with free wind is held against the mean of those with
        free wind, so that better wind at its place shows as a negative wake loss; here it loses nothing then, which
        changes how the farm's loss is shared among the turbines and leaves the farm's own as it is.
    wind_direction
        Name in ``turbines``, or a series (time) of a mast [deg].

    Returns
    -------
    WakeLosses
        For one turbine all losses are 0, and ``notes`` says why.

    Raises
    ------
    InputError
        A variable or coordinate is missing; a turbine without data or rating; no time with all that is needed; no
        hours in common with a reanalysis; a wrong setting.
    """
    names = [] if reanalysis is None and products is None else chosen(reanalysis or {}, products)
    if compatibility not in (None, "openoa-3.2"):
        raise InputError("unknown compatibility", where="compatibility", found=compatibility, expected="openoa-3.2")
    as_theirs = compatibility is not None
    grid = Grid.of(direction_bin, speed_bin)
    _check({"spread": spread, "highest": highest, "derated_from": derated_from, "years": years})
    farm = farm_of(
        turbines,
        reanalysis or {},
        names,
        direction_offset=direction_offset,
        direction_assets=direction_assets,
        north="utm" if as_theirs else "true",
        complete=as_theirs,
        wind_speed=wind_speed,
        wind_direction=wind_direction,
        power=power,
    )
    progress(1, 3)  # reading, the turbines' curves and the losses take about as long as each other
    deviations = farm.deviations(highest)
    progress(2, 3)
    found = losses_of_farm(
        farm,
        grid,
        sector=sector,
        deviations=deviations,
        spread=spread,
        derated_from=derated_from,
        years=years,
        no_wakes_from=no_wakes_from,
        speed_ups=speed_ups,
        compatibility=compatibility,
    )
    progress(3, 3)
    return found


def losses_of_farm(
    farm: Farm,
    grid: Grid,
    *,
    sector: float = 90.0,
    deviations: tuple[Floats, Floats],
    spread: float = 7.0,
    derated_from: float = 4.5,
    years: int = 20,
    no_wakes_from: float | None = 13.0,
    speed_ups: xr.DataArray | pd.DataFrame | None = None,
    compatibility: Compatibility | None = None,
) -> WakeLosses:
    """:func:`wake_losses` of a farm that is read already, for one setting after the other: a third of the time.

    Parameters
    ----------
    farm
        From :func:`~workbench.analytics.wind.wake_data.farm_of`, its wind turned by
        :meth:`~workbench.analytics.wind.wake_data.Farm.turned` where need be.
    grid
        The bins.
    deviations
        Of the power bins, from :meth:`~workbench.analytics.wind.wake_data.Farm.deviations`; they hold for all
        other settings.
    """
    import pandas as pd

    _check({"spread": spread, "derated_from": derated_from, "years": years})
    as_theirs = compatibility is not None
    free = free_turbines(farm.places, grid.directions, sector=sector)
    analysis = Analysis(farm, grid, speed_ups, own=not as_theirs, flat=as_theirs)
    below, odd = farm.flags(deviations, spread, derated_from)
    period = analysis.period(below, odd, free.astype(np.int64))
    end = last_hour(farm.climates)
    found = [
        analysis.long_term(period, one, grid.hours(one, end, years), no_wakes_from, matched=as_theirs)
        for one in farm.climates
    ]
    columns = {"period": period.losses}
    if found:
        columns["long_term"] = np.mean([one.losses for one in found], axis=0)
    index = pd.Index([*farm.assets, "plant"], name="asset")
    notes = farm.notes if len(farm.assets) > 1 else (*farm.notes, ALONE)
    coverage = pd.DataFrame(
        [a.coverage | {"years": b.reach(end, years)} for a, b in zip(found, farm.climates, strict=True)],
        index=pd.Index([one.name for one in farm.climates], name="product"),
    )
    return WakeLosses(
        pd.DataFrame(columns, index=index),
        _by_direction(farm.assets, grid, period, found, free),
        _by_speed(farm.assets, grid, found),
        coverage,
        _wind(grid, found, as_theirs),
        period.slots,
        farm.left_out + len(farm.time) - period.slots,
        notes,
    )


def last_hour(climates: Sequence[Climate]) -> np.datetime64:
    """The last hour that all reanalyses have."""
    return min((one.time[-1] for one in climates), default=np.datetime64("NaT"))


def _check(settings: Mapping[str, float]) -> None:
    for where, value in settings.items():
        if not value > 0 or (where == "highest" and value > 1):
            raise InputError("not a setting", where=where, found=value, expected="above 0")


def _by_direction(
    assets: Sequence[str], grid: Grid, period: Period, found: Sequence[LongTerm], free: Bools
) -> xr.Dataset:
    sums = [(period.actual, period.potential)]
    content: dict[str, tuple[tuple[str, ...], Floats | Bools, dict[str, str]]] = {}
    every = {"period": sums, "long_term": [(one.actual.sum(axis=1), one.potential.sum(axis=1)) for one in found]}
    _losses(content, every, "wind_direction")
    everyone = np.column_stack([free, np.zeros(len(free), bool)])
    content["free"] = (("wind_direction", "asset"), everyone, {"long_name": "whether the turbine has free wind"})
    return xr.Dataset(
        content,
        coords={
            "wind_direction": ("wind_direction", grid.directions, {"units": "degree"}),
            "asset": [*assets, "plant"],
        },
    )


def _by_speed(assets: Sequence[str], grid: Grid, found: Sequence[LongTerm]) -> xr.Dataset:
    content: dict[str, tuple[tuple[str, ...], Floats | Bools, dict[str, str]]] = {}
    every = {
        "period": [(one.period_actual, one.period_potential) for one in found],
        "long_term": [(one.actual.sum(axis=0), one.potential.sum(axis=0)) for one in found],
    }
    _losses(content, every, "wind_speed")
    coords = {"wind_speed": ("wind_speed", grid.speeds, {"units": "m/s"}), "asset": [*assets, "plant"]}
    return xr.Dataset(content, coords=coords).isel(wind_speed=grid.speeds <= 30.0)


def _wind(grid: Grid, found: Sequence[LongTerm], matched: bool) -> xr.DataArray | None:
    """How often each wind is there in the long term."""
    if not found:
        return None
    free = grid.speeds
    if matched:
        free = np.mean([(free - one.coverage["offset"]) / one.coverage["slope"] for one in found], axis=0)
    return xr.DataArray(
        np.mean([one.wind for one in found], axis=0),
        dims=("wind_direction", "wind_speed"),
        coords={
            "wind_direction": ("wind_direction", grid.directions, {"units": "degree"}),
            "wind_speed": ("wind_speed", grid.speeds, {"units": "m/s"}),
            "free_wind_speed": ("wind_speed", np.maximum(free, 0.0), {"units": "m/s"}),
        },
        attrs={"units": "1", "long_name": "share of the long-term hours"},
    )


def _losses(
    content: dict[str, tuple[tuple[str, ...], Floats | Bools, dict[str, str]]],
    every: Mapping[str, Sequence[tuple[Floats, Floats]]],
    dim: str,
) -> None:
    """Losses and shares of the energy by a dimension, means over the reanalyses."""
    for name, sums in every.items():
        if not sums:
            continue
        loss = np.mean([lost(made, could) for made, could in sums], axis=0)
        share = np.mean([made[:, -1] / made[:, -1].sum() for made, _ in sums], axis=0)
        text = name.replace("_", " ")
        content[name] = ((dim, "asset"), loss, {"units": "1", "long_name": f"wake loss, {text}"})
        content[f"energy_{name}"] = ((dim,), share, {"units": "1", "long_name": f"share of the energy, {text}"})
