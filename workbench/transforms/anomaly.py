"""Anomalies: how unusual each value is beside what was measured before it, of telemetry and of records."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import xarray as xr
from pydantic import AliasChoices, Field

from workbench.model.errors import InputError, did_you_mean
from workbench.model.keys import DurationText
from workbench.model.quality import good
from workbench.model.time import parse_duration, rising_times
from workbench.steps import remark, step
from workbench.transforms.anomaly_models import MULTIVARIATE, Algorithm, Detector
from workbench.transforms.fields import some_there

#: Fields that tell one machine's records from another's, where a pipeline does not say it.
IDS = ("asset_id", "sensor_id", "machine_id", "turbine_id", "inverter_id")
#: Least number of values in a baseline.
MIN_HISTORY = {"z_score": 10, "robust_z": 10, "ewma": 10, "isolation_forest": 50, "hotelling_t2": 30}
#: Score from which on a value is flagged; of a forest it is 1 - contamination.
THRESHOLDS = {"z_score": 3.0, "robust_z": 3.5, "ewma": 3.0, "hotelling_t2": 1.0}
_MEANINGS = {
    "z_score": "standard deviations of the baseline above (+) or below (-) its mean",
    "robust_z": "robust standard deviations (1.4826 MAD) of the baseline above (+) or below (-) its median",
    "ewma": "standard deviations of the exponentially weighted mean above (+) or below (-) the baseline's",
    "isolation_forest": "share of the baseline that is less unusual",
    "hotelling_t2": "T-squared as a multiple of its upper control limit",
}
_LABELS = {
    "z_score": "z-score",
    "robust_z": "robust z-score",
    "ewma": "EWMA control chart",
    "isolation_forest": "anomaly score",
    "hotelling_t2": "Hotelling's T-squared",
}


@step("anomaly_detection")
def anomaly_detection(
    data: xr.Dataset | pl.LazyFrame,
    *,
    field_name: str = "",
    fields: Sequence[str] = (),
    algorithm: Algorithm = "z_score",
    baseline_period: DurationText = "P30D",
    threshold: Annotated[float, Field(gt=0)] | None = None,
    contamination: Annotated[float, Field(gt=0, le=0.5)] = 0.05,
    lambda_: Annotated[float, Field(gt=0, le=1, validation_alias=AliasChoices("lambda", "lambda_"))] = 0.2,
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.0027,
    retrain_period: DurationText = "P1D",
    seed: int = 0,
    min_history: Annotated[int, Field(ge=2)] | None = None,
    output_field: str = "",
    flag_field: str = "",
    group_by: Sequence[str] | None = None,
    time_field: str = "timestamp",
) -> xr.Dataset | pl.LazyFrame:
    """How unusual each value is beside those of the ``baseline_period`` before it, and a flag where it is an anomaly.

    A score depends on what came before it only: neither the value itself nor a later one is in its baseline, which
    reaches from one ``baseline_period`` before the time up to it and leaves out the time itself.

    - ``z_score``: standard deviations (n - 1) above (+) or below (-) the mean of the baseline; flagged beyond
      ``threshold`` (3) on either side. Of Gaussian noise 0.27 % are beyond 3, 4.6 % beyond 2; a few more where the
      baseline has few values.
    - ``robust_z``: the same with the median, and 1.4826 times the median absolute deviation, so that anomalies in the
      baseline hide no later ones; flagged beyond ``threshold`` (3.5)
    - ``ewma``: a control chart for small lasting shifts. Each value is standardised as by ``z_score``; the
      exponentially weighted mean of these, with the weight ``lambda`` for the newest, is divided by its standard
      deviation, which grows with the number of values since the chart began. It begins anew after a
      ``baseline_period`` without values. Flagged beyond ``threshold`` (3) on either side.
    - ``isolation_forest``: the share of the baseline, 0 … 1, that is less unusual than the value: 0.8 means more
      unusual than 80 % of the baseline, so ordinary operation is above 0.8 a fifth of the time, and what was never
      seen is close to 1. Flagged above ``1 - contamination``, which is as many as one takes the baseline to have. What
      is ranked is the score of the paper, 2^(-E(h)/c(n)), which itself is no such scale: one field's grossest outlier
      has about 0.75, whatever its distance.
    - ``hotelling_t2``: distance of several ``fields`` together from their mean, by their covariance, as a multiple of
      the upper control limit that one in ``1 / alpha`` ordinary values exceeds (by the F distribution, for single
      observations that had no part in the mean). Flagged above ``threshold`` (1).

    The last two are trained for each ``retrain_period`` (UTC, counted from 1970) on the ``baseline_period`` before it
    begins, never on what they score. The limits hold for values that do not depend on each other; those of a machine
    from one ten minutes to the next do, so expect more false alarms, and in longer runs.

    The score is unknown (NaN, null) and the flag with it where the value is missing or flagged as wrong, where the
    baseline has fewer values than ``min_history`` (10; 50 for a forest, 30 for T-squared), and where it does not vary.

    Parameters
    ----------
    data
        Telemetry, dims (time, asset) or (time,), times ascending; values flagged as wrong do not count. Lazy data stay
        lazy, each chunk of time with what its baselines need; for ``ewma`` all times of an asset are held at once. Or
        records, in any order, which stay in it; those that a check did not let pass do not count.
    field_name, fields
        One field, or several together for ``isolation_forest`` and ``hotelling_t2``. One of several that is not there
        is left out and remarked.
    baseline_period, retrain_period
        ISO 8601 durations.
    threshold
        From which score on a value is flagged.
    contamination
        Share [1] of anomalies in the baseline of a forest.
    lambda_
        ``lambda`` in files: weight [1] of the newest value.
    alpha
        Share [1] of false alarms at the limit of T-squared.
    seed
        Of the forest's random numbers: the same data and seed give the same scores.
    output_field, flag_field
        ``<field>_anomaly_score`` and ``<field>_anomaly`` by default; of several fields their names joined by ``_``.
    group_by
        Of records: the fields that tell machines apart; by default those of ``asset_id``, ``sensor_id``,
        ``machine_id``, ``turbine_id``, ``inverter_id`` that are there. Telemetry is by asset.
    time_field
        Of records: the field with the time. A record without one has no score and counts for none.

    Returns
    -------
    The data with the score [1], and the flag: of telemetry 1, 0 and NaN, of records true, false and null.

    Raises
    ------
    InputError
        None of the fields is there, or it is not a number; several for an algorithm of one; the times are not in order.

    References
    ----------
    S. W. Roberts, Control chart tests based on geometric moving averages, Technometrics 1 (1959); H. Hotelling,
    Multivariate quality control, 1947; D. C. Montgomery, Introduction to Statistical Quality Control, 9.2 and 11.3;
    B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers, 1993; F. T. Liu, K. M. Ting, Z.-H. Zhou, Isolation
    Forest, ICDM 2008.
    """
    names = tuple(dict.fromkeys(name for name in (field_name, *fields) if name))
    if not names:
        raise InputError("no field to look at", where="field_name", expected="field_name, or fields")
    if len(names) > 1 and algorithm not in MULTIVARIATE:
        raise InputError(
            f"{algorithm} takes one field",
            where="fields",
            found=", ".join(names),
            expected=f"field_name; several fields go with {' and '.join(MULTIVARIATE)}",
        )
    detector = Detector(
        algorithm,
        parse_duration(baseline_period).ns,
        MIN_HISTORY[algorithm] if min_history is None else min_history,
        lambda_,
        alpha,
        parse_duration(retrain_period).ns,
        seed,
    )
    limit = threshold if threshold is not None else THRESHOLDS.get(algorithm, 1 - contamination)
    score = output_field or f"{'_'.join(names)}_anomaly_score"
    flag = flag_field or f"{'_'.join(names)}_anomaly"
    if isinstance(data, xr.Dataset):
        return _telemetry(data, names, detector, limit, score, flag, baseline_period)
    return _records(data, names, detector, limit, score, flag, group_by, time_field)


# -- telemetry --------------------------------------------------------------------------------------------


def _telemetry(
    data: xr.Dataset,
    names: tuple[str, ...],
    detector: Detector,
    limit: float,
    score_name: str,
    flag_name: str,
    period: str,
) -> xr.Dataset:
    there = some_there("anomaly_detection", names, data, "field_name" if len(names) == 1 else "fields")
    for name in there:
        if data[name].dtype.kind not in "fiu" or "time" not in data[name].dims:
            raise InputError(
                "not a number over time",
                where="field_name",
                found=f"{name}: {data[name].dtype}, dims {', '.join(map(str, data[name].dims)) or 'none'}",
                expected="a measured field, dims (time, asset)",
            )
    times = rising_times(data["time"])
    arrays = xr.broadcast(*[good(data, name) for name in there])
    dims = ("time", *(dim for dim in arrays[0].dims if dim != "time"))
    found = _scores(times, [array.transpose(*dims).data for array in arrays], detector)
    score = xr.DataArray(found, dims=dims, coords=arrays[0].coords).transpose(*arrays[0].dims)
    label = f"{_LABELS[detector.algorithm]} of {', '.join(str(data[n].attrs.get('long_name', n)) for n in there)}"
    flagged = (abs(score) > limit).astype(np.float64).where(score.notnull())
    if not score.chunks and score.size and bool(score.isnull().all()):
        least = detector.min_history
        remark(f"anomaly_detection: no value of {', '.join(there)} has {least} that vary in the {period} before it")
    return data.assign(
        {
            score_name: score.assign_attrs(
                long_name=f"{label} beside the {period} before",
                units="1",
                comment=_MEANINGS[detector.algorithm],
                algorithm=detector.algorithm,
                baseline_period=period,
            ),
            flag_name: flagged.assign_attrs(
                long_name=f"anomaly: {label} beyond {limit:g}",
                units="1",
                flag_values=np.array([0.0, 1.0]),
                flag_meanings="normal anomaly",
            ),
        }
    )


def _scores(times: npt.NDArray[np.int64], arrays: list[Any], detector: Detector) -> Any:
    """The score, like each of ``arrays`` [time, …]; lazy where one of them is."""
    if not any(hasattr(array, "dask") for array in arrays):
        return _computed(np.stack(arrays, axis=-1), times, 0, detector, threads=os.cpu_count() or 1)
    import dask.array as da

    stacked = da.stack([da.asarray(array) for array in arrays], axis=-1)  # type: ignore[no-untyped-call]
    if detector.reach is None or not len(times):
        stacked = stacked.rechunk({0: -1})
    stops = np.cumsum(stacked.chunks[0])
    parts = []
    for start, stop in zip(np.r_[0, stops[:-1]], stops, strict=True):
        low = start
        if detector.reach is not None and stop > start:
            low = np.searchsorted(times, times[start] - detector.reach)
        piece = stacked[low:stop].rechunk({0: -1, stacked.ndim - 1: -1})
        parts.append(
            piece.map_blocks(
                _computed,
                times[low:stop],
                int(start - low),
                detector,
                dtype=np.float64,
                drop_axis=[stacked.ndim - 1],
                chunks=((int(stop - start),), *stacked.chunks[1:-1]),
                meta=np.empty((0,) * (stacked.ndim - 1)),
            )
        )
    return da.concatenate(parts, axis=0)  # type: ignore[no-untyped-call]


def _computed(
    values: npt.NDArray[Any], times: npt.NDArray[np.int64], skip: int, detector: Detector, threads: int = 1
) -> npt.NDArray[np.float64]:
    """[time, …] from row ``skip`` on, of values [time, …, field]; a task of Dask has one thread."""
    rest = values.shape[1:-1]
    columns = values.astype(np.float64).reshape(len(values), math.prod(rest), values.shape[-1])
    out = np.empty(columns.shape[:2])

    def work(column: int) -> None:
        out[:, column] = detector.score(times, columns[:, column])

    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(out.shape[1])))
    else:
        list(map(work, range(out.shape[1])))
    return out.reshape(len(values), *rest)[skip:]


# -- records ----------------------------------------------------------------------------------------------


def _records(
    data: pl.LazyFrame,
    names: tuple[str, ...],
    detector: Detector,
    limit: float,
    score_name: str,
    flag_name: str,
    group_by: Sequence[str] | None,
    time_field: str,
) -> pl.LazyFrame:
    from workbench.transforms.aside import REJECTED
    from workbench.transforms.records import field, moment, path, paths

    schema = data.collect_schema()
    there = [name for name in names if path(name, schema) is not None]
    if not there:
        raise InputError(
            "none of the fields is in the records",
            where="field_name" if len(names) == 1 else "fields",
            found=", ".join(names),
            hint=did_you_mean(names[0], paths(schema)),
        )
    for name in names:
        if name not in there:
            remark(f"anomaly_detection: no field {name!r} in the records; what is said of it is left out")
    columns: dict[str, pl.Expr] = {}
    for number, name in enumerate(there):
        value, dtype = field(name, data, "field_name")
        if not dtype.is_numeric() and dtype != pl.Null:
            raise InputError(
                "not a number", where="field_name", found=f"{name}: {dtype}", hint="bring it by field_operation: number"
            )
        value = value.cast(pl.Float64)
        if REJECTED in schema:  # what a check found wrong is in no baseline
            value = pl.when(pl.col(REJECTED).list.len().fill_null(0) == 0).then(value)
        columns[f"x{number}"] = value
    if group_by is None:
        group_by = [name for name in IDS if name in schema]
        if not group_by:
            remark("anomaly_detection: the records say no machine; all are taken to be of one")
    columns |= {f"g{number}": field(name, data, "group_by")[0] for number, name in enumerate(group_by)}
    columns["t"] = moment(*field(time_field, data, "time_field")).cast(pl.Datetime("us"))
    work = functools.partial(_of_groups, fields=len(there), groups=len(group_by), detector=detector)
    given = pl.struct([value.alias(name) for name, value in columns.items()])
    scored = data.with_columns(given.map_batches(work, return_dtype=pl.Float64).alias(score_name))
    return scored.with_columns((pl.col(score_name).abs() > limit).alias(flag_name))


def _of_groups(rows: pl.Series, *, fields: int, groups: int, detector: Detector) -> pl.Series:
    """The score of each of ``rows``, structs of ``x0`` …, ``g0`` … and ``t``; null where it is not known."""
    out = np.full(len(rows), np.nan)
    if len(rows):
        frame = rows.struct.unnest().with_row_index("row")
        values = np.column_stack([frame[f"x{n}"].fill_null(float("nan")).to_numpy() for n in range(fields)])
        known = frame.filter(pl.col("t").is_not_null()).sort("t", maintain_order=True)
        times = frame["t"].to_physical().fill_null(0).to_numpy() * 1_000
        keys = [f"g{n}" for n in range(groups)]
        split = known.group_by(keys).agg("row")["row"] if keys else [known["row"]]
        for part in split:
            at = part.to_numpy()
            out[at] = detector.score(times[at], values[at])
    return pl.Series(out, dtype=pl.Float64).fill_nan(None)
