"""What wake models make of a layout, to hold beside what was measured.

Two plain models of the deficit behind one turbine, both with the turbines taken from upstream to downstream, the thrust of
each by the wind that reaches it, and deficits combined by the root of their sum of squares [1]_:

*Jensen* [2]_ (Park): a cone of even deficit that widens by ``growth`` per distance; the part of the downstream rotor inside
it counts. *Gaussian* [3]_: a bell whose width grows by ``growth`` per distance, its depth by conservation of momentum; its
value at the hub counts.

Where PyWake [4]_ is installed (the extra ``wake-model``), ``engine="pywake"`` takes the deficits from it.

References
----------
.. [1] I. Katic, J. Højstrup, N. O. Jensen, "A simple model for cluster efficiency", EWEC 1986, Rome, 407-410.
.. [2] N. O. Jensen, "A note on wind generator interaction", Risø-M-2411, 1983.
.. [3] M. Bastankhah, F. Porté-Agel, "A new analytical model for wind-turbine wakes", Renewable Energy 70, 116-123, 2014,
   https://doi.org/10.1016/j.renene.2014.01.002.
.. [4] M. M. Pedersen et al., PyWake, DTU Wind, MIT licence, https://topfarm.pages.windenergy.dtu.dk/PyWake/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.layout import positions
from workbench.model.errors import InputError
from workbench.steps import teller

Floats = npt.NDArray[np.float64]
Curve = tuple[Sequence[float] | Floats, Sequence[float] | Floats]
Model = Literal["gaussian", "jensen"]
Engine = Literal["workbench", "pywake"]

#: Growth of the wake per distance [1] on land, of either model, where none is given.
GROWTH: dict[str, float] = {"gaussian": 0.04, "jensen": 0.075}
_DENSITY = 1.225


def jensen_deficit(
    distance: Floats, across: Floats, rotor: float, radius: Floats, thrust: Floats, growth: float
) -> Floats:
    """Share of the wind speed taken from a rotor of ``radius`` at ``distance`` behind and ``across`` from another.

    (1 - sqrt(1 - Ct)) / (1 + 2 k x / D)^2, times the share of the rotor that the cone covers.

    Parameters
    ----------
    distance, across
        Downstream and crosswise [m].
    rotor
        Diameter of the turbine upstream [m].
    thrust
        Its thrust coefficient [1].
    growth
        Of the radius of the wake per distance, k [1].
    """
    behind = np.maximum(distance, 0.0)
    cone = 0.5 * rotor + growth * behind
    deep = (1.0 - np.sqrt(1.0 - np.minimum(thrust, 0.999))) * (0.5 * rotor / cone) ** 2
    deficit: Floats = np.where(distance > 0, deep * _overlap(cone, radius, np.abs(across)), 0.0)
    return deficit


def _overlap(cone: Floats, radius: Floats, apart: Floats) -> Floats:
    """Share of a disc of ``radius`` that a disc of radius ``cone`` covers, their centers ``apart``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        one = (apart**2 + radius**2 - cone**2) / (2 * apart * radius)
        other = (apart**2 + cone**2 - radius**2) / (2 * apart * cone)
        lens = radius**2 * np.arccos(one.clip(-1, 1)) + cone**2 * np.arccos(other.clip(-1, 1))
        kite = (-apart + radius + cone) * (apart + radius - cone) * (apart - radius + cone) * (apart + radius + cone)
        partly = (lens - 0.5 * np.sqrt(np.maximum(kite, 0.0))) / (np.pi * radius**2)
    share: Floats = np.where(apart <= np.abs(cone - radius), np.minimum(1.0, (cone / radius) ** 2), partly)
    return np.where(apart >= cone + radius, 0.0, share)


