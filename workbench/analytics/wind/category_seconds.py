"""Seconds of each slot and turbine by category: how they are shared out, completed, summed and shown.

Every second of every slot is in exactly one category, ``unknown`` included, so that the categories of any period sum to
its length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Step, Window, grouped, sum_by
from workbench.analytics.wind.categories import CATEGORIES, UNKNOWN, CategoryTable
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SECOND = 1_000_000_000  #: [ns]


def share_out(
    claims: Mapping[str, xr.DataArray], slot: float | xr.DataArray, table: CategoryTable
) -> dict[str, xr.DataArray]:
    """Seconds of each category, those claimed first come by priority, what nobody claims is ``unknown``.

    Parameters
    ----------
    claims
        By category, seconds [s] claimed of each slot; missing claims nothing.
    slot
        Length of the slots [s].

    Returns
    -------
    By category, ``unknown`` last, seconds that sum to ``slot``; lazy where the claims are.
    """
    found: dict[str, xr.DataArray] = {}
    left: xr.DataArray | float = slot
    for name in table.priority:
        if name in claims and name != UNKNOWN:
            found[name] = xr.ufuncs.minimum(claims[name].fillna(0.0), left)
            left = left - found[name]
    if not isinstance(left, xr.DataArray):
        raise InputError("nothing claims any time", where="claims", found="none", expected="one category or more")
    found[UNKNOWN] = left
    return found


def fill(first: Mapping[str, xr.DataArray], second: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """What ``first`` does not know, divided as ``second`` divides the slot."""
    gap = first[UNKNOWN]
    total: xr.DataArray | float = 0.0
    for each in second.values():
        total = total + each
    factor = gap / total
    result = {}
    for name in dict.fromkeys([*first, *second]):
        if name == UNKNOWN:
            continue
        own, more = first.get(name), second.get(name)
        parts = [each for each in (own, None if more is None else more * factor) if each is not None]
        result[name] = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    # what is left, and not the share of the second's unknown: so that the sum is the slot to the last digit
    claimed = {name: more * factor for name, more in second.items() if name != UNKNOWN}
    rest = gap
    for each in claimed.values():
        rest = rest - each
    result[UNKNOWN] = rest.clip(min=0.0)
    return result


def stack(
    seconds: Mapping[str, xr.DataArray], slot: npt.ArrayLike, table: CategoryTable, counts: Mapping[str, npt.ArrayLike]
) -> xr.Dataset:
    """The Dataset that all sources give.

    Returns
    -------
    xr.Dataset
        ``seconds`` [s], dims (category, time, asset), categories in the order of priority; coordinates
        ``slot_seconds`` [s] (time), the length of the slots, and ``parent`` (category), the standard's category.
        ``counts``, dims (asset): what the source met.
    """
    names = [name for name in table.priority if name in seconds]
    like = seconds[names[0]]
    values = np.empty((len(names), like.sizes["time"], like.sizes["asset"]))
    for row, name in enumerate(names):
        values[row] = seconds[name].transpose("time", "asset").values
    length = np.broadcast_to(np.asarray(slot, dtype=np.float64), like.sizes["time"]).copy()
    found = xr.Dataset(
        {
            "seconds": (
                ("category", "time", "asset"),
                values,
                {"units": "s", "long_name": "time of the slot in the category"},
            )
        },
        coords={
            "category": np.array(names, dtype=object),
            "time": like["time"].values,
            "asset": like["asset"].values,
            "slot_seconds": ("time", length, {"units": "s", "long_name": "length of the slot"}),
            "parent": ("category", np.array([table.parent(name) for name in names], dtype=object)),
        },
    )
    for name, count in counts.items():
        units = "s" if name.endswith("_seconds") else "1"
        found[name] = (
            "asset",
            np.broadcast_to(np.asarray(count), like.sizes["asset"]).copy(),
            {"units": units, "long_name": name.replace("_", " ")},
        )
    return found


def table_of(seconds: xr.Dataset) -> CategoryTable:
    """The categories of a result, as a table with their own among them."""
    own = {
        str(name): str(parent)
        for name, parent in zip(seconds["category"].values, seconds["parent"].values, strict=True)
        if name != parent
    }
    return CategoryTable(own=own)


def slot_edges(window: Window, slot: str) -> npt.NDArray[np.datetime64]:
    """Edges of the slots of length ``slot`` (``"10min"``) that make up ``window``, [n + 1].

    Raises
    ------
    InputError
        The window is empty, or no whole number of slots.
    """
    import pandas as pd

    from workbench.model.time import Cadence

    length = Cadence.parse(slot).ns
    start, end = (pd.Timestamp(moment).as_unit("ns").value for moment in window)
    if end <= start or (end - start) % length:
        raise InputError(
            "not a whole number of slots",
            where="window",
            found=f"{window[0]} to {window[1]}",
            expected=f"times of {slot}",
        )
    # numpy's own steps are counted in floating point, which may lose the last edge
    return (start + np.arange((end - start) // length + 1) * length).astype("datetime64[ns]")


def combine_categories(first: xr.Dataset, *others: xr.Dataset) -> xr.Dataset:
    """What the first source does not know, told by the next that does, slot by slot.

    The unknown seconds of a slot are divided as the next source divides that whole slot: which of its seconds are
    meant, nobody tells. Counts are those of the first.

    Raises
    ------
    InputError
        The sources have not the same slots and turbines.
    """
    result = first
    for other in others:
        for dim in ("time", "asset"):
            if not np.array_equal(result[dim].values, other[dim].values):
                raise InputError(
                    "the sources do not have the same slots and turbines",
                    where=dim,
                    found=f"{other.sizes[dim]}",
                    expected=f"{result.sizes[dim]}, the same ones",
                    hint="give all of them the same window, slot and assets",
                )
        own = table_of(result).own | table_of(other).own
        table = CategoryTable(own=own)
        filled = fill(_parts(result), _parts(other))
        counts = {str(name): each.values for name, each in first.data_vars.items() if name != "seconds"}
        result = stack(filled, first["slot_seconds"].values, table, counts)
    return result


def _parts(seconds: xr.Dataset) -> dict[str, xr.DataArray]:
    return {
        str(name): seconds["seconds"].isel(category=row, drop=True).drop_vars("slot_seconds", errors="ignore")
        for row, name in enumerate(seconds["category"].values)
    }


def dominant_category(seconds: xr.Dataset) -> xr.DataArray:
    """Category that most of each slot was in, as the code of ``availability_status``; dims (time, asset), int8.

    Of equals the one of higher priority; categories of one's own count as what they belong to.
    """
    codes = status_codes()
    which = np.array([codes[str(one)] for one in seconds["parent"].values], dtype=np.int8)
    best = which[np.argmax(seconds["seconds"].values, axis=0)]
    coords = {"time": seconds["time"].values, "asset": seconds["asset"].values}
    return xr.DataArray(best, dims=("time", "asset"), coords=coords, attrs=status_attrs())


def status_codes() -> dict[str, int]:
    """Codes of ``availability_status`` by name."""
    from workbench.model.vocabulary import vocabulary

    return dict(vocabulary()["availability_status"].states or {})


def status_attrs() -> dict[str, object]:
    """Attributes of a variable with those codes."""
    codes = status_codes()
    return {
        "long_name": "information category",
        "flag_values": np.array(list(codes.values()), dtype=np.int8),
        "flag_meanings": " ".join(codes),
    }


def category_totals(seconds: xr.Dataset, *, by: Step | None = None, tz: str = "UTC") -> xr.Dataset:
    """Hours and share of each category.

    Parameters
    ----------
    by
        ``"day"``, ``"month"`` or ``"year"`` of the clock ``tz``; the whole time if left out.

    Returns
    -------
    xr.Dataset
        dims (category, period, asset), without ``by`` (category, asset): ``hours`` [h] and ``share`` [1] of the period,
        which sums to 1 over the categories; dims (category[, period]): ``farm_share`` [1]. A period without any slot has
        0 h and no share (NaN).
    """
    group, labels = grouped(seconds["time"].values, seconds["slot_seconds"].values, by, tz)
    hours = np.stack([sum_by(each, group, len(labels)) for each in seconds["seconds"].values]) / 3600.0
    length = sum_by(seconds["slot_seconds"].values, group, len(labels)) / 3600.0
    length = np.where(length > 0, length, np.nan)  # a month without any slot has hours of 0 and no share
    dims = ("category", "period", "asset")
    found = xr.Dataset(
        {
            "hours": (dims, hours, {"units": "h", "long_name": "time in the category"}),
            "share": (dims, hours / length[:, None], {"units": "1", "long_name": "share of the time in the category"}),
            "farm_share": (
                dims[:2],
                hours.mean(axis=2) / length,
                {"units": "1", "long_name": "share of the time in the category, mean of the turbines"},
            ),
        },
        coords={
            "category": seconds["category"],
            "parent": seconds["parent"],
            "period": np.array(labels, dtype="datetime64[ns]"),
            "asset": seconds["asset"].values,
        },
    )
    return found if by is not None else found.isel(period=0, drop=True)


def category_frame(seconds: xr.Dataset) -> pd.DataFrame:
    """For a report: hours of each turbine (columns) by category (rows), the farm's share [%], which sums to 100."""
    import pandas as pd

    totals = category_totals(seconds)
    index = pd.Index(list(map(str, totals["category"].values)), name="category")
    frame = pd.DataFrame(totals["hours"].values, index, list(map(str, totals["asset"].values)))
    frame["farm_share"] = 100.0 * totals["farm_share"].values
    frame["standard"] = [CATEGORIES[str(parent)][0] for parent in seconds["parent"].values]
    return frame
