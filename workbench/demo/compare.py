"""Compares the store with what the simulator wrote down, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from workbench.model.samples import SeriesKey


@dataclass
class SeriesComparison:
    """How the store of one series differs from the truth.

    ``expected`` values were served inside the window; of these ``lost`` are absent from the store and
    ``wrong`` stand there with another value. ``duplicates`` counts time steps that stand twice, and slots
    into which more samples fell than were served.
    """

    series: SeriesKey
    expected: int = 0
    lost: int = 0
    wrong: int = 0
    duplicates: int = 0
    first: dict[str, np.datetime64] = field(default_factory=dict)  #: start of the window, per asset
    examples: list[str] = field(default_factory=list)


def compare_series(
    series: SeriesKey,
    truth: xr.Dataset,
    stored: xr.Dataset,
    *,
    latest_start: np.datetime64,
    end: np.datetime64,
) -> SeriesComparison:
    """Compare one series.

    Parameters
    ----------
    truth, stored
        Dims (time, asset), NaN for what was not sent. ``stored`` may carry ``sample_count``.
    latest_start
        The window of an asset begins with its first stored value, and here at the latest: a source that
        never delivered has lost everything since then.
    end
        The window's end, exclusive.
    """
    result = SeriesComparison(series)
    stamps = stored["time"].values
    result.duplicates += int(len(stamps) - len(np.unique(stamps)))
    names = [str(name) for name in truth.data_vars]
    for asset in map(str, truth["asset"].values):
        known = truth.sel(asset=asset)
        known = known.isel(time=~np.isnan(_block(known, names)).all(axis=1))
        times = known["time"].values
        seen = _column(stored, asset, names, times)
        present = ~np.isnan(seen).all(axis=1)
        start = latest_start
        if present.any():
            start = min(start, times[int(np.argmax(present))])
        result.first[asset] = start
        window = (times >= start) & (times < end)
        true, got = _block(known, names)[window], seen[window]
        sent = ~np.isnan(true)
        missing = sent & np.isnan(got)
        wrong = sent & ~missing & (got != _as_stored(stored, names, true))
        result.expected += int(sent.sum())
        result.lost += int(missing.sum())
        result.wrong += int(wrong.sum())
        result.duplicates += _surplus(stored, asset, times[window])
        for kind, places in (("lost", missing), ("wrong", wrong)):
            for row, column in np.argwhere(places)[: max(0, 5 - len(result.examples))]:
                result.examples.append(
                    f"{kind}: {asset} {names[column]} at {np.datetime_as_string(times[window][row], unit='ms')}: "
                    f"sent {true[row, column]!r}, stored {got[row, column]!r}"
                )
    return result


def compare(
    truth: Mapping[SeriesKey, xr.Dataset],
    stored: Mapping[SeriesKey, xr.Dataset],
    *,
    latest_start: np.datetime64,
    end: np.datetime64,
) -> list[SeriesComparison]:
    """Compare every series of a site; one that the store does not know has lost everything."""
    results = []
    for key, true in truth.items():
        got = stored.get(key)
        if got is None:
            got = xr.Dataset(coords={"time": np.array([], "datetime64[ns]"), "asset": np.array([], object)})
        results.append(compare_series(key, true, got, latest_start=latest_start, end=end))
    return results


def _block(data: xr.Dataset, names: list[str]) -> np.ndarray:
    """Variables of a Dataset with the one dim ``time`` as float64 [time, variable]."""
    return np.stack([data[name].values.astype(np.float64) for name in names], axis=1)


def _column(stored: xr.Dataset, asset: str, names: list[str], times: np.ndarray) -> np.ndarray:
    """What the store holds for ``asset`` at ``times``, float64 [time, variable], NaN where nothing."""
    result = np.full((len(times), len(names)), np.nan)
    if asset not in stored["asset"].values or not len(times):
        return result
    # Duplicated stamps are counted elsewhere; here the first of them speaks.
    stamps, where = np.unique(stored["time"].values, return_index=True)
    place = np.searchsorted(stamps, times)
    place[place == len(stamps)] = 0
    found = stamps[place] == times if len(stamps) else np.zeros(len(times), bool)
    column = stored.sel(asset=asset)
    for number, name in enumerate(names):
        if name in column:
            result[found, number] = column[name].values[where[place[found]]]
    return result


def _as_stored(stored: xr.Dataset, names: list[str], true: np.ndarray) -> np.ndarray:
    """The truth at the width in which the store keeps each variable."""
    result = true.copy()
    for number, name in enumerate(names):
        if name in stored and stored[name].dtype == np.float32:
            result[:, number] = true[:, number].astype(np.float32)
    return result


def _surplus(stored: xr.Dataset, asset: str, times: np.ndarray) -> int:
    if "sample_count" not in stored or asset not in stored["asset"].values or not len(times):
        return 0
    counts = stored["sample_count"].sel(asset=asset)
    within = counts.values[(counts["time"].values >= times[0]) & (counts["time"].values <= times[-1])]
    # Counts are unsigned: a slot without a sample must not become a very large surplus.
    return int(np.clip(np.nan_to_num(within).astype(np.int64) - 1, 0, None).sum())
