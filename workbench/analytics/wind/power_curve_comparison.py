"""Power beside what a curve of reference gives at the same wind: the step ``power_curve_comparison``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.air_density import (
    STANDARD_DENSITY,
    Control,
    density_of,
    normalized_power,
    normalized_wind_speed,
)
from workbench.analytics.wind.curve_fits import DEGREE, Algorithm, fit, logistic, polynomial_of
from workbench.analytics.wind.curves import Curve, Floats, PointsCurve, SplineCurve, curves_power
from workbench.analytics.wind.power_curve import bins_of, usual
from workbench.model.assets import PowerCurve
from workbench.model.errors import InputError
from workbench.model.keys import DurationText, UnitText
from workbench.model.time import parse_duration, rising_times
from workbench.model.units import convert
from workbench.steps import progress, remark, step

Output = Literal["expected_power", "power_deviation", "power_deviation_percentage", "performance_index"]
OUTPUTS: tuple[Output, ...] = ("expected_power", "power_deviation", "power_deviation_percentage", "performance_index")
REFERENCE = (
    "manufacturer_power_curve"  #: the coordinate on ``asset`` with the curve, as ``PowerCurve.as_text`` writes it
)
_STEP = "power_curve_comparison"
_SPREAD, _TOLERANCE = 5.0, 0.1  #: what of the history is ordinary, as ``normal_operation`` has it


@step("power_curve_comparison")
def power_curve_comparison(
    data: xr.Dataset,
    *,
    algorithm: Algorithm = "polynomial_regression",
    reference_curve: Literal["manufacturer_power_curve", "historical"] = "manufacturer_power_curve",
    bin_width: Annotated[float, Field(gt=0)] = 0.5,
    bin_unit: UnitText = "m/s",
    air_density_correction: bool = True,
    output_fields: Sequence[Output] = OUTPUTS,
    degree: Annotated[int, Field(ge=1, le=20)] = DEGREE,
    control: Control = "pitch",
    minimum_expected: Annotated[float, Field(ge=0, lt=1)] = 0.02,
    baseline_period: DurationText = "P90D",
    retrain_period: DurationText = "P7D",
    min_history: Annotated[int, Field(ge=3)] = 432,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Power beside what the manufacturer's power curve, or the turbine's own history, gives at the same wind.

    ``reference_curve`` is what is expected, ``algorithm`` the form it is brought to:

    - ``manufacturer_power_curve``: the table of the turbine's data sheet, from the coordinate of that name; its points
      are those of bins of ``bin_width``. Assets without one get no expectation; where no asset has one, the comparison is
      with history, and that is remarked.
    - ``historical``: for each ``retrain_period`` (UTC, counted from 1970), the slots of the ``baseline_period`` before it
      begins in which the turbine ran as usual; never what it judges. A slot is left out where the turbine stood still in
      sufficient wind, or where the power is far from the median of its bin: by more than five robust standard deviations
      and a tenth of the rating.

    - ``polynomial_regression``: a polynomial in the wind speed, level outside the points it is fitted to
    - ``method_of_bins``: straight lines between the means of the bins, or the points of the table
    - ``logistic``: five-parameter logistic
    - ``monotone_spline``: a smooth curve that never falls

    With ``air_density_correction`` the wind speed (pitch) or the power (stall) is brought to the density that the curve is
    given for, 1.225 kg/m3 for history (IEC 61400-12-1). Where the density cannot be known the comparison is made without,
    remarked. A slot whose temperature is missing has no expectation: with and without correction are not mixed.

    By nacelle wind speeds the result tells how a turbine does beside itself and its neighbours; it is no measurement of
    power performance in the sense of the standard.

    Parameters
    ----------
    data
        dims (time, asset), times ascending; values flagged as wrong do not count. Lazy data stay lazy.
    bin_width, bin_unit
        Width of the bins, and its unit.
    output_fields
        Which of the four to add.
    degree
        Of the polynomial; lower where there are too few bins for it.
    control
        How the turbine limits its power.
    minimum_expected
        Share of the rating [1]; with less expected there are no percentages and no index, which would be a division by
        next to nothing.
    baseline_period, retrain_period
        Of ``historical``: ISO 8601 durations.
    min_history
        Of ``historical``: ordinary slots a baseline needs.
    wind_speed, power
        Fields [m/s], [kW], or in the units that they name.

    Returns
    -------
    The data with ``expected_power`` and ``power_deviation`` = measured - expected, both in the unit of the power;
    ``power_deviation_percentage`` of the expected power [%]; ``performance_index`` = measured / expected [1].

    Raises
    ------
    InputError
        A field is missing or of another kind; times are not in order; a coordinate is no power curve.

    References
    ----------
    IEC 61400-12-1:2017; M. Lydia et al., A comprehensive review on wind turbine power curve modeling techniques, Renewable
    and Sustainable Energy Reviews 30 (2014) 452-460, https://doi.org/10.1016/j.rser.2013.10.030.
    """
    made, fast = variable_of(data, power), variable_of(data, wind_speed)
    for name, array in ((power, made), (wind_speed, fast)):
        if set(array.dims) != {"time", "asset"}:
            raise InputError(
                "not measured by turbine", where=name, found=str(array.dims), expected="dims (time, asset)"
            )
    unit, inner = (str(array.attrs.get("units") or "kW") for array in (data[power], made))
    kilowatts = convert(made.astype(np.float64).assign_attrs(units=inner), inner, "kW")
    metres = str(fast.attrs.get("units") or "m/s")
    speed = convert(fast.astype(np.float64).assign_attrs(units=metres), metres, "m/s")
    width = float(convert(bin_width, bin_unit, "m/s"))
    tables = manufacturer_curves(data) if reference_curve == "manufacturer_power_curve" else {}
    if reference_curve == "manufacturer_power_curve" and not tables:
        remark(f"{_STEP}: no asset has a {REFERENCE}; the comparison is with history")
    without = [str(asset) for asset in data["asset"].values if str(asset) not in tables]
    if tables and without:
        remark(f"{_STEP}: no {REFERENCE} of {', '.join(without)}; there is no expectation for them")

    rating = _rating(data, tables)
    goal = _by_asset(data, {name: one.air_density for name, one in tables.items()}, STANDARD_DENSITY)
    rho = density_of(data, told_by=_STEP) if air_density_correction else None
    if air_density_correction and rho is None:
        remark(f"{_STEP}: the comparison is made without correction for the air density")
    level = normalized_wind_speed(speed, rho, goal) if rho is not None and control == "pitch" else speed
    if tables:
        curves = {name: in_form(one, algorithm, width, degree) for name, one in tables.items()}
        expected = curves_power(curves, level)
    else:
        trained = (
            normalized_power(kilowatts, rho, STANDARD_DENSITY) if rho is not None and control == "stall" else kilowatts
        )
        expected = _by_history(
            data,
            level,
            trained,
            History(
                algorithm,
                parse_duration(baseline_period).ns,
                parse_duration(retrain_period).ns,
                min_history,
                width,
                degree,
                tuple(rating.values.tolist()),
                tuple(_fact(data, "cut_in_wind_speed", 3.5).tolist()),
                tuple(_fact(data, "cut_out_wind_speed", 25.0).tolist()),
            ),
        )
    if rho is not None and control == "stall":
        expected = expected * (rho / goal)
    reference = "the manufacturer's power curve" if tables else f"the {baseline_period} before"
    return data.assign(
        _outputs(data[power], kilowatts, expected, rating * minimum_expected, unit, reference, output_fields)
    )


