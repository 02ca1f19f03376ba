"""What the fault analyses of solar plants have in common: fields read and checked, days of the sun, peers, events."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.solar.checks import check_plant, fact, kilowatts, rating, without_codes
from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import good, is_quality
from workbench.model.units import convert
from workbench.model.vocabulary import vocabulary

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

P = ParamSpec("P")
R = TypeVar("R")

DAY = 86_400_000_000_000  #: [ns]
#: Columns of every table of events; each analysis puts its own beside them.
COLUMNS = ("asset", "parent", "fault", "begin", "end", "ongoing", "days", "ratio", "confidence", "lost_energy")


@dataclass(frozen=True)
class Faults:
    """What an analysis of faults found.

    Attributes
    ----------
    events
        One row per fault, first begun first. ``asset``, ``parent``; ``fault``, its class; ``begin`` and ``end``, UTC; ``ongoing``,
        whether it lasts to the end of the data; ``days`` on which it was seen; ``ratio`` of what was measured to what was
        expected; ``confidence`` 0 to 1; ``lost_energy`` [kWh], NaN where it cannot be told; ``lost_money`` where a price was given;
        ``detail``, in words.
    daily
        dims (time, asset), time the days (by the clock of the sun, named by the date of their noon in UTC): ``index`` [1], ``loss``
        [kWh], ``fault`` (codes of ``flag_meanings``, 0 for none).
    slots
        dims (time, asset), the times of the data: ``loss`` [kWh] and ``fault``.
    reasons
        What could not be judged and why, by asset; empty where all was.
    day
        [slot] place of each slot's day in ``daily``.
    """

    events: pd.DataFrame
    daily: xr.Dataset
    slots: xr.Dataset
    reasons: dict[str, str]
    day: Ints


@dataclass(frozen=True)
class Days:
    """Days of the sun, from one middle of the night to the next; those without a time are left out."""

    number: Ints  #: [slot] place of its day among ``dates``
    dates: npt.NDArray[np.datetime64]  #: [day], date of noon in UTC
    phase: Floats  #: [slot] time since noon [h]
    first: Ints  #: [day] its first slot
    hours: float  #: length of a slot [h]

    def only(self, rows: Ints) -> Days:
        """The same days with some of their slots, in order and at least one of each."""
        number = self.number[rows]
        first = np.searchsorted(number, np.arange(len(self.dates)))
        return Days(number, self.dates, self.phase[rows], first.astype(np.int64), self.hours)

    def table(self, values: Floats) -> Floats:
        """Values [slot, asset] as [day, asset, slot of the day], NaN where a day has fewer slots than the longest."""
        place = np.arange(len(self.number)) - self.first[self.number]
        out = np.full((len(self.dates), values.shape[1], int(place.max()) + 1), np.nan)
        out[self.number, :, place] = values
        return out

    def sums(self, values: Floats) -> Floats:
        """Sums by days, [day, asset]; NaN count as nothing."""
        return np.asarray(
            np.add.reduceat(np.where(np.isnan(values), 0.0, values), self.first, axis=0), dtype=np.float64
        )


def field(data: xr.Dataset, name: str, kind: str) -> Floats | None:
    """``name`` as [time, asset] in the unit of the vocabulary for assets of ``kind``, rejected values NaN; None where it is missing.

    Raises
    ------
    InputError
        Its unit cannot be converted, or a tenth of its values cannot be of that unit.
    """
    if name not in data:
        return None
    values = good(data, name)
    if set(values.dims) != {"time", "asset"}:
        raise InputError(
            f"{name} is not by time and asset", where=name, found=str(values.dims), expected="(time, asset)"
        )
    try:
        found = np.asarray(values.transpose("time", "asset").values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("values are no numbers", where=name, found=str(values.dtype), expected="numbers") from None
    found = without_codes(found, name)
    term = vocabulary().get(name)
    if term is None:
        if name == "expected_power":
            return kilowatts(values.transpose("time", "asset").copy(data=found)).values
        return found
    if kind in term.asset_types:
        term = term.for_type(kind)
    given = str(data[name].attrs.get("units", "") or "")
    if given and given != term.units:
        try:
            found = np.asarray(convert(found, given, term.units), dtype=np.float64)
        except InputError as error:
            raise error.at(where=name) from error
    if term.valid_max is not None:
        # a sensor may be reversed, and one of them out of range; a tenth of all is another unit
        beyond = np.abs(found) > term.valid_max
        known = np.isfinite(found).sum()
        if known and beyond.sum() > 0.1 * known:
            raise InputError(
                f"{name} cannot be in {term.units}: another unit than the field says?",
                where=name,
                found=f"median of the highest tenth {np.nanquantile(np.abs(found), 0.95):,.4g} {term.units}",
                expected=f"up to {term.valid_max:g} {term.units}",
                hint="set the attribute 'units' to what they are, or the step `unit_conversion`",
            )
        found[beyond] = np.nan
    return found


def need(data: xr.Dataset, name: str, kind: str, why: str = "") -> Floats:
    """As :func:`field`; an error where it is missing."""
    found = field(data, name, kind)
    if found is None:
        there = [str(one) for one in data.data_vars if not is_quality(str(one))]
        raise InputError(
            f"the data have no field {name!r}{f', {why}' if why else ''}",
            where="data",
            found=", ".join(there[:12]),
            hint=did_you_mean(name, there),
        )
    return found


def check(data: xr.Dataset) -> None:
    """That there are times and assets, and more than a few of the former."""
    check_plant(data)
    if data.sizes["time"] < 8:
        raise InputError("too few times to judge", where="time", found=data.sizes["time"], expected="a day or more")


def check_light(values: Floats, name: str) -> None:
    """That something is measured, that it varies, and that it is not negative throughout.

    Raises
    ------
    InputError
        Nothing is measured; it is near zero throughout (night alone); most of the assets are below zero by day.
    """
    if not np.isfinite(values).any():
        raise InputError(f"{name} has no value at all", where=name)
    size = np.nanquantile(np.abs(values), 0.98)
    if not size > 1e-3:
        raise InputError(
            f"{name} is zero throughout: night alone, or a plant that stands", where=name, found=f"{size:g}",
            expected="hours of daylight",
        )  # fmt: skip
    high = np.abs(values) > 0.2 * size
    signs = np.where(high, np.sign(values), np.nan)
    known = high.any(axis=0)
    below = np.nansum(signs, axis=0)[known] < 0
    if known.sum() > 1 and below.mean() > 0.5:
        raise InputError(
            f"{name} is negative by day for most assets: reversed signs", where=name,
            found=f"{int(below.sum())} of {int(known.sum())} assets", expected="positive while it delivers",
            hint="the step `solar_level_correction`, or multiply by -1",
        )  # fmt: skip


def days_of(data: xr.Dataset, values: Floats) -> Days:
    """Days of the sun by the middle of the energy of ``values`` [time, asset]; no coordinates or time zone are needed."""
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    sums = np.nan_to_num(np.abs(values)).sum(axis=1)
    sums = np.minimum(sums, np.quantile(sums, 0.98))
    middle = complex((sums * np.exp(2j * np.pi * (times % DAY) / DAY)).sum())
    noon = int((np.angle(middle) % (2 * np.pi)) / (2 * np.pi) * DAY)
    shifted = times - noon + DAY // 2
    day = shifted // DAY
    kept, first, number = np.unique(day, return_index=True, return_inverse=True)
    dates = (kept * DAY + noon).astype("datetime64[ns]").astype("datetime64[D]")
    hours = float(slot_length(data) / np.timedelta64(3600, "s"))
    return Days(number.astype(np.int64), dates, (shifted % DAY) / (DAY / 24) - 12.0, first.astype(np.int64), hours)


def texts(data: xr.Dataset, name: str) -> list[str]:
    """A text of each asset from its coordinate; empty where unknown."""
    size = data.sizes["asset"]
    if name not in data.coords:
        return [""] * size
    return ["" if v is None or str(v) == "nan" else str(v) for v in np.broadcast_to(data[name].values, (size,))]


def numbers(data: xr.Dataset, name: str) -> Floats:
    """A number of each asset from its coordinate; NaN where unknown.

    Raises
    ------
    InputError
        It is no number.
    """
    return rating(data, name) if name.endswith("_capacity") else fact(data, name)


def median_of(values: Floats, least: int = 1) -> Floats:
    """Median over the assets of each row, NaN where fewer than ``least`` are known."""
    known = np.isfinite(values).sum(axis=1)
    out = np.full(len(values), np.nan)
    rows = known >= max(least, 1)
    if rows.any():
        out[rows] = _middle(values[rows], known[rows])
    return out


def median_down(values: Floats) -> Floats:
    """Median of each column, NaN where nothing is known."""
    return _middle(values.T, np.isfinite(values).sum(axis=0))


def median_last(values: Floats) -> Floats:
    """Median along the last axis, NaN where nothing is known."""
    flat = values.reshape(-1, values.shape[-1])
    return _middle(flat, np.isfinite(flat).sum(axis=1)).reshape(values.shape[:-1])


def _middle(values: Floats, known: Ints) -> Floats:
    """Median of what is known of each row; many times faster on short rows than ``numpy.nanmedian``."""
    ordered = np.sort(values, axis=1)  # NaN come last
    row = np.arange(len(values))
    low, high = np.maximum((known - 1) // 2, 0), np.minimum(known // 2, values.shape[1] - 1)
    return np.where(known > 0, 0.5 * (ordered[row, low] + ordered[row, high]), np.nan)


def quantile_of(values: Floats, q: float) -> Floats:
    """Quantile of each column without NaN, by the nearest rank; NaN where nothing is known."""
    known = np.isfinite(values).sum(axis=0)
    ordered = np.sort(values, axis=0)  # NaN come last
    rank = np.rint(q * np.maximum(known - 1, 0)).astype(np.int64)
    found = np.take_along_axis(ordered, rank[None, :], axis=0)[0]
    return np.where(known > 0, found, np.nan)


def spans_of(mask: Bools, gap: int = 0) -> list[tuple[int, int]]:
    """Spans [first, stop) in which ``mask`` holds, joined across at most ``gap`` others."""
    rows = np.flatnonzero(mask)
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) > gap + 1)
    starts, stops = np.r_[rows[0], rows[cuts + 1]], np.r_[rows[cuts], rows[-1]] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def coded(data: xr.Dataset, values: npt.NDArray[np.int8], classes: tuple[str, ...], title: str) -> xr.DataArray:
    """Codes of faults, (time, asset), with their meanings."""
    attrs = {
        "long_name": title,
        "flag_values": np.arange(len(classes) + 1, dtype=np.int8),
        "flag_meanings": " ".join(["none", *(c.replace(" ", "_") for c in classes)]),
    }
    return xr.DataArray(values, dims=("time", "asset"), attrs=attrs)


def table_of(rows: list[dict[str, object]], more: tuple[str, ...], price: float | None) -> pd.DataFrame:
    """The table of events, with money where there is a price."""
    import pandas as pd

    columns = [*COLUMNS, *more]
    table = pd.DataFrame(rows, columns=columns)
    if price is not None:
        table.insert(columns.index("lost_energy") + 1, "lost_money", table["lost_energy"].astype(float) * price)
    return table.sort_values(["begin", "asset"], kind="stable").reset_index(drop=True)


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function meet rows without a value, of which medians warn."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="All-NaN|Mean of empty|Degrees of freedom", category=RuntimeWarning
            )
            return function(*args, **kwargs)

    return run
