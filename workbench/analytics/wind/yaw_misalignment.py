"""Static yaw misalignment from what turbines record, with its uncertainty.

A controller turns the nacelle until its vane shows zero. If vane and rotor do not agree, the rotor looks past the
wind all the time. Power then peaks not where the vane shows what it mostly shows but off it, by the misalignment
[1]_. Here log power less what the wind speed explains is a parabola of the vane angle, P ~ cos^n(v - b), that all
slots in partial load determine together [2]_.

A vane that is wrong by chance flattens that curve and moves the peak outwards: if a tenth of the vane's variance is
noise, 8 degrees are found as 8.9 of a vane of normal distribution, as 8 or less where it has long tails, since then what
the curve is bent by is hardly noise [3]_. How much of the vane and of its square is noise the records do not tell, but they
bound both: the direction that the neighbours see less the turbine's nacelle position follows the vane, and its square the
vane's square, by slopes that are at most what is no noise. Where the truth lies from there to "no noise" depends on
whether a nacelle follows what the wind does at its turbine alone. It may follow nothing of it, and then what the
neighbours see is all there is, or any part. Nobody knows: half of the simulations are of the first, half draw evenly from
the second; the angle is that of the mean.
(Of made-up farms of two makes, kept apart from those of the benchmarks, 90 % intervals held 92.5 % and 92.0 %.)

What no method from one turbine's records can see: an anemometer that shows more when the wind comes from one side. If
it shows a share ``a`` more per radian, the peak moves by -3 a / n radian: 1 % per 10 degrees is 5 degrees at n = 2.
The anemometers of neighbours tell; see ``anemometer_slope`` in the result.

References
----------
.. [1] M. Mittelmeier, M. Kühn, "Determination of optimal wind turbine alignment into the wind and detection of alignment
   changes with SCADA data", Wind Energy Science 3, 2018, https://doi.org/10.5194/wes-3-395-2018.
.. [2] OpenOA 3.2, ``StaticYawMisalignment``, https://doi.org/10.21105/joss.02171.
.. [3] R. J. Carroll, D. Ruppert, L. A. Stefanski, C. M. Crainiceanu, "Measurement Error in Nonlinear Models", 2nd ed.,
   Chapman and Hall 2006, chapter 4 (regression calibration), https://doi.org/10.1201/9781420010138.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.yaw_cosine import CosineBins, CosineTurbine
from workbench.analytics.wind.yaw_regression import YawSettings, YawTurbine, fit_yaw
from workbench.model.errors import InputError
from workbench.steps import remark, step, teller

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Compatibility = Literal["openoa-3.2"]
Progress = Callable[[int, int], None]

_DEGREE = {"units": "degree"}
_ONE = {"units": "1"}


@dataclass(frozen=True)
class StaticYawMisalignment:
    """What :func:`static_yaw_misalignment` finds.

    Attributes
    ----------
    misalignment
        dims (asset): ``yaw_misalignment`` [degree], its ``lower`` and ``upper`` bounds and ``std``,
        ``cosine_exponent`` [1], ``vane`` [degree] the mean shown, ``energy_loss`` [1] in partial load, 1 - cos^n,
        ``reliability_lower`` and ``reliability_upper`` [1] of the vane, ``anemometer_slope`` [1/rad] and its
        ``anemometer_slope_std`` (NaN without neighbours), ``slots`` used, and two texts, empty where there is
        nothing to say: ``reason`` why there is no figure, ``caution`` what makes the figure doubtful.
    by_wind_speed
        dims (asset, wind_bin): ``yaw_misalignment`` [degree], ``slots``.
    simulations
        dims (simulation, asset): ``yaw_misalignment`` [degree].
    summary
        One row per turbine.
    """

    misalignment: xr.Dataset
    by_wind_speed: xr.Dataset
    simulations: xr.Dataset
    summary: pd.DataFrame = field(repr=False)


def static_yaw_misalignment(
    turbines: xr.Dataset,
    *,
    settings: YawSettings | None = None,
    simulations: int = 500,
    seed: int = 0,
    level: float = 0.9,
    compatibility: Compatibility | None = None,
    bins: CosineBins | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    vane: str = "yaw_error",
    pitch: str = "blade_pitch_angle",
    nacelle: str = "nacelle_position",
    progress: Progress | None = None,
) -> StaticYawMisalignment:
    """Angle by which the vane's zero and the best alignment of the rotor differ, of each turbine.

    Positive where power peaks at vane angles above those mostly shown: the nacelle should point further
    clockwise, towards positive vane angles, by that much.

    Parameters
    ----------
    turbines
        dims (time, asset): power [kW], wind speed [m/s], vane angle relative to the nacelle [degree]; of help
        are pitch [degree], nacelle position [degree] and ``<wind_speed>_std`` [m/s]; coordinate
        ``rated_capacity`` (asset) [kW].
    settings
        Which slots count and what is known of the vane; see
        :class:`~workbench.analytics.wind.yaw_regression.YawSettings`.
    simulations
        Number of draws for the interval; blocks of days are drawn with replacement. None with 0.
    seed
        Of the random numbers; each turbine has its own, by its place.
    level
        Share of the interval [1].
    compatibility
        ``"openoa-3.2"``: by cosine curves through bins as that tool does, see
        :mod:`~workbench.analytics.wind.yaw_cosine`; its curves of one wind speed each, vane noise and unweighted
        means make its figures differ by degrees. Simulations then draw slots and filter settings as it does.
    bins
        Settings of that; not looked at otherwise.

    Raises
    ------
    InputError
        A field or the rating is missing, or a setting is wrong. A turbine without enough data is not an error: it has
        NaN and the reason.
    """
    if compatibility not in (None, "openoa-3.2"):
        raise InputError("unknown compatibility", where="compatibility", found=compatibility, expected="openoa-3.2")
    if not 0 < level < 1:
        raise InputError("no share", where="level", found=level, expected="in (0, 1)")
    if simulations < 0:
        raise InputError("a negative number", where="simulations", found=simulations, expected="0 or more")
    rating = ratings(turbines)
    p, v, w = (values_of(turbines, name) for name in (power, wind_speed, vane))
    blades = values_of(turbines, pitch) if pitch in turbines else None
    turned = values_of(turbines, nacelle) if nacelle in turbines else None
    spread = f"{wind_speed}_std"
    gusts = values_of(turbines, spread) if spread in turbines else None
    w = wrap(w)
    rngs = [np.random.default_rng([seed, column]) for column in range(p.shape[1])]
    found: list[_Found] = []
    tell = teller(progress, "turbines")
    for column in range(p.shape[1]):
        blade = None if blades is None else wrap(blades[:, column])
        if compatibility:
            cosine = CosineTurbine.of(
                p[:, column], v[:, column], w[:, column], blade, rating[column], bins or CosineBins()
            )
            found.append(_by_cosines(cosine, rngs[column], simulations))
        else:
            one = YawTurbine.of(
                turbines["time"].values,
                p,
                v,
                w,
                blade,
                turned,
                gusts,
                column,
                rating[column],
                settings or YawSettings(),
            )
            found.append(_by_regression(one, rngs[column], simulations))
        tell(column + 1, p.shape[1])
    return _result(turbines, found, level, simulations, seed, compatibility)


def ratings(turbines: xr.Dataset) -> Floats:
    """Coordinate ``rated_capacity`` by asset [kW]; InputError where it is missing or not positive."""
    if "rated_capacity" not in turbines.coords:
        raise InputError("the turbines' rated capacity is not known", where="rated_capacity", expected="kW by asset")
    rating = np.broadcast_to(
        np.asarray(turbines["rated_capacity"].values, dtype=np.float64), (turbines.sizes["asset"],)
    )
    for asset, value in zip(turbines["asset"].values, rating, strict=True):
        if not value > 0:
            raise InputError(
                "a turbine's rated capacity is not positive", where=str(asset), found=float(value), expected="kW, > 0"
            )
    return rating


def values_of(data: xr.Dataset, name: str) -> Floats:
    """Values of a field that are not rejected, dims (time, asset), 64 bits."""
    return np.asarray(variable_of(data, name).values, dtype=np.float64)


def wrap(angle: Floats) -> Floats:
    """Angles in [-180, 180) [degree]."""
    return (angle + 180.0) % 360.0 - 180.0


@dataclass(frozen=True)
class _Found:
    """One turbine."""

    angle: float
    exponent: float
    vane: float
    slots: int
    draws: Floats
    speeds: Floats
    by_speed: Floats
    slots_by_speed: npt.NDArray[np.int64]
    reliability: tuple[float, float] = (np.nan, np.nan)
    slope: float = np.nan
    slope_std: float = np.nan
    reason: str = ""

    @property
    def caution(self) -> str:
        """What makes the figure doubtful."""
        if np.isfinite(self.slope_std) and abs(self.slope) > 2.5 * self.slope_std:
            shift = abs(np.rad2deg(3 * self.slope / self.exponent))
            return f"the anemometer depends on the yaw error; the angle may be {shift:.1f} degrees off by that"
        if np.isfinite(self.exponent) and not 1.0 <= self.exponent <= 3.5:
            return f"an exponent of {self.exponent:.1f} is none of a rotor (1 to 3.5): wind speed or vane mislead"
        return ""


def _by_cosines(turbine: CosineTurbine, rng: np.random.Generator, simulations: int) -> _Found:
    fits = turbine.fit()
    draws = turbine.fit(rng, simulations).misalignment.mean(axis=1) if simulations else np.zeros(0)
    few = fits.vane_bins[0] < 3
    reason = ""
    if few.any():
        lacking = ", ".join(f"{speed:g}" for speed in np.asarray(turbine.settings.wind_speeds)[few])
        reason = f"fewer than 3 vane bins of more than {turbine.settings.least} slots at {lacking} m/s"
    return _Found(
        float(fits.misalignment[0].mean()),
        float(fits.exponent[0].mean()),
        float(fits.vane[0].mean()),
        int(fits.slots[0].sum()),
        draws,
        np.asarray(turbine.settings.wind_speeds),
        fits.misalignment[0],
        fits.slots[0],
        reason=reason,
    )


def _by_regression(turbine: YawTurbine, rng: np.random.Generator, simulations: int) -> _Found:
    fit = fit_yaw(turbine, rng, simulations)
    return _Found(
        fit.angle,
        fit.exponent,
        fit.vane,
        turbine.slots,
        fit.draws,
        fit.speeds,
        fit.by_speed,
        fit.slots_by_speed,
        fit.reliability,
        fit.anemometer_slope,
        fit.anemometer_slope_std,
        fit.reason,
    )


def _result(
    turbines: xr.Dataset,
    found: list[_Found],
    level: float,
    simulations: int,
    seed: int,
    compatibility: Compatibility | None,
) -> StaticYawMisalignment:
    import pandas as pd

    names = turbines["asset"].values
    low, high, std = (np.full(len(found), np.nan) for _ in range(3))
    for column, one in enumerate(found):
        good = one.draws[np.isfinite(one.draws)]
        # of draws without a peak the place is not known: with many, neither is the interval
        if simulations and not one.reason and len(good) >= 0.95 * simulations:
            low[column], high[column] = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
            std[column] = good.std()
    angle = np.array([one.angle for one in found])
    exponent = np.array([one.exponent for one in found])
    loss = 1.0 - np.cos(np.deg2rad(angle)) ** exponent

    def numbers(name: str) -> Floats:
        return np.array([getattr(one, name) for one in found], dtype=np.float64)

    reliability = np.array([one.reliability for one in found]).reshape(-1, 2)
    per_asset = {
        "yaw_misalignment": (angle, _DEGREE | {"long_name": "static yaw misalignment"}),
        "lower": (low, _DEGREE | {"long_name": f"lower bound, {level:.0%} interval"}),
        "upper": (high, _DEGREE | {"long_name": f"upper bound, {level:.0%} interval"}),
        "std": (std, _DEGREE | {"long_name": "standard uncertainty"}),
        "cosine_exponent": (exponent, _ONE | {"long_name": "exponent of the cosine"}),
        "vane": (numbers("vane"), _DEGREE | {"long_name": "mean vane angle"}),
        "energy_loss": (loss, _ONE | {"long_name": "share of energy lost in partial load"}),
        "reliability_lower": (reliability[:, 0], _ONE | {"long_name": "least share of the vane that is no noise"}),
        "reliability_upper": (reliability[:, 1], _ONE | {"long_name": "largest share of the vane that is no noise"}),
        "anemometer_slope": (
            numbers("slope"),
            {"units": "1/rad", "long_name": "what the anemometer shows more per yaw error, beside its neighbours"},
        ),
        "anemometer_slope_std": (numbers("slope_std"), {"units": "1/rad", "long_name": "its standard uncertainty"}),
        "slots": (np.array([one.slots for one in found]), _ONE | {"long_name": "slots used"}),
        "reason": (np.array([one.reason for one in found], dtype=object), {"long_name": "why there is no figure"}),
        "caution": (np.array([one.caution for one in found], dtype=object), {"long_name": "what makes it doubtful"}),
    }
    facts = {name: array for name, array in turbines.coords.items() if array.dims == ("asset",)}
    result = xr.Dataset(
        {name: ("asset", values, attrs) for name, (values, attrs) in per_asset.items()},
        coords=facts,
        attrs={"level": level, "seed": seed, "simulations": simulations, "compatibility": compatibility or "none"},
    )
    speeds = np.unique(np.concatenate([one.speeds for one in found])) if found else np.zeros(0)
    grid, counts = np.full((len(found), len(speeds)), np.nan), np.zeros((len(found), len(speeds)), dtype=np.int64)
    for row, one in enumerate(found):
        where = np.searchsorted(speeds, one.speeds)
        grid[row, where], counts[row, where] = one.by_speed, one.slots_by_speed
    by_speed = xr.Dataset(
        {
            "yaw_misalignment": (("asset", "wind_bin"), grid, _DEGREE | {"long_name": "static yaw misalignment"}),
            "slots": (("asset", "wind_bin"), counts, _ONE | {"long_name": "slots used"}),
        },
        coords={"asset": names, "wind_bin": ("wind_bin", speeds, {"units": "m/s"})},
    )
    draws = xr.Dataset(
        {
            "yaw_misalignment": (
                ("simulation", "asset"),
                np.stack([one.draws for one in found], axis=1) if found else np.zeros((simulations, 0)),
                _DEGREE | {"long_name": "static yaw misalignment"},
            )
        },
        coords={"asset": names},
        attrs={"seed": seed},
    )
    table = pd.DataFrame({name: values for name, (values, _) in per_asset.items()}, index=pd.Index(names, name="asset"))
    return StaticYawMisalignment(result, by_speed, draws, table)


@step("static_yaw_misalignment")
def add_static_yaw_misalignment(
    data: xr.Dataset,
    *,
    simulations: int = 200,
    seed: int = 0,
    level: float = 0.9,
    reliability: tuple[float, float] | None = None,
    compatibility: Compatibility | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    vane: str = "yaw_error",
    pitch: str = "blade_pitch_angle",
    nacelle: str = "nacelle_position",
    output_field: str = "yaw_misalignment",
) -> xr.Dataset:
    """Angle by which the vane's zero and the best alignment of the rotor differ, of each turbine.

    One figure for the whole of the data, with a range; a turbine whose data do not tell has none, and it is said why.

    Parameters
    ----------
    data
        dims (time, asset).
    simulations, seed, level
        Of the range.
    reliability
        Bounds of the share of the vane's variance that is no noise [1]; from the neighbours if left out.
    compatibility
        ``openoa-3.2`` for the cosine curves of that tool.
    wind_speed, power, vane, pitch, nacelle
        Fields [m/s, kW, degree, degree, degree]; the last two are used where they are there.
    output_field
        What the angle is called.

    Returns
    -------
    The data with the angle, its ``_lower`` and ``_upper`` [degree], dims (asset).

    Raises
    ------
    InputError
        A field or the rated capacity is missing.
    """
    found = static_yaw_misalignment(
        data,
        settings=YawSettings(reliability=reliability),
        simulations=simulations,
        seed=seed,
        level=level,
        compatibility=compatibility,
        wind_speed=wind_speed,
        power=power,
        vane=vane,
        pitch=pitch,
        nacelle=nacelle,
    ).misalignment
    tell_reasons("static_yaw_misalignment", found)
    return data.assign(
        {
            output_field: found["yaw_misalignment"].drop_vars(list(found.coords)),
            f"{output_field}_lower": found["lower"].drop_vars(list(found.coords)),
            f"{output_field}_upper": found["upper"].drop_vars(list(found.coords)),
        }
    )


def tell_reasons(name: str, found: xr.Dataset) -> None:
    """Remark why assets have no figure, or what weakens it."""
    for kind in ("reason", "caution"):
        for asset, text in zip(found["asset"].values, found[kind].values, strict=True):
            if text:
                remark(f"{name}: {asset}: {text}")
