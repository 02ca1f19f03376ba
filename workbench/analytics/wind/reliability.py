"""How often turbines fail and how long mending takes: MTBF, MTTR, failure rate with their intervals.

A failure is a stay in one of the failure categories (``forced_outage`` unless told otherwise). The period cuts some:

- one under way when the period begins did not begin in it: its time counts as down, it is no failure of the period, and
  its repair is not timed (``open_at_start``);
- one not mended when the period ends is a failure; its time so far counts, its repair is not complete (``open_at_end``).

Up time is the time in which the turbine was exposed to failure: all but down time and what is unknown. With exponential times
the estimates of greatest likelihood, cut ones included [1]_, are

    failure rate = failures / up time,  MTBF = up time / failures,  MTTR = down time of timed repairs / repairs completed.

The interval of the rate is the exact one of Poisson counts [2]_; MTBF's follows from it and has no upper end without a failure.
Without a failure there is no MTBF, and without a completed repair no MTTR: NaN, with the counts beside it.

References
----------
.. [1] W. Q. Meeker, L. A. Escobar, Statistical Methods for Reliability Data, Wiley 1998, 7.
.. [2] F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437-442.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.analytics.wind.category_seconds import SECOND, table_of
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import polars as pl

FAILURE = ("forced_outage",)
_YEAR = 8766.0  #: [h]


def stays(seconds: xr.Dataset, categories: Sequence[str] = FAILURE, *, merge: str = "PT0S") -> pl.DataFrame:
    """Stays in some categories, from the seconds of slots.

    Slots that touch make one stay: within a slot nobody knows when. A stay goes on over slots of which all is unknown when
    both sides of them are in it.

    Parameters
    ----------
    seconds
        See :func:`~workbench.analytics.wind.category_seconds.stack`.
    categories
        Of the standard (those of one's own that belong to it count with it) or of one's own.
    merge
        Stays that are no further apart than this ISO 8601 duration are one: a restart that failed is no new failure.

    Returns
    -------
    polars.DataFrame
        ``asset``, ``start``, ``end`` (UTC, edges of slots), ``hours`` in the categories, ``open_at_start``,
        ``open_at_end``; in the order of turbine and time.
    """
    import polars as pl

    from workbench.model.time import parse_duration

    rows = _rows(seconds, categories)
    inside = seconds["seconds"].values[rows].sum(axis=0)
    unknown = np.flatnonzero(seconds["category"].values == "unknown")
    whole = seconds["slot_seconds"].values[:, None]
    blind = seconds["seconds"].values[unknown].sum(axis=0) >= whole - 1e-6
    starts = seconds["time"].values.astype("datetime64[ns]").astype(np.int64)
    ends = starts + (seconds["slot_seconds"].values * SECOND).astype(np.int64)
    gap = parse_duration(merge).ns
    found: list[tuple[Any, ...]] = []
    for column, asset in enumerate(map(str, seconds["asset"].values)):
        down = inside[:, column] > 0
        decides = np.flatnonzero(down | ~blind[:, column])
        runs = np.split(decides, np.flatnonzero(np.diff(down[decides].astype(np.int8))) + 1) if len(decides) else []
        mine: list[list[int]] = []
        for run in runs:
            if not down[run[0]]:
                continue
            if mine and starts[run[0]] - ends[mine[-1][1]] <= gap:
                mine[-1][1] = int(run[-1])
            else:
                mine.append([int(run[0]), int(run[-1])])
        for first, last in mine:
            hours = float(inside[first : last + 1, column].sum()) / 3600.0
            at_start = first == 0 or not len(decides) or first == decides[0]
            at_end = last == len(starts) - 1 or last == decides[-1]
            # the turbine was up in a part of the slot: the stay began, or ended, inside the period
            at_start = bool(at_start and inside[first, column] >= whole[first, 0] - 1.0)
            at_end = bool(at_end and inside[last, column] >= whole[last, 0] - 1.0)
            found.append((asset, int(starts[first]), int(ends[last]), hours, at_start, at_end))
    frame = pl.DataFrame(
        found,
        schema={
            "asset": pl.String,
            "start": pl.Int64,
            "end": pl.Int64,
            "hours": pl.Float64,
            "open_at_start": pl.Boolean,
            "open_at_end": pl.Boolean,
        },
        orient="row",
    )
    return frame.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


def stays_of_intervals(
    intervals: pl.DataFrame, categories: Sequence[str] = FAILURE, *, merge: str = "PT0S"
) -> pl.DataFrame:
    """The same to the second, from lines of time: see :func:`~workbench.analytics.wind.category_events.resolve_events`."""
    import polars as pl

    from workbench.model.time import parse_duration

    gap = parse_duration(merge).ns
    frame = intervals.sort("asset", "start").with_columns(
        first=pl.col("start").min().over("asset"), last=pl.col("end").max().over("asset")
    )
    frame = frame.filter(pl.col("category").is_in(list(categories)))
    apart = (pl.col("start") - pl.col("end").shift(1).over("asset")).dt.total_nanoseconds()
    new = apart.is_null() | (apart > gap)
    frame = frame.with_columns(stay=new.cast(pl.Int64).cum_sum().over("asset"))
    return (
        frame.group_by("asset", "stay", maintain_order=True)
        .agg(
            pl.col("start").min(),
            pl.col("end").max(),
            (pl.col("seconds").sum() / 3600.0).alias("hours"),
            (pl.col("start").min() == pl.col("first").first()).alias("open_at_start"),
            (pl.col("end").max() == pl.col("last").first()).alias("open_at_end"),
        )
        .drop("stay")
    )


def reliability(
    seconds: xr.Dataset,
    failures: pl.DataFrame | None = None,
    *,
    categories: Sequence[str] = FAILURE,
    merge: str = "PT0S",
    confidence: float = 0.90,
) -> xr.Dataset:
    """MTBF, MTTR and failure rate, of each turbine and of the farm.

    Parameters
    ----------
    seconds
        See :func:`~workbench.analytics.wind.category_seconds.stack`: gives the time up and down.
    failures
        From :func:`stays` or, to the second, :func:`stays_of_intervals`, of the same period; found in ``seconds`` if left
        out.
    categories
        That are a failure.
    merge
        See :func:`stays`.
    confidence
        Of the intervals.

    Returns
    -------
    xr.Dataset
        dims (asset): ``up_hours``, ``down_hours``, ``unknown_hours`` [h]; ``failures``, ``repairs`` completed,
        ``open_at_start``, ``open_at_end``; ``mtbf``, ``mttr`` [h]; ``failure_rate`` and its ``failure_rate_low``,
        ``failure_rate_high`` [1/year of up time]; ``mtbf_low``, ``mtbf_high`` [h]. The same with ``farm_`` before, of all
        turbines' times and counts together.

    Raises
    ------
    InputError
        A category is not there; failures of a turbine that is not.
    """
    import polars as pl

    if not 0 < confidence < 1:
        raise InputError("no probability", where="confidence", found=confidence, expected="between 0 and 1")
    rows = _rows(seconds, categories)
    names = [str(one) for one in seconds["asset"].values]
    if failures is None:
        failures = stays(seconds, categories, merge=merge)
    strange = sorted(set(failures["asset"].to_list()) - set(names))
    if strange:
        raise InputError("failures of turbines that are not there", where="failures", found=", ".join(strange[:10]))
    total = float(seconds["slot_seconds"].values.sum()) / 3600.0
    down = seconds["seconds"].values[rows].sum(axis=(0, 1)) / 3600.0
    blind = np.flatnonzero(seconds["category"].values == "unknown")
    unknown = seconds["seconds"].values[blind].sum(axis=(0, 1)) / 3600.0

    def counted(condition: pl.Expr, value: pl.Expr) -> np.ndarray[Any, Any]:
        told = dict(failures.filter(condition).group_by("asset").agg(value.alias("n")).iter_rows())
        return np.array([float(told.get(name, 0)) for name in names])

    began = ~pl.col("open_at_start")
    mended = began & ~pl.col("open_at_end")
    base = {
        "up_hours": total - down - unknown,
        "down_hours": down,
        "unknown_hours": unknown,
        "failures": counted(began, pl.len()),
        "repairs": counted(mended, pl.len()),
        "open_at_start": counted(pl.col("open_at_start"), pl.len()),
        "open_at_end": counted(pl.col("open_at_end"), pl.len()),
        "_timed": counted(began, pl.col("hours").sum()),
    }
    found = xr.Dataset(coords={"asset": seconds["asset"].values})
    for before, dims, values in (("", "asset", base), ("farm_", (), {name: each.sum() for name, each in base.items()})):
        for name, each in _figures(values, confidence).items():
            units = "1/year" if "rate" in name else "h" if name.endswith("_hours") or name.startswith("mt") else "1"
            found[before + name] = (dims, each, {"units": units, "long_name": (before + name).replace("_", " ")})
    return found.assign_attrs(categories=", ".join(categories), confidence=confidence)


def _figures(base: dict[str, Any], confidence: float) -> dict[str, Any]:
    from scipy.stats import chi2

    n, up, timed = base["failures"], base["up_hours"], base["_timed"]
    tail = (1.0 - confidence) / 2.0
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(n > 0, chi2.ppf(tail, 2 * np.maximum(n, 1)), 0.0) / 2.0
        high = chi2.ppf(1.0 - tail, 2 * n + 2) / 2.0
        exposed = np.where(up > 0, up, np.nan)
        found = {name: each for name, each in base.items() if name != "_timed"}
        found |= {
            "mtbf": np.where(n > 0, exposed / np.maximum(n, 1), np.nan),
            "mtbf_low": exposed / high,
            "mtbf_high": np.where(low > 0, exposed / low, np.inf),
            "mttr": np.where(base["repairs"] > 0, timed / np.maximum(base["repairs"], 1), np.nan),
            "failure_rate": n / exposed * _YEAR,
            "failure_rate_low": low / exposed * _YEAR,
            "failure_rate_high": high / exposed * _YEAR,
        }
    return found


def _rows(seconds: xr.Dataset, categories: Sequence[str]) -> list[int]:
    table = table_of(seconds)
    table.check(categories, "categories")
    return [
        row
        for row, name in enumerate(map(str, seconds["category"].values))
        if name in categories or table.parent(name) in categories
    ]