def gaussian_deficit(distance: Floats, across: Floats, rotor: float, thrust: Floats, growth: float) -> Floats:
    """Share of the wind speed taken at a point ``distance`` behind and ``across`` from a turbine.

    (1 - sqrt(1 - Ct / (8 (s/D)^2))) exp(-r^2 / (2 s^2)), s/D = k* x/D + 0.2 sqrt(b), b = (1 + sqrt(1 - Ct)) / (2 sqrt(1 - Ct)).
    Very close, where the root would be of a negative number, the deficit is the deepest there can be.

    Parameters
    ----------
    As :func:`jensen_deficit`, ``growth`` being that of the standard deviation, k*.
    """
    root = np.sqrt(1.0 - np.minimum(thrust, 0.999))
    width = growth * np.maximum(distance, 0.0) / rotor + 0.2 * np.sqrt(0.5 * (1.0 + root) / root)
    deep = 1.0 - np.sqrt(np.maximum(1.0 - thrust / (8.0 * width**2), 0.0))
    deficit: Floats = np.where(distance > 0, deep * np.exp(-0.5 * (across / (width * rotor)) ** 2), 0.0)
    return deficit


def thrust_from_power(curve: Curve, rotor: float, *, density: float = _DENSITY, efficiency: float = 0.9) -> Curve:
    """A thrust curve [m/s], [1] for a power curve [m/s], [kW], where there is none of the manufacturer.

    By momentum theory: with the induction a of a rotor whose power coefficient is 4 a (1 - a)^2 times ``efficiency``, the
    thrust coefficient is 4 a (1 - a), a up to 1/3. It is rough, mostly too low at part load by a tenth.
    """
    speed, power = (np.asarray(one, dtype=np.float64) for one in curve)
    area = np.pi * (0.5 * rotor) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        coefficient = np.where(speed > 0, 1e3 * power / (0.5 * density * area * speed**3), 0.0) / efficiency
    induction = np.linspace(0.0, 1.0 / 3.0, 1001)
    a = np.interp(coefficient, 4.0 * induction * (1.0 - induction) ** 2, induction)
    return speed, 4.0 * a * (1.0 - a)


def wind_at_turbines(
    turbines: xr.Dataset,
    directions: Sequence[float] | Floats,
    speeds: Sequence[float] | Floats,
    thrust: Curve,
    *,
    model: Model = "gaussian",
    growth: float | None = None,
    engine: Engine = "workbench",
    curve: Curve | None = None,
) -> xr.DataArray:
    """Wind speed [m/s] that reaches each turbine, dims (wind_direction, free_wind_speed, asset).

    Parameters
    ----------
    turbines
        Coordinates ``latitude``, ``longitude`` [deg], ``rotor_diameter`` [m] and, with PyWake, ``hub_height`` [m].
    directions, speeds
        Of the free wind [deg], [m/s].
    thrust
        Wind speeds [m/s] and thrust coefficients [1]; linear between, 0 outside.
    growth
        Of the wake; that of the model in :data:`GROWTH` if left out.
    curve
        Power curve; PyWake asks for one, and does without.

    Raises
    ------
    InputError
        A coordinate is missing, the model is unknown, PyWake is not installed.
    """
    if model not in GROWTH:
        raise InputError("unknown wake model", where="model", found=model, expected=", ".join(GROWTH))
    if "rotor_diameter" not in turbines.coords:
        raise InputError("the turbines' rotor diameter is not known", where="rotor_diameter", expected="m by asset")
    growth = GROWTH[model] if growth is None else growth
    places = positions(turbines)
    rotor = np.broadcast_to(np.asarray(turbines["rotor_diameter"].values, dtype=np.float64), (len(places),))
    wd, ws = np.asarray(directions, dtype=np.float64), np.asarray(speeds, dtype=np.float64)
    if engine == "pywake":
        found = _by_pywake(turbines, places, rotor, wd, ws, thrust, model, growth)
    elif engine == "workbench":
        tell = teller(None, "directions")
        found = wind_at_places(places, rotor, wd, ws, thrust, model=model, growth=growth, tell=tell)
    else:
        raise InputError("unknown engine", where="engine", found=engine, expected="workbench or pywake")
    return xr.DataArray(
        found,
        dims=("wind_direction", "free_wind_speed", "asset"),
        coords={"wind_direction": wd, "free_wind_speed": ws, "asset": turbines["asset"].values},
        attrs={"units": "m/s", "long_name": "wind speed behind wakes"},
    )