def _outputs(
    like: xr.DataArray,
    made: xr.DataArray,
    expected: xr.DataArray,
    least: xr.DataArray,
    unit: str,
    reference: str,
    wanted: Sequence[Output],
) -> dict[str, xr.DataArray]:
    """The fields asked for; ``made``, ``expected`` and ``least`` in [kW]."""
    off = made - expected
    # without a rating every expectation above zero will do
    enough = expected.where((expected > 0) & (expected >= least.fillna(0.0)))
    back = float(convert(1.0, "kW", unit))
    found = {
        "expected_power": (expected * back, unit, f"power expected by {reference}"),
        "power_deviation": (off * back, unit, f"power less what {reference} gives"),
        "power_deviation_percentage": (off / enough * 100.0, "%", f"deviation from {reference}, of the expected power"),
        "performance_index": (made / enough, "1", f"power over what {reference} gives"),
    }
    return {
        name: array.transpose(*like.dims).drop_attrs(deep=False).assign_attrs(units=units, long_name=label)
        for name, (array, units, label) in found.items()
        if name in wanted
    }


def _by_asset(data: xr.Dataset, values: Mapping[str, float], otherwise: float) -> xr.DataArray:
    own = [values.get(str(asset), otherwise) for asset in data["asset"].values]
    return xr.DataArray(np.array(own, dtype=np.float64), dims="asset", coords={"asset": data["asset"].values})


