"""Wake losses with their uncertainty.

Three things are drawn. *Which days*, for the long-term losses: whole days are drawn with replacement, as ten minutes
that follow each other tell much the same. *Which settings*: the sector of free wind, the filter of turbines below their curve, the years and the
reanalysis. *Which terrain*: how the free wind of the turbines differs, on condition of how those with free wind at the
same time do; see :mod:`~workbench.analytics.wind.wake_terrain`. The mean of the simulations is therefore not what
:func:`~workbench.analytics.wind.wakes.wake_losses` gives, which takes the free wind for the same everywhere: it is nearer
to what that function gives with speed-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.layout import free_turbines
from workbench.analytics.wind.long_term import chosen
from workbench.analytics.wind.wake_analysis import Analysis, Grid, lost
from workbench.analytics.wind.wake_data import farm_of
from workbench.analytics.wind.wake_terrain import Terrain, change
from workbench.analytics.wind.wakes import ALONE, Compatibility, last_hour
from workbench.model.errors import InputError
from workbench.steps import teller

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedWakeLosses:
    """What :func:`simulate_wake_losses` finds; ``plant`` is the farm.

    Attributes
    ----------
    simulations
        dims (simulation, asset): ``period`` and, with a reanalysis, ``long_term`` [1]; dims (simulation): what was
        drawn, ``product``, ``sector``, ``spread``, ``highest``, ``derated_from``, ``years``.
    summary
        One row per turbine and ``plant``; for ``period`` and ``long_term`` the ``mean``, ``std``, ``p5``, ``p50`` and
        ``p95`` [1], columns of two levels. 90 % of the possible losses are between ``p5`` and ``p95``.
    by_direction, by_speed
        dims (wind_direction or wind_speed, asset, statistic): ``period`` and ``long_term`` [1], with the statistics
        ``mean``, ``p5`` and ``p95``.
    heterogeneity
        Standard deviation of a turbine's free power by wind direction as share of the farm's mean [1]; 0 where no two
        turbines have free wind at the same time, and the interval leaves it out: ``notes`` says so.
    notes
        What one should know of the data.
    """

    simulations: xr.Dataset
    summary: pd.DataFrame
    by_direction: xr.Dataset
    by_speed: xr.Dataset
    heterogeneity: float
    notes: tuple[str, ...]


def simulate_wake_losses(
    turbines: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset] | None = None,
    *,
    products: Sequence[str] | None = None,
    simulations: int = 100,
    seed: int = 0,
    direction_offset: float | Mapping[str, float] = 0.0,
    direction_uncertainty: float = 0.0,
    direction_assets: Sequence[str] | None = None,
    sector: tuple[float, float] | None = None,
    direction_bin: float = 5.0,
    speed_bin: float = 1.0,
    spread: tuple[float, float] = (4.0, 13.0),
    highest: tuple[float, float] = (0.92, 0.98),
    derated_from: tuple[float, float] = (4.0, 5.0),
    years: tuple[int, int] = (10, 20),
    no_wakes_from: float | None = 13.0,
    speed_ups: xr.DataArray | pd.DataFrame | None = None,
    compatibility: Compatibility | None = None,
    wind_speed: str = "wind_speed",
    wind_direction: str | xr.DataArray = "wind_direction",
    power: str = "power_output",
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedWakeLosses:
    """:func:`~workbench.analytics.wind.wakes.wake_losses` with its uncertainty.

    Parameters
    ----------
    seed
        Of the random numbers; the same seed gives the same result.
    sector
        The narrowest and the widest sector of free wind drawn [deg], whole numbers, each as likely; 65 to 95 if left out,
        in compatibility 50 to 110. As the terrain is drawn by itself here, a wide range counts part of it twice: the
        intervals of made-up farms then hold the truth in 94 of 100 cases in the place of 90.
    direction_uncertainty
        Standard uncertainty of ``direction_offset`` [deg].
    spread, highest, derated_from, years
        The lowest and the highest value drawn, each as likely; ``spread`` and ``years`` are whole numbers, ``highest`` has
        two decimals and ``derated_from`` one.
    compatibility
        ``"openoa-3.2"`` draws as that tool does: single slots instead of days, whose intervals are too narrow, and the
        free turbines of each sector with replacement instead of the terrain. The mean of k turbines drawn from k varies
        by (1 - 1/k)/k of their variance; that of the farm by 1/k - 1/n. Of two from four that is the same, but it is 0
        where a single turbine has free wind, and three times too much where three of four have.
    progress
        Called with what is done and all there is to do.

    Raises
    ------
    InputError
        As :func:`~workbench.analytics.wind.wakes.wake_losses`.
    """
    from threadpoolctl import threadpool_limits

    names = [] if reanalysis is None and products is None else chosen(reanalysis or {}, products)
    if compatibility not in (None, "openoa-3.2"):
        raise InputError("unknown compatibility", where="compatibility", found=compatibility, expected="openoa-3.2")
    if simulations < 2:
        raise InputError("at least two simulations", where="simulations", found=simulations, expected="100 or so")
    sector = ((65.0, 95.0) if compatibility is None else (50.0, 110.0)) if sector is None else sector
    ranges = {"sector": sector, "spread": spread, "highest": highest, "derated_from": derated_from, "years": years}
    for where, (low, high) in ranges.items():
        if not 0 < low <= high or (where == "highest" and high > 1) or (where == "sector" and high >= 180):
            raise InputError("no range", where=where, found=(low, high), expected="above 0, the smaller first")
    if not direction_uncertainty >= 0:
        raise InputError("no uncertainty", where="direction_uncertainty", found=direction_uncertainty, expected="deg")
    as_theirs = compatibility is not None
    grid = Grid.of(direction_bin, speed_bin)
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
    rng = np.random.default_rng(seed)
    draws = _draws(rng, simulations, max(len(names), 1), ranges)
    analysis = Analysis(farm, grid, speed_ups, own=not as_theirs, flat=as_theirs)
    day = farm.time.astype("datetime64[D]").astype(np.int64)
    day -= day[0]
    days = int(day[-1]) + 1
    end = last_hour(farm.climates)
    # what depends on few settings is worked out once for each
    medians = {level: farm.deviations(level) for level in np.unique(draws["highest"])}
    tables: dict[tuple[int, int], Floats] = {}
    terrain: dict[bytes, Terrain] = {}
    period = np.zeros((simulations, len(farm.assets) + 1))
    long_term = np.zeros_like(period)
    shape = (simulations, len(grid.directions), len(farm.assets) + 1)
    directions = {"period": np.zeros(shape), "long_term": np.zeros(shape)}
    shape = (simulations, len(grid.speeds), len(farm.assets) + 1)
    speeds = {"period": np.zeros(shape), "long_term": np.zeros(shape)}
    tell = teller(progress, "simulations")
    with threadpool_limits(1, user_api="blas"):  # its matrices are small and many
        for one in range(simulations):
            width, level = float(draws["sector"][one]), draws["highest"][one]
            free = free_turbines(farm.places, grid.directions, sector=width)
            below, odd = farm.flags(medians[level], draws["spread"][one], draws["derated_from"][one])
            if as_theirs:
                weight = np.bincount(rng.integers(0, len(day), len(day)), minlength=len(day)).astype(np.float64)
                counts = _drawn(rng, free)
            else:
                weight = np.bincount(rng.integers(0, days, days), minlength=days)[day].astype(np.float64)
                counts = free.astype(np.int64)
                layout = free.tobytes()
                if layout not in terrain:
                    expected = analysis.expected(below, odd, counts)
                    alike = next(iter(terrain.values()), None)
                    terrain[layout] = Terrain(analysis.sector, day, farm.power, ~below, free, expected, alike)
                factor = change(terrain[layout].draw(rng), free)
                if direction_uncertainty > 0:
                    turn = round(rng.normal(0.0, direction_uncertainty) / 0.01) * 0.01
                    counts = free_turbines(farm.places, grid.directions + turn, sector=width).astype(np.int64)
            if as_theirs:
                made = analysis.period(below, odd, counts, weight)
            else:
                # the days of the period are no matter of chance for its own losses; they are for the long-term ones
                made = replace(analysis.period(below, odd, counts, change=factor), weight=weight)
            period[one] = made.losses
            directions["period"][one] = lost(made.actual, made.potential)
            if farm.climates:
                which = int(draws["product"][one])
                key = (which, int(draws["years"][one]))
                if key not in tables:
                    tables[key] = grid.hours(farm.climates[which], end, key[1])
                found = analysis.long_term(made, farm.climates[which], tables[key], no_wakes_from, matched=as_theirs)
                long_term[one] = found.losses
                directions["long_term"][one] = lost(found.actual.sum(axis=1), found.potential.sum(axis=1))
                speeds["long_term"][one] = lost(found.actual.sum(axis=0), found.potential.sum(axis=0))
                speeds["period"][one] = lost(found.period_actual, found.period_potential)
            tell(one + 1, simulations)
    return _result(
        farm.assets, grid, names, draws, period, long_term, directions, speeds, terrain, seed, compatibility,
        _notes(farm.assets, farm.notes, terrain, as_theirs),
    )  # fmt: skip


def _draws(
    rng: np.random.Generator, simulations: int, products: int, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, npt.NDArray[np.generic]]:
    """Settings of each simulation."""

    def steps(name: str, size: float) -> Floats:
        low, high = (round(one * size) for one in ranges[name])
        return rng.integers(low, high + 1, simulations) / size

    return {
        "product": rng.integers(0, products, simulations),
        "sector": steps("sector", 1),
        "spread": steps("spread", 1),
        "derated_from": steps("derated_from", 10),
        "highest": steps("highest", 100),
        "years": steps("years", 1).astype(np.int64),
    }


def _drawn(rng: np.random.Generator, free: Bools) -> Ints:
    """The free turbines of each run of sectors with the same ones, drawn with replacement."""
    counts = np.zeros(free.shape, np.int64)
    new = np.flatnonzero((free != np.roll(free, 1, axis=0)).any(axis=1))
    runs = np.split(np.roll(np.arange(len(free)), -new[0]), new[1:] - new[0]) if len(new) else [np.arange(len(free))]
    for run in runs:
        who = np.flatnonzero(free[run[0]])
        counts[run] = np.bincount(rng.choice(who, len(who)), minlength=free.shape[1])
    return counts


def _notes(
    assets: Sequence[str], known: tuple[str, ...], terrain: Mapping[bytes, Terrain], as_theirs: bool
) -> tuple[str, ...]:
    notes = list(known)
    if len(assets) == 1:
        notes.append(ALONE)
    elif not as_theirs and not any(one.known for one in terrain.values()):
        notes.append("no two turbines have free wind at the same time: the interval leaves out the terrain")
    return tuple(notes)


def _result(
    assets: Sequence[str],
    grid: Grid,
    names: Sequence[str],
    draws: Mapping[str, npt.NDArray[np.generic]],
    period: Floats,
    long_term: Floats,
    directions: Mapping[str, Floats],
    speeds: Mapping[str, Floats],
    terrain: Mapping[bytes, Terrain],
    seed: int,
    compatibility: Compatibility | None,
    notes: tuple[str, ...],
) -> SimulatedWakeLosses:
    import pandas as pd

    everyone = [*assets, "plant"]
    found = {"period": period} | ({"long_term": long_term} if names else {})
    units = {"sector": "degree", "derated_from": "m/s"}
    content: dict[str, tuple[object, npt.NDArray[np.generic], dict[str, str]]] = {
        name: (("simulation", "asset"), values, {"units": "1", "long_name": f"wake loss, {name.replace('_', ' ')}"})
        for name, values in found.items()
    }
    for name, drawn in draws.items():
        if name != "product":
            content[name] = ("simulation", drawn, {"units": units.get(name, "1")})
    coords: dict[str, object] = {"asset": everyone}
    if names:
        coords["product"] = ("simulation", np.array(names)[draws["product"].astype(np.int64)])
    simulations = xr.Dataset(content, coords=coords, attrs={"seed": seed, "compatibility": compatibility or "none"})
    tables = {}
    for name, values in found.items():
        # by r / (n + 1): between the 5th and the 95th of a hundred draws are 89 of them, and 89 % of what might be drawn
        low, middle, high = np.percentile(values, [5, 50, 95], axis=0, method="linear" if compatibility else "weibull")
        mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
        columns = {"mean": mean, "std": std, "p5": low, "p50": middle, "p95": high}
        tables[name] = pd.DataFrame(columns, index=pd.Index(everyone, name="asset"))
    bands = []
    for dim, centers, unit, every in (
        ("wind_direction", grid.directions, "degree", directions),
        ("wind_speed", grid.speeds, "m/s", speeds if names else {}),
    ):
        kept = {name: every[name] for name in found if name in every}
        bands.append(_bands(dim, centers, unit, everyone, kept))
    spreads = [one.std for one in terrain.values() if one.known]
    return SimulatedWakeLosses(
        simulations,
        pd.concat(tables, axis=1),
        bands[0],
        bands[1].isel(wind_speed=grid.speeds <= 30.0),
        float(np.mean(spreads)) if spreads else 0.0,
        notes,
    )


def _bands(dim: str, centers: Floats, unit: str, assets: Sequence[str], every: Mapping[str, Floats]) -> xr.Dataset:
    """Mean and 90 % interval by a dimension; where it was measured in half of the simulations or more."""
    content = {}
    for name, values in every.items():
        there = np.isfinite(values).mean(axis=0) >= 0.5
        band = np.full((*there.shape, 3), np.nan)
        with np.errstate(invalid="ignore"):
            band[there, 0] = np.nanmean(values[:, there], axis=0)
            band[there, 1:] = np.nanpercentile(values[:, there], [5, 95], axis=0).T
        content[name] = ((dim, "asset", "statistic"), band, {"units": "1"})
    return xr.Dataset(
        content,
        coords={dim: (dim, centers, {"units": unit}), "asset": list(assets), "statistic": ["mean", "p5", "p95"]},
    )
