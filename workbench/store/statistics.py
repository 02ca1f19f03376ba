"""Ten-minute statistics of a series, as SCADA systems keep them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from workbench.model.quality import Quality
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.store.attributes import STATISTICS_CADENCE
from workbench.store.fold import MOST
from workbench.store.grid import grid_of
from workbench.store.reader import SeriesSource

if TYPE_CHECKING:
    from workbench.store.site import SiteStore

#: Length of a period [ns].
PERIOD = 600 * NS
#: Values of these qualities do not enter statistics.
UNUSABLE = int(Quality.BAD | Quality.INVALID)

#: Most values of a variable read at once, and most looked at at once.
_CELLS, _CELLS_AT_ONCE = 8_000_000, 1_000_000

Kind = Literal["measurement", "angle", "held"]
Floats = npt.NDArray[np.float64]

_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "measurement": ("", "_min", "_max", "_std", "_count"),
    "angle": ("", "_std", "_count"),
    "held": ("", "_count"),
}


def has_statistics(key: SeriesKey) -> bool:
    """Whether statistics are kept of a series: its slots divide ten minutes."""
    step = grid_of(key.cadence).step
    return step < PERIOD and PERIOD % step == 0


def statistics_key(key: SeriesKey) -> SeriesKey:
    """The series that holds the statistics of ``key``."""
    return SeriesKey(key.asset_type, STATISTICS_CADENCE)


def kind_of(name: str) -> Kind:
    """How a variable is summed up: states and counters by their last value, angles on the circle."""
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(name)
    if term is None or term.kind in {"measurement", "setpoint"}:
        return "measurement"
    return "angle" if term.kind == "angle" else "held"


def statistics_batches(site: SiteStore, key: SeriesKey, periods: Sequence[int], *, received: int) -> list[Batch]:
    """Statistics of a series over ``periods`` (starts [ns], ascending), from the data as it is now.

    An asset without any sample in a period gets no row for it.
    """
    batches = []
    with site.view() as view:
        assets = len(view.series(key).assets)
    per = PERIOD // grid_of(key.cadence).step
    for run in _runs(periods, most=min(6, max(1, _CELLS // (per * max(assets, 1))))):
        first, stop = run[0], run[-1] + PERIOD
        source, dtypes = site.source(key, time=slice(first, stop))
        if source.size:
            batches.append(_batch(source, dtypes, first, len(run), received))
    return [batch for batch in batches if len(batch)]


def _batch(source: SeriesSource, dtypes: dict[str, str], first: int, periods: int, received: int) -> Batch:
    per = PERIOD // source.grid.step
    offset = (source.start - first) // source.grid.step

    def blocks(name: str, part: str, dtype: str, fill: float) -> npt.NDArray[Any]:
        full = np.full((periods * per, len(source.assets)), fill, dtype=dtype)
        full[offset : offset + source.size] = source.read(name, part, dtype, 0, source.size)
        return full.reshape(periods, per, len(source.assets))

    counts = blocks("", "count", "u2", 0).astype(np.int64).sum(axis=1)
    period, asset = np.nonzero(counts)
    names: list[str] = []
    widths: list[str] = []
    columns: list[Floats] = []
    for name in source.variables:
        values = blocks(name, "value", dtypes[name], np.nan)
        usable = np.isfinite(values)
        if source.quality(name) is not None:
            usable &= (blocks(name, "quality", "u2", 0) & np.uint16(UNUSABLE)) == 0
        kind = kind_of(name)
        for suffix, result in zip(_SUFFIXES[kind], _summarised(values, usable, kind, _low(name)), strict=True):
            if suffix and name + suffix in dtypes:
                continue  # a tag of its own has that name
            names.append(name + suffix)
            widths.append("f4" if suffix == "_count" else dtypes[name])
            columns.append(result[period, asset])
    slot = first + period.astype(np.int64) * PERIOD
    return Batch(
        shape=Shape(statistics_key(source.key), tuple(names), tuple(widths)),
        assets=source.assets,
        slot=slot,
        asset=asset.astype(np.int32),
        time=slot,
        received=np.full(len(slot), received, dtype=np.int64),
        count=np.minimum(counts[period, asset], MOST).astype(np.uint16),
        values=np.stack(columns, axis=1) if columns else np.empty((len(slot), 0)),
        replace=True,
    )


def _summarised(values: npt.NDArray[Any], usable: npt.NDArray[np.bool_], kind: Kind, low: float) -> list[Floats]:
    """As :func:`summarise`, some assets at a time: it makes several arrays of the size of what it is given."""
    periods, per, assets = values.shape
    width = max(1, _CELLS_AT_ONCE // (periods * per))
    parts = [
        summarise(values[:, :, at : at + width], usable[:, :, at : at + width], kind, low)
        for at in range(0, assets, width)
    ]
    return parts[0] if len(parts) == 1 else [np.concatenate(column, axis=1) for column in zip(*parts, strict=True)]


def summarise(values: npt.NDArray[Any], usable: npt.NDArray[np.bool_], kind: Kind, low: float = 0.0) -> list[Floats]:
    """Statistics over the middle axis of ``values`` [period, slot, asset], of the ``usable`` ones.

    ``measurement``: mean, minimum, maximum, standard deviation (of the population), count. ``angle``
    [degrees]: circular mean in [low, low + 360), standard deviation after Yamartino [1]_, count. ``held``:
    the last value, count. NaN where no value is usable.

    References
    ----------
    .. [1] R. J. Yamartino, A comparison of several "single-pass" estimators of the standard deviation of
       wind direction, J. Climate Appl. Meteor. 23 (1984) 1362–1366; EPA-454/R-99-005, section 6.2.
    """
    count = usable.sum(axis=1).astype(np.float64)
    n = np.where(count > 0, count, np.nan)
    if kind == "held":
        last = values.shape[1] - 1 - np.argmax(usable[:, ::-1], axis=1)
        taken = np.take_along_axis(values, last[:, None], axis=1)[:, 0].astype(np.float64)
        return [np.where(count > 0, taken, np.nan), count]
    if kind == "angle":
        turned = np.deg2rad(np.where(usable, values, 0.0), dtype=np.float64)
        s = np.sin(turned).sum(axis=1, where=usable) / n
        c = np.cos(turned).sum(axis=1, where=usable) / n
        mean = (np.rad2deg(np.arctan2(s, c)) - low) % 360.0 + low
        spread = np.sqrt(np.clip(1.0 - (s * s + c * c), 0.0, 1.0))
        std = np.rad2deg(np.arcsin(spread) * (1.0 + (2.0 / np.sqrt(3.0) - 1.0) * spread**3))
        return [mean, std, count]
    clean = np.where(usable, values, 0).astype(np.float64)
    mean = clean.sum(axis=1) / n
    off = np.subtract(clean, mean[:, None], where=usable, out=np.zeros_like(clean))
    std = np.sqrt(np.einsum("psa,psa->pa", off, off) / n)
    least = np.where(usable, values, np.inf).min(axis=1)
    most = np.where(usable, values, -np.inf).max(axis=1)
    there = count > 0
    return [mean, np.where(there, least, np.nan), np.where(there, most, np.nan), std, count]


def _low(name: str) -> float:
    """Where the circle of an angle begins [degrees]: -180 for one that may be negative."""
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(name)
    return -180.0 if term is not None and term.valid_min is not None and term.valid_min < 0 else 0.0


def _runs(periods: Sequence[int], most: int) -> list[list[int]]:
    """Periods in runs without a gap, ``most`` in each, so that memory stays bounded."""
    runs: list[list[int]] = []
    for period in periods:
        if runs and period == runs[-1][-1] + PERIOD and len(runs[-1]) < most:
            runs[-1].append(period)
        else:
            runs.append([period])
    return runs