def _fact(data: xr.Dataset, name: str, otherwise: float) -> Floats:
    """A number of each asset from its coordinate; ``otherwise`` where it is not known."""
    if name not in data.coords:
        return np.full(data.sizes["asset"], otherwise)
    values = np.broadcast_to(data[name].values.astype(np.float64), data.sizes["asset"])
    return np.where(np.isfinite(values), values, otherwise)


def _rating(data: xr.Dataset, tables: Mapping[str, PowerCurve]) -> xr.DataArray:
    """Rating [kW] of each asset; by its table where no fact tells it, and NaN where neither does."""
    by_table = _by_asset(data, {name: one.rated_power for name, one in tables.items()}, np.nan)
    return by_table.copy(data=np.where(np.isfinite(own := _fact(data, "rated_capacity", np.nan)), own, by_table.values))


# -- the manufacturer's curve -----------------------------------------------------------------------------


def manufacturer_curves(data: xr.Dataset) -> dict[str, PowerCurve]:
    """The curve of each asset that has one, from the coordinate ``manufacturer_power_curve``.

    Raises
    ------
    InputError
        A text there is no power curve.
    """
    from pydantic import ValidationError

    if REFERENCE not in data.coords:
        return {}
    texts = np.broadcast_to(np.asarray(data[REFERENCE].values, dtype=object), data.sizes["asset"])
    found: dict[str, PowerCurve] = {}
    known: dict[str, PowerCurve] = {}  # turbines of one model share it
    for asset, text in zip(map(str, data["asset"].values), map(str, texts), strict=True):
        if not text.strip():
            continue
        if text not in known:
            try:
                known[text] = PowerCurve.model_validate_json(text)
            except ValidationError as error:
                raise InputError(
                    "no power curve",
                    where=f"{REFERENCE} of {asset}",
                    found=text[:80],
                    expected='{"wind_speed": [...], "power": [...], "air_density": 1.225}, in m/s, kW and kg/m3',
                ) from error
        found[asset] = known[text]
    return found


def in_form(table: PowerCurve, algorithm: Algorithm, bin_width: float = 0.5, degree: int = DEGREE) -> Curve:
    """A manufacturer's table in the form that ``algorithm`` gives it, zero outside its wind speeds.

    A polynomial is fitted to the points of bins of ``bin_width`` [m/s] between the last wind speed without power and the
    first with all of it, so that the level part does not bend it; a logistic to the same, with the rating held.
    """
    speeds, powers = np.array(table.wind_speed), np.array(table.power)
    first, last, top = float(speeds[0]), float(speeds[-1]), float(powers.max())
    if algorithm == "method_of_bins":
        return PointsCurve(first, last, top, last, 0.0, tuple(speeds.tolist()), tuple(powers.tolist()))
    if algorithm == "monotone_spline":
        rising = np.maximum.accumulate(powers)
        return SplineCurve(first, last, top, last, 0.0, tuple(speeds.tolist()), tuple(rising.tolist()))
    full = int(np.flatnonzero(powers >= 0.999 * top)[0])
    idle = np.flatnonzero(powers[: full + 1] <= 0)
    low = float(speeds[idle[-1]]) if len(idle) else first
    inside = np.arange(np.floor(low / bin_width) + 1, np.ceil(float(speeds[full]) / bin_width)) * bin_width
    points = np.unique(np.concatenate([[low], inside, [float(speeds[full])]]))
    given = table.at(points)
    if algorithm == "polynomial_regression":
        return polynomial_of(
            points, given, np.ones(len(points)), degree=degree, limit=top, cut_out=last, below=0.0, above=top
        )
    curve = logistic(points, given, rating=top, cut_out=last)
    return replace(curve, low=low, high=last, limit=top, below=0.0, cut_out=last)


