"""Wake losses as a wake model has them, beside those that were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.wake_analysis import lost
from workbench.analytics.wind.wake_model import GROWTH, Curve, Engine, Model, thrust_from_power, wind_at_turbines
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.analytics.wind.wakes import WakeLosses

Floats = npt.NDArray[np.float64]

_STEP = 2.0  #: of the directions the model is asked for [deg]


@dataclass(frozen=True)
class ModelledWakes:
    """What :func:`modelled_wakes` finds; ``plant`` is the farm.

    Attributes
    ----------
    summary
        One row per turbine and ``plant``: ``model`` [1], and where compared ``measured`` and ``difference``, the measured
        less the model's [1].
    by_direction
        dims (wind_direction, asset): the same.
    statement
        Which model with which settings.
    """

    summary: pd.DataFrame
    by_direction: xr.Dataset
    statement: str


def modelled_wakes(
    turbines: xr.Dataset,
    losses: WakeLosses | xr.DataArray,
    curve: Curve,
    thrust: Curve | None = None,
    *,
    model: Model = "gaussian",
    growth: float | None = None,
    direction_spread: float = 5.0,
    engine: Engine = "workbench",
) -> ModelledWakes:
    """Wake losses of a layout in a wind climate by a wake model.

    Parameters
    ----------
    turbines
        Coordinates ``latitude``, ``longitude`` [deg], ``rotor_diameter`` [m]; ``hub_height`` [m] with PyWake.
    losses
        What :func:`~workbench.analytics.wind.wakes.wake_losses` found with a reanalysis: its long-term wind is taken, and
        its losses held beside; or a wind alone, dims (wind_direction, wind_speed), hours or shares, with the coordinate
        ``free_wind_speed`` (wind_speed) [m/s] where ``wind_speed`` is not that of the farm.
    curve, thrust
        Power [kW] and thrust coefficient [1] by wind speed [m/s], of all turbines; without a thrust curve it is
        :func:`~workbench.analytics.wind.wake_model.thrust_from_power`.
    direction_spread
        Standard deviation of the wind direction within what is averaged [deg]: the model is averaged over it, without which
        its wakes are narrower and deeper than any that is measured. M. Gaumond et al., "Evaluation of the wind direction
        uncertainty and its impact on wake modeling at the Horns Rev offshore wind farm", Wind Energy 17(8), 2014,
        https://doi.org/10.1002/we.1625.
    engine
        ``"pywake"`` takes the deficits of PyWake, where that is installed.

    Raises
    ------
    InputError
        No long-term wind in ``losses``; see also :func:`~workbench.analytics.wind.wake_model.wind_at_turbines`.
    """
    import pandas as pd

    wind = losses if isinstance(losses, xr.DataArray) else losses.wind
    if wind is None:
        raise InputError("no long-term wind to run the model in", where="losses", hint="wake_losses with a reanalysis")
    wind = wind.transpose("wind_direction", "wind_speed")
    share = np.nan_to_num(np.asarray(wind.values, dtype=np.float64))
    speeds = np.asarray(wind.coords.get("free_wind_speed", wind["wind_speed"]).values, dtype=np.float64)
    used = (share.sum(axis=0) > 0) & (speeds > 0)
    share, speeds = share[:, used], speeds[used]
    rotor = np.asarray(turbines.coords.get("rotor_diameter", xr.DataArray(np.nan)).values, dtype=np.float64)
    if thrust is None:
        thrust = thrust_from_power(curve, float(np.mean(rotor)))
    fine = np.arange(0.0, 360.0, _STEP)
    behind = wind_at_turbines(turbines, fine, speeds, thrust, model=model, growth=growth, engine=engine).values
    made = np.interp(behind, *curve, left=0.0, right=0.0)
    free = np.interp(speeds, *curve, left=0.0, right=0.0)
    centers = np.asarray(wind["wind_direction"].values, dtype=np.float64)
    made = np.einsum("df,fva->dva", _window(centers, fine, direction_spread), made)
    actual = (made * share[..., None]).sum(axis=1)
    potential = np.broadcast_to((free * share).sum(axis=1)[:, None], actual.shape)
    actual, potential = (np.column_stack([one, one.sum(axis=1)]) for one in (actual, potential))
    everyone = [*map(str, turbines["asset"].values), "plant"]
    table = pd.DataFrame(
        {"model": lost(actual.sum(axis=0), potential.sum(axis=0))}, index=pd.Index(everyone, name="asset")
    )
    by_direction = xr.Dataset(
        {"model": (("wind_direction", "asset"), lost(actual, potential), {"units": "1"})},
        coords={"wind_direction": wind["wind_direction"].values, "asset": everyone},
    )
    if not isinstance(losses, xr.DataArray):
        table["measured"] = losses.summary["long_term"]
        table["difference"] = table["measured"] - table["model"]
        by_direction["measured"] = losses.by_direction["long_term"]
        by_direction["difference"] = by_direction["measured"] - by_direction["model"]
    text = f"{model} wakes growing by {GROWTH[model] if growth is None else growth:g}, averaged over {direction_spread:g} degrees"
    return ModelledWakes(table, by_direction, text + (" (PyWake)" if engine == "pywake" else ""))


def _window(centers: Floats, fine: Floats, spread: float) -> Floats:
    """Weights of the fine directions in each sector, dims (sector, fine): its width, blurred by ``spread``."""
    width = 360.0 / len(centers)
    off = (fine[None, :] - centers[:, None] + 180.0) % 360.0 - 180.0
    sigma = np.sqrt(spread**2 + width**2 / 12.0 + 1e-12)
    weight = np.exp(-0.5 * (off / sigma) ** 2)
    found: Floats = weight / weight.sum(axis=1, keepdims=True)
    return found