def wind_at_places(
    places: Floats,
    rotor: Floats,
    wd: Floats,
    ws: Floats,
    thrust: Curve,
    *,
    model: Model = "gaussian",
    growth: float | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Floats:
    """:func:`wind_at_turbines` by ``places`` [m] east and north, dims (asset, 2), and ``rotor`` diameters [m]."""
    growth = GROWTH[model] if growth is None else growth
    found = np.empty((len(wd), len(ws), len(places)))
    for number, angle in enumerate(np.radians(wd)):
        # downstream is where the wind blows to
        along = -(places[:, 0] * np.sin(angle) + places[:, 1] * np.cos(angle))
        across = places[:, 0] * np.cos(angle) - places[:, 1] * np.sin(angle)
        squares = np.zeros((len(ws), len(places)))
        for one in np.argsort(along, kind="stable"):
            wind = ws * (1.0 - np.minimum(np.sqrt(squares[:, one]), 1.0))
            found[number, :, one] = wind
            ct = np.interp(wind, *thrust, left=0.0, right=0.0)[:, None]
            x, y = along - along[one], across - across[one]
            if model == "jensen":
                taken = jensen_deficit(x, y, float(rotor[one]), 0.5 * rotor, ct, growth)
            else:
                taken = gaussian_deficit(x, y, float(rotor[one]), ct, growth)
            squares += taken**2
        if tell is not None:
            tell(number + 1, len(wd))
    return found


def _by_pywake(
    turbines: xr.Dataset,
    places: Floats,
    rotor: Floats,
    wd: Floats,
    ws: Floats,
    thrust: Curve,
    model: Model,
    growth: float,
) -> Floats:
    try:
        from py_wake.deficit_models.gaussian import BastankhahGaussianDeficit
        from py_wake.deficit_models.noj import NOJDeficit
        from py_wake.deficit_models.utils import ct2a_mom1d
        from py_wake.site import UniformSite
        from py_wake.superposition_models import SquaredSum
        from py_wake.wind_farm_models import PropagateDownwind
        from py_wake.wind_turbines import WindTurbine, WindTurbines
        from py_wake.wind_turbines.power_ct_functions import PowerCtTabular
    except ImportError as error:
        raise InputError(
            "PyWake is not installed", where="engine", hint="pip install 'operations-workbench[wake-model]'"
        ) from error
    if "hub_height" not in turbines.coords:
        raise InputError("the turbines' hub height is not known", where="hub_height", expected="m by asset")
    hub = np.broadcast_to(np.asarray(turbines["hub_height"].values, dtype=np.float64), rotor.shape)
    kinds, which = np.unique(np.column_stack([rotor, hub]), axis=0, return_inverse=True)
    speeds, ct = (np.asarray(one, dtype=np.float64) for one in thrust)
    table = PowerCtTabular(speeds, np.zeros_like(speeds), "kW", ct)
    types = WindTurbines.from_WindTurbine_lst([WindTurbine(f"{d:g}", d, h, table) for d, h in kinds])
    kind = NOJDeficit if model == "jensen" else BastankhahGaussianDeficit
    deficit = kind(ct2a=ct2a_mom1d, k=growth)
    farm = PropagateDownwind(UniformSite([1.0], ti=0.1), types, deficit, superpositionModel=SquaredSum())
    result = farm(places[:, 0], places[:, 1], type=which.reshape(-1), wd=wd, ws=ws)
    effective = result.WS_eff.transpose("wd", "ws", "wt").values
    return np.asarray(effective, dtype=np.float64)
