"""Sensors that drift away from their neighbours: wind speed by the ratio, temperature by the difference.

Of each turbine the deviation from the median of the others is taken, less what it usually is at that wind direction (wakes,
terrain) and at that hour of the day (sun), and brought to weekly medians. Three models are held against each other by their
squared misfit: constant; constant, then growing in a straight line from an onset on; constant, then a step (a sensor that
was exchanged). The uncertainty takes into account that a week is like the one before (AR(1), whose memory is at least that
of the residuals). A CUSUM [1]_ tells when it would have been seen.

References
----------
.. [1] E. S. Page, Continuous inspection schemes, Biometrika 41 (1954) 100-115, https://doi.org/10.2307/2333009.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.neighbours import (
    Floats,
    autocorrelation,
    block_medians,
    blocks_of,
    by_turbine,
    farm_direction,
    reference_of,
    tell_round,
)
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags, clear_flags, quality_name
from workbench.steps import progress, remark, step

if TYPE_CHECKING:
    import polars as pl

DAY = 86_400 * 10**9  #: [ns]
MONTH = 30.4375  #: days
DRIFT, RAW = "_drift", "_raw"
_WEEK, _FEWEST, _WEEKS = 7 * DAY, 72, 12
_BACKFITS = 4
_SECTOR = 30.0  #: width [degree]
_SLOWEST = 4  #: weeks that a line needs
_ALLOWANCE, _ALARM = 0.5, 8.0  #: of the CUSUM, in standard deviations of a week

Compare = Literal["ratio", "difference"]


def sensor_drift(
    data: xr.Dataset,
    *,
    variable: str = "wind_speed",
    reference: xr.DataArray | None = None,
    compare: Compare | None = None,
    least: float | None = None,
    confidence: float = 4.0,
    minimum: float | None = None,
    direction: str = "wind_direction",
) -> pl.DataFrame:
    """Whether each turbine's sensor drifts against the other turbines, since when and how fast.

    Parameters
    ----------
    data
        dims (time, asset); faster data are brought to ten minutes first. Half a year is about the least that tells.
    reference
        dims (time) or (time, asset); the other turbines where left out, which takes three turbines.
    compare
        ``ratio`` [%] or ``difference`` [unit of the variable]; by default the difference for temperatures.
    least
        Deviation that matters: 3 % or 1 K by default.
    confidence
        Standard uncertainties by which a drift differs from none.
    minimum
        Of a ratio: values below it do not count; 4 m/s by default, where cup anemometers are past their threshold.
    direction
        Field with the wind direction, of whose sectors the usual deviation is taken; without it all are one.

    Returns
    -------
    polars.DataFrame
        A row for each asset: ``asset``, ``kind`` (``none``, ``drift``, ``step``), ``onset`` (UTC; of a step its instant, both
        to a week), ``alarm`` (UTC, when the CUSUM would have told), ``rate`` a month (30.44 days) and ``rate_uncertainty``,
        ``deviation`` reached at the end and ``deviation_uncertainty`` (standard; [%] or in the unit of the variable), ``unit``,
        ``weeks`` with data, ``reason`` where it could not be judged.

    Raises
    ------
    InputError
        No such field, or not by turbine.
    """
    import polars as pl

    data = ten_minute(data)
    compare = compare or ("difference" if "temp" in variable else "ratio")
    least = least if least is not None else (3.0 if compare == "ratio" else 1.0)
    minimum = minimum if minimum is not None else (4.0 if compare == "ratio" else -np.inf)
    unit = "%" if compare == "ratio" else str(variable_of(data, variable).attrs.get("units", ""))
    values = by_turbine(data, variable)
    stamps, rows = blocks_of(data["time"].values, _WEEK)
    times = data["time"].values
    groups = _groups(data, direction)
    records: list[tuple[Any, ...]] = []
    own = values
    drifting: set[int] = set()
    results: list[_Fit] = []
    for number in range(1 if reference is not None else 1 + values.shape[1] // 2):
        against = reference_of(data, own, reference)
        results = []
        for column in range(values.shape[1]):
            off = _against(values[:, column], against[:, column], compare, minimum)
            fit = _Fit()
            for _ in range(_BACKFITS):  # what is usual at a wind direction is so without the drift
                usual = _usual(off - fit.at(times), groups)
                fit = _fit(block_medians(off - usual, rows, _FEWEST), stamps, least, confidence)
                if fit.kind == "none":
                    break
            results.append(fit)
            tell_round(number, column + 1, values.shape[1])
        # a sensor that drifts moves its neighbours' reference: the worst are put right there before the next look
        new = [i for i, fit in enumerate(results) if fit.kind != "none" and i not in drifting]
        if not new or reference is not None:
            break
        new.sort(key=lambda i: -abs(results[i].score))
        drifting.update(new[: max(1, values.shape[1] // 10)])
        own = values.copy()
        for column in drifting:
            off = results[column].at(times)
            own[:, column] = values[:, column] * np.exp(-off / 100.0) if compare == "ratio" else values[:, column] - off
    progress(1, 1, "turbines")
    for asset, fit in zip(map(str, data["asset"].values), results, strict=True):
        if not fit.weeks:
            few = data.sizes["asset"] < 3 and reference is None
            why = "fewer than two neighbours, and no reference" if few else f"fewer than {_WEEKS} weeks in common"
            records.append((asset, "none", *[None] * 6, unit, 0, why))
            continue
        records.append(
            (
                asset, fit.kind, fit.onset, fit.alarm, fit.rate, fit.rate_uncertainty, fit.deviation,
                fit.deviation_uncertainty, unit, fit.weeks, None,
            )
        )  # fmt: skip
    names = (
        "asset", "kind", "onset", "alarm", "rate", "rate_uncertainty", "deviation", "deviation_uncertainty", "unit", "weeks",
        "reason",
    )  # fmt: skip
    types = (pl.String, pl.String, pl.Int64, pl.Int64, *[pl.Float64] * 4, pl.String, pl.Int64, pl.String)
    table = pl.DataFrame(records, schema=dict(zip(names, types, strict=True)), orient="row")
    return table.with_columns(pl.col("onset", "alarm").cast(pl.Datetime("ns")))


class _Fit:
    """What was found of one sensor; times [ns]."""

    kind = "none"
    onset: int | None = None
    alarm: int | None = None
    rate: float | None = None
    rate_uncertainty: float | None = None
    deviation = 0.0
    deviation_uncertainty = 0.0
    weeks = 0

    @property
    def score(self) -> float:
        """Deviation in its standard uncertainties."""
        return self.deviation / max(self.deviation_uncertainty, 1e-9)

    def at(self, times: npt.NDArray[np.datetime64]) -> Floats:
        """Deviation at each time, 0 before the onset and where there is none."""
        if self.kind == "none" or self.onset is None:
            return np.zeros(len(times))
        since = times.astype("datetime64[ns]").astype(np.int64) - self.onset
        if self.kind == "step":
            return np.where(since >= 0, self.deviation, 0.0)
        return float(self.rate or 0.0) * np.maximum(since, 0) / (DAY * MONTH)


def _groups(data: xr.Dataset, direction: str) -> npt.NDArray[np.int64]:
    """Number of the group of each slot: its sector of wind direction and its quarter of the day; -1 unknown."""
    seconds = data["time"].values.astype("datetime64[s]").astype(np.int64) % 86_400
    quarter = seconds // 21_600
    if direction not in data:
        return np.asarray(quarter, dtype=np.int64)
    centre = farm_direction(by_turbine(data, direction))
    sector = np.floor((np.where(np.isfinite(centre), centre, 0.0) + _SECTOR / 2) / _SECTOR) % round(360 / _SECTOR)
    return np.where(np.isfinite(centre), sector * 4 + quarter, -1).astype(np.int64)


def _against(own: Floats, other: Floats, compare: Compare, minimum: float) -> Floats:
    """Deviation of each slot from the others, [%] or [unit]."""
    if compare == "difference":
        return own - other
    with np.errstate(invalid="ignore", divide="ignore"):
        # by the mean of both: a limit on one alone would choose by its error
        there = (0.5 * (own + other) >= minimum) & (own > 0) & (other > 0)
        return np.where(there, 100.0 * np.log(own / other), np.nan)


def _usual(off: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """Median of the group of each slot; NaN where that is not known, or of too few."""
    there = np.flatnonzero((groups >= 0) & np.isfinite(off))
    order = there[np.argsort(groups[there], kind="stable")]
    starts = np.searchsorted(groups[order], np.arange(int(groups.max(initial=0)) + 2)).astype(np.int64)
    medians = block_medians(off[order], starts, _FEWEST)
    return np.where(groups >= 0, medians[np.maximum(groups, 0)], np.nan)


def _fit(weekly: Floats, stamps: npt.NDArray[np.int64], least: float, confidence: float) -> _Fit:
    there = np.flatnonzero(np.isfinite(weekly))
    fit = _Fit()
    if len(there) < _WEEKS:
        return fit
    fit.weeks = len(there)
    y = weekly[there]
    middle = stamps[there] + _WEEK // 2
    months = (middle - middle[0]) / (DAY * MONTH)
    constant = float(((y - y.mean()) ** 2).sum())
    lines = [_least_squares(np.maximum(months - months[at], 0.0), y) for at in range(len(y) - _SLOWEST)]
    order = np.arange(len(y))
    steps = [_least_squares((order >= at).astype(np.float64), y) for at in range(_SLOWEST, len(y) - _SLOWEST + 1)]
    line, jump = int(np.argmin([one[0] for one in lines])), int(np.argmin([one[0] for one in steps]))
    # the noise, and its memory, by the better of the two; of a handful of weeks the memory is taken for no less than a third
    better = lines[line] if lines[line][0] <= steps[jump][0] else steps[jump]
    memory = max(min(autocorrelation(better[4]), 0.9), 0.3)
    inflation = np.sqrt((1.0 + memory) / (1.0 - memory))
    free = max(len(y) - 3, 1)
    sigma = max(np.sqrt(better[0] / free), 1e-9)

    def enough(amount: float, error: float) -> bool:
        return abs(amount) >= max(least, confidence * error)

    slope, spread = lines[line][2], lines[line][3] * sigma * inflation
    reach = float(months[-1] - months[line])
    height, error = steps[jump][2], steps[jump][3] * sigma * inflation
    found_line, found_step = enough(slope * reach, spread * reach), enough(height, error)
    if found_line and (lines[line][0] <= steps[jump][0] or not found_step):
        fit.kind, fit.onset = "drift", int(middle[line])
        fit.rate, fit.rate_uncertainty = slope, float(spread)
        fit.deviation, fit.deviation_uncertainty = slope * reach, float(spread * reach)
    elif found_step:
        fit.kind, fit.onset = "step", int(stamps[there[jump + _SLOWEST]])
        fit.deviation, fit.deviation_uncertainty = height, float(error)
    else:
        fit.deviation = slope * reach if constant > 0 else 0.0
        fit.deviation_uncertainty = float(spread * reach)
        fit.rate, fit.rate_uncertainty = slope, float(spread)
    if fit.kind != "none":
        start = better[1]
        fit.alarm = _cusum((y - start) / (sigma * inflation), stamps[there] + _WEEK)
    return fit


def _least_squares(x: Floats, y: Floats) -> tuple[float, float, float, float, Floats]:
    """Of y = a + b x: squared misfit, a, b, standard error of b for unit noise, residuals."""
    off = x - x.mean()
    power = float((off * off).sum())
    b = float((off * y).sum()) / power if power > 0 else 0.0
    a = float(y.mean() - b * x.mean())
    residual = y - a - b * x
    return float((residual**2).sum()), a, b, 1.0 / np.sqrt(power) if power > 0 else np.inf, residual


def _cusum(score: Floats, times: npt.NDArray[np.int64]) -> int | None:
    up = down = 0.0
    for value, at in zip(score, times, strict=True):
        up, down = max(0.0, up + value - _ALLOWANCE), max(0.0, down - value - _ALLOWANCE)
        if max(up, down) > _ALARM:
            return int(at)
    return None


@step("sensor_drift_detection")
def sensor_drift_detection(
    data: xr.Dataset,
    *,
    variable: str = "wind_speed",
    reference: str = "",
    compare: Compare | None = None,
    least: Annotated[float, Field(gt=0)] | None = None,
    confidence: Annotated[float, Field(gt=0)] = 4.0,
    direction: str = "wind_direction",
    flag: bool = True,
) -> xr.Dataset:
    """Find sensors that drift away from the other turbines'; see :func:`sensor_drift`.

    Parameters
    ----------
    reference
        Field to compare with; the other turbines where empty.
    flag
        Whether to flag INCONSISTENT the values from the time on at which the deviation is more than ``least``.

    Returns
    -------
    The data with ``<variable>_drift``, (time, asset) [%, or the unit of the variable]: deviation by the model of what was
    found, 0 where there is none; NaN where a turbine could not be judged.
    """
    data = ten_minute(data)
    table = sensor_drift(
        data,
        variable=variable,
        reference=data[reference] if reference else None,
        compare=compare,
        least=least,
        confidence=confidence,
        direction=direction,
    )
    for asset, why in table.filter(table["reason"].is_not_null()).select("asset", "reason").iter_rows():
        remark(f"sensor_drift_detection: {asset} is not judged: {why}")
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    found = np.zeros((len(times), data.sizes["asset"]), np.float32)
    for column, row in enumerate(table.iter_rows(named=True)):
        if row["reason"] is not None:
            found[:, column] = np.nan
        elif row["kind"] != "none":
            onset = int(np.datetime64(row["onset"], "ns").astype(np.int64))
            months = np.maximum(times - onset, 0) / (DAY * MONTH)
            found[:, column] = (
                row["rate"] * months if row["kind"] == "drift" else np.where(times >= onset, row["deviation"], 0)
            )
    unit = str(table["unit"][0])
    name = variable + DRIFT
    matters = least if least is not None else (3.0 if unit == "%" else 1.0)
    attrs = {
        "units": unit,
        "long_name": f"drift of {variable} against its neighbours",
        "flagged_from": float(matters) if flag else float("inf"),
    }
    data = data.assign({name: (("time", "asset"), found, attrs)})
    if not flag:
        return data
    return add_flags(data, variable, abs(data[name]) > matters, Quality.INCONSISTENT)


@step("sensor_drift_correction")
def sensor_drift_correction(data: xr.Dataset, *, variable: str = "wind_speed", undo: bool = False) -> xr.Dataset:
    """Take out the drift that ``sensor_drift_detection`` found; with ``undo`` put back what was measured.

    A ratio [%] is divided out, value exp(-drift / 100), a difference subtracted: the sensor reads as it did before the onset.
    Of a step that is the sensor before it, also where the new one is the better of the two: a northing or a calibration
    certificate tells that, the neighbours do not. A turbine that was not judged keeps its values, which is remarked.

    What was measured stays beside it as ``<variable>_raw``, so that ``undo`` gives it back to the last bit; the attribute
    ``removed`` of ``<variable>_drift`` says that it was done, and it is never done twice. The flags of the detection are taken
    away with the drift and come back with it.

    Raises
    ------
    InputError
        The drift is not in the data, or the correction was made already, or was not made.
    """
    name, kept = variable + DRIFT, variable + RAW
    if name not in data:
        raise InputError(
            "the drift is not in the data", found=variable, expected=f"{name}, from sensor_drift_detection"
        )
    drift = data[name]
    done = bool(drift.attrs.get("removed", 0))
    if done != undo or (undo and kept not in data):
        raise InputError(
            "the drift is taken out already" if done and not undo else "no drift was taken out", where=name
        )
    flagged = abs(drift) > drift.attrs.get("flagged_from", np.inf)
    if undo:
        data = data.assign({variable: data[kept], name: drift.assign_attrs(removed=0)}).drop_vars(kept)
        return add_flags(data, variable, flagged, Quality.INCONSISTENT) if bool(flagged.any()) else data
    values = data[variable]
    off = drift.fillna(0.0)
    right = values * np.exp(-off / 100.0) if drift.attrs.get("units") == "%" else values - off
    # what has no drift keeps its value to the last bit
    right = xr.where(off == 0, values, right).transpose(*values.dims)  # type: ignore[no-untyped-call]
    right = right.astype(values.dtype).assign_attrs(values.attrs)
    for asset in drift["asset"].values[drift.isnull().all("time").values]:
        remark(f"sensor_drift_correction: {asset} was not judged: its {variable} stays as measured")
    for asset in drift["asset"].values[(off != 0).any("time").values]:
        most = drift.sel(asset=asset)
        last = float(most.isel(time=int(abs(most).argmax("time"))))
        remark(
            f"sensor_drift_correction: {variable} of {asset} corrected at {int((most != 0).sum()):,} times, by "
            f"{-last:+.2f} {drift.attrs.get('units', '')} at most"
        )
    raw = values.assign_attrs(values.attrs | {"long_name": f"{variable} as measured"})
    data = data.assign({variable: right, kept: raw, name: drift.assign_attrs(removed=1)})
    companion = quality_name(variable)
    if companion not in data or not bool(flagged.any()):
        return data
    bits, free = data[companion], clear_flags(data, variable, Quality.INCONSISTENT)[companion]
    chosen = bits.where(~flagged, free).transpose(*bits.dims).astype(bits.dtype)
    return data.assign({companion: chosen.assign_attrs(bits.attrs)})