# -- history ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """How a curve is learned from what was measured before."""

    algorithm: Algorithm
    baseline: int  #: [ns]
    retrain: int  #: [ns]
    least: int  #: ordinary slots
    bin_width: float  #: [m/s]
    degree: int
    rating: tuple[float, ...]  #: of each asset [kW], NaN where it is not known
    cut_in: tuple[float, ...]  #: of each asset [m/s]
    cut_out: tuple[float, ...]

    def learn(self, speed: Floats, power: Floats, column: int) -> Curve | None:
        """The curve of one asset; None where there is too little that is ordinary."""
        # a turbine that gives nothing in sufficient wind is stopped; below cut-in it is not
        keep = np.isfinite(speed) & np.isfinite(power) & (speed >= 0)
        keep &= (power > 0) | (speed < self.cut_in[column] + 0.5)
        speed, power = speed[keep], power[keep]
        if len(speed) < self.least:
            return None
        rating = self.rating[column] if np.isfinite(self.rating[column]) else float(power.max())
        ordinary = usual(bins_of(speed, self.bin_width), power, _SPREAD, _TOLERANCE * rating)
        if int(ordinary.sum()) < self.least:
            return None
        try:
            return fit(
                self.algorithm,
                speed[ordinary],
                power[ordinary],
                bin_width=self.bin_width,
                degree=self.degree,
                cut_out=self.cut_out[column],
            )
        except InputError:  # as many slots, but of too few wind speeds
            return None


def _by_history(data: xr.Dataset, speed: xr.DataArray, power: xr.DataArray, how: History) -> xr.DataArray:
    """Expected power [kW], dims (time, asset); lazy where one of the two is."""
    times = rising_times(data["time"])
    speed, power = (array.transpose("time", "asset") for array in (speed, power))
    found = speed.copy(data=_learned(speed.data, power.data, times, how))
    if not found.chunks and found.size and bool(found.isnull().all()):
        remark(f"{_STEP}: no value has {how.least} ordinary slots in the baseline before it; nothing is expected")
    return found


def _learned(speed: Any, power: Any, times: npt.NDArray[np.int64], how: History) -> Any:
    if not hasattr(speed, "dask") and not hasattr(power, "dask"):
        return _expected(speed, power, times, 0, how, progress)
    import dask.array as da

    speed, power = (da.asarray(one).rechunk({1: -1}) for one in (speed, power))  # type: ignore[no-untyped-call]
    stops = np.cumsum(speed.chunks[0])
    parts = []
    for start, stop in zip(np.r_[0, stops[:-1]], stops, strict=True):
        low = start
        if stop > start:
            begin = times[start] // how.retrain * how.retrain - how.baseline
            low = min(start, int(np.searchsorted(times, begin)))
        pieces = [one[low:stop].rechunk({0: -1}) for one in (speed, power)]
        parts.append(
            da.map_blocks(  # type: ignore[no-untyped-call]
                _expected,
                *pieces,
                times[low:stop],
                int(start - low),
                how,
                dtype=np.float64,
                chunks=((int(stop - start),), speed.chunks[1]),
                meta=np.empty((0, 0)),
            )
        )
    return da.concatenate(parts, axis=0)  # type: ignore[no-untyped-call]


def _expected(
    speed: Floats,
    power: Floats,
    times: npt.NDArray[np.int64],
    skip: int,
    how: History,
    tell: Callable[[int, int, str], None] | None = None,
) -> Floats:
    """Expected power of the rows from ``skip`` on; the rows before are only learned from."""
    found = np.full(speed.shape, np.nan)
    begins = np.unique(times[skip:] // how.retrain) * how.retrain
    for number, begin in enumerate(begins):
        first, now = np.searchsorted(times, [begin - how.baseline, begin])
        end = np.searchsorted(times, begin + how.retrain)
        rows = slice(max(now, skip), end)
        for column in range(speed.shape[1]):
            curve = how.learn(speed[first:now, column], power[first:now, column], column)
            if curve is not None:
                found[rows, column] = curve.at(speed[rows, column])
        if tell is not None:
            tell(number + 1, len(begins), "periods")
    return found[skip:]
