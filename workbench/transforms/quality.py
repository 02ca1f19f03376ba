"""Checks that flag values: out of range, stuck, missing.

Nothing is dropped or changed: each check sets bits of ``<variable>_quality``
(:class:`workbench.model.quality.Quality`), which can be counted and undone.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import DTYPE, Quality, count_flags, is_quality, quality_attrs, quality_name
from workbench.model.units import convert
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark, step

if TYPE_CHECKING:
    import polars as pl

COUNT = "sample_count"
GAP = "gap"
_NOT_CHECKED = {COUNT, GAP}
_STATISTICS = ("_min", "_max", "_std", "_count")

#: Real power as a share of the asset's rating [1]: what lies outside is not believed. A generator takes a
#: little from the grid at standstill and overshoots its rating in gusts; a battery works both ways.
POWER_LIMITS = {"battery": (-1.1, 1.1)}
POWER_LIMITS_OTHER = (-0.05, 1.1)
POWER_VARIABLES = ("power_output", "active_power", "total_ac_power")


@dataclass(frozen=True)
class StuckRule:
    """When an unchanged value is not plausible any more.

    ``after``: how long it may stay the same (ISO 8601 duration). ``above``: values up to it may stay the same
    for ever: calm, night, standstill. ``share``: ``above`` and ``below`` are shares of the asset's rating.
    ``below``: values from it on may stay the same, as power at its limit does.
    """

    after: str
    above: float = -np.inf
    below: float = np.inf
    share: bool = False


_WIND, _POWER, _SUN = (
    StuckRule("PT30M", above=0.5),
    StuckRule("PT1H", 0.01, 0.99, share=True),
    StuckRule("PT1H", above=5.0),
)
#: Sensors that see a turbulent or noisy quantity. Actuators (pitch, nacelle) and states hold still by design.
STUCK_RULES: dict[str, StuckRule] = {
    **dict.fromkeys(("wind_speed", "wind_speed_80m", "wind_speed_100m"), _WIND),
    **dict.fromkeys(("wind_direction", "yaw_error"), StuckRule("PT1H")),
    **dict.fromkeys(("irradiance_poa", "irradiance_ghi", "irradiance_dni", "irradiance_dhi"), _SUN),
    **dict.fromkeys(("temperature", "ambient_temperature", "module_temperature"), StuckRule("PT6H")),
    **dict.fromkeys(POWER_VARIABLES, _POWER),
    "grid_frequency": StuckRule("PT10M"),
}
#: A value is never called stuck before it was seen this many times.
FEWEST_REPEATS = 3


@step("flag_quality")
def flag_quality(
    data: xr.Dataset,
    *,
    range: bool = True,  # noqa: A002  # the name of the check, as in Quality.RANGE
    stuck: bool = True,
    gaps: bool = True,
    limits: Mapping[str, tuple[float | None, float | None]] | None = None,
    stuck_after: Mapping[str, str] | None = None,
    variables: Sequence[str] | None = None,
) -> xr.Dataset:
    """Validate telemetry: flag what is out of range or stuck, mark what is missing.

    Parameters
    ----------
    data
        dims (time, asset) on a regular grid; lazy data stay lazy.
    range, stuck, gaps
        Which checks to make: :func:`flag_range`, :func:`flag_stuck`, :func:`mark_gaps`.
    limits
        Smallest and largest valid value by variable, in its unit, instead of the vocabulary's.
    stuck_after
        ISO 8601 duration by variable, instead of :data:`STUCK_RULES`.
    variables
        What to check; all if left out.

    Returns
    -------
    xr.Dataset
        ``data`` with ``<variable>_quality`` for each checked variable, and ``gap``.
    """
    names = _names(data, variables)
    for mapping, what in ((limits, "limits"), (stuck_after, "stuck_after")):
        _known(mapping, names, what)
    if range:
        data = flag_range(data, limits=limits, variables=names)
    if stuck:
        data = flag_stuck(data, after=stuck_after, variables=names)
    return mark_gaps(data, variables=names) if gaps else data


@step("flag_range")
def flag_range(
    data: xr.Dataset,
    *,
    limits: Mapping[str, tuple[float | None, float | None]] | None = None,
    variables: Sequence[str] | None = None,
) -> xr.Dataset:
    """Flag RANGE where a value is outside of the valid range; INVALID where it is infinite.

    The range is that of ``limits``, else of the vocabulary; real power is held against the rating of the asset
    (coordinate ``rated_capacity`` [kW]) as well.
    """
    names = _names(data, variables)
    _known(limits, names, "limits")
    flags = {}
    for name in names:
        values = data[name].data
        low, high = _range(data, name, (limits or {}).get(name))
        wrong = _outside(values, low, high)
        flags[name] = wrong * DTYPE.type(Quality.RANGE) + _infinite(values) * DTYPE.type(Quality.INVALID)
    return _with_flags(data, flags)


@step("flag_stuck")
def flag_stuck(
    data: xr.Dataset, *, after: Mapping[str, str] | None = None, variables: Sequence[str] | None = None
) -> xr.Dataset:
    """Flag STUCK where a value has not changed at all for longer than is plausible.

    All values of the run are flagged. ``after`` gives the duration by variable; without it
    :data:`STUCK_RULES` says which variables are checked.

    Raises
    ------
    InputError
        The time is not a regular grid.
    """
    names = _names(data, variables)
    _known(after, names, "after")
    rules = {name: STUCK_RULES[name] for name in names if name in STUCK_RULES}
    for name, duration in (after or {}).items():
        rule = rules.get(name, StuckRule(duration))
        rules[name] = StuckRule(duration, rule.above, rule.below, rule.share)
    if not rules or data.sizes["time"] < FEWEST_REPEATS:
        return data
    slot = slot_ns(data)
    flags = {}
    for name, rule in rules.items():
        repeats = max(FEWEST_REPEATS, -(-_duration_ns(rule.after) // slot))
        values = data[name].transpose("time", ...).data
        stuck = _stuck(values, repeats)
        rating = _rating(data) if rule.share else None
        if not (rule.share and rating is None):
            factor = rating if rating is not None else np.float32(1.0)
            if np.isfinite(rule.above):
                stuck = stuck & (values > (factor * rule.above).astype(values.dtype))
            if np.isfinite(rule.below):
                stuck = stuck & (values < (factor * rule.below).astype(values.dtype))
        else:
            stuck = stuck & (values > 0)
        flags[name] = stuck * DTYPE.type(Quality.STUCK)
    return _with_flags(data, flags)


@step("mark_gaps")
def mark_gaps(data: xr.Dataset, *, variables: Sequence[str] | None = None) -> xr.Dataset:
    """Add ``gap`` (time, asset), uint8: 0 none, 1 no sample in the slot, 2 a sample without any value.

    Without ``sample_count`` the two cannot be told apart: every empty slot counts as 1.
    """
    names = _names(data, variables)
    if not names:
        return data
    missing: Any = None
    for name in names:
        empty = np.isnan(data[name].transpose("time", "asset").data)
        missing = empty if missing is None else missing & empty
    gap = missing.astype("uint8")
    if COUNT in data:
        gap = gap * (1 + (data[COUNT].transpose("time", "asset").data > 0).astype("uint8"))
    attrs = {
        "long_name": "missing samples",
        "flag_values": np.array([0, 1, 2], "uint8"),
        "flag_meanings": "none no_sample empty_sample",
    }
    return data.assign({GAP: (("time", "asset"), gap.astype("uint8"), attrs)})


def gap_table(data: xr.Dataset) -> pl.DataFrame:
    """The gaps of each asset: ``asset, start, end`` (half-open, UTC)``, slots, kind``, longest first.

    Takes the ``gap`` of :func:`mark_gaps`, made if it is not there.
    """
    import polars as pl

    if GAP not in data:
        data = mark_gaps(data)
    gap = np.asarray(data[GAP].transpose("time", "asset").values)
    times = data["time"].values.astype("datetime64[ns]").view("int64")
    slot = slot_ns(data)
    rows: dict[str, list[Any]] = {"asset": [], "start": [], "end": [], "slots": [], "kind": []}
    for column, asset in enumerate(data["asset"].values):
        edges = np.flatnonzero(np.diff(gap[:, column], prepend=0, append=0))
        for first, last in itertools.pairwise(edges):
            kind = int(gap[first, column]) if first < len(gap) else 0
            if kind:
                rows["asset"].append(str(asset))
                rows["start"].append(int(times[first]))
                rows["end"].append(int(times[last - 1]) + slot)
                rows["slots"].append(int(last - first))
                rows["kind"].append(("no_sample", "empty_sample")[kind - 1])
    schema = {"asset": pl.String, "start": pl.Int64, "end": pl.Int64, "slots": pl.Int64, "kind": pl.String}
    table = pl.DataFrame(rows, schema=schema).with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))
    return table.sort("slots", "start", descending=[True, False])


def quality_table(data: xr.Dataset) -> pl.DataFrame:
    """One row per variable: number of slots, values there, missing, and per flag the number of values."""
    import polars as pl

    counts = count_flags(data)
    kinds = list(dict.fromkeys(flag for found in counts.values() for flag in found))
    rows = []
    for name in _names(data, None):
        missing = int(np.isnan(data[name].values).sum())
        row: dict[str, Any] = {"variable": name, "slots": data[name].size, "values": data[name].size - missing}
        rows.append(row | {"missing": missing} | {flag: counts.get(name, {}).get(flag, 0) for flag in kinds})
    return pl.DataFrame(rows)


def slot_ns(data: xr.Dataset) -> int:
    """Length of the slots of ``data`` [ns]; raises InputError where its time is not a regular grid."""
    times = data["time"].values.astype("datetime64[ns]").view("int64")
    if len(times) < 2:
        raise InputError("too few times to tell the cadence", found=len(times), expected="at least 2")
    steps = np.diff(times)
    slot = int(steps[0])
    if slot <= 0 or (steps != slot).any():
        at = int(np.flatnonzero(steps != slot)[0]) if slot > 0 else 0
        raise InputError(
            "the time is not a regular grid",
            where=str(data["time"].values[at + 1]),
            expected="equal steps of time",
            hint="give the entry a cadence, or reindex the data",
        )
    return slot


def _names(data: xr.Dataset, variables: Sequence[str] | None) -> list[str]:
    """The measured variables of ``data``, or those asked for."""
    there = [
        str(name)
        for name, array in data.data_vars.items()
        if array.dtype.kind == "f"
        and {"time", "asset"} <= set(array.dims)
        and not is_quality(str(name))
        and str(name) not in _NOT_CHECKED
    ]
    if variables is None:
        return there
    for name in variables:
        if name not in there:
            raise InputError(f"no variable {name!r} to check", where="variables", hint=did_you_mean(name, there))
    return list(variables)


def _known(mapping: Mapping[str, Any] | None, names: Sequence[str], what: str) -> None:
    for name in mapping or {}:
        if name not in names:
            raise InputError(f"no variable {name!r} to check", where=what, hint=did_you_mean(name, names))


def _range(
    data: xr.Dataset, name: str, given: tuple[float | None, float | None] | None
) -> tuple[npt.NDArray[np.floating] | float, npt.NDArray[np.floating] | float]:
    """Smallest and largest valid value, per asset where the rating tells."""
    if given is not None:
        return (-np.inf if given[0] is None else given[0]), (np.inf if given[1] is None else given[1])
    base = name
    for ending in _STATISTICS[:2]:  # the extremes of ten minutes obey the same limits
        if name.endswith(ending) and name.removesuffix(ending) in data:
            base = name.removesuffix(ending)
    term = vocabulary().get(base)
    low: Any = -np.inf if term is None or term.valid_min is None else term.valid_min
    high: Any = np.inf if term is None or term.valid_max is None else term.valid_max
    rating = _rating(data) if base in POWER_VARIABLES else None
    if rating is not None:
        types = data.coords["asset_type"].values if "asset_type" in data.coords else np.full(rating.shape, "")
        shares = np.array(
            [POWER_LIMITS.get(str(kind), POWER_LIMITS_OTHER) for kind in np.broadcast_to(types, rating.shape)]
        )
        low = np.fmax(low, rating * shares[:, 0])  # fmax: where the rating is not known the vocabulary's holds
        high = np.fmin(high, rating * shares[:, 1])
    unit = data[name].attrs.get("units")
    if term is not None and not term.states and term.units and unit and unit != term.units:
        try:  # the limits in the unit that the values name
            return convert(low, term.units, str(unit)), convert(high, term.units, str(unit))
        except InputError:
            remark(f"{name}: {unit!r} is no unit of it; its limits are taken as they are, in {term.units}")
    return low, high


def _rating(data: xr.Dataset) -> npt.NDArray[np.float64] | None:
    """Rated capacity by asset [kW], NaN where not known; None without the coordinate."""
    if "rated_capacity" not in data.coords:
        return None
    return np.asarray(data.coords["rated_capacity"].values, dtype="f8")


def _outside(values: Any, low: Any, high: Any) -> Any:
    """Where ``values`` [time, asset] lie outside of the limits; NaN does not."""
    kind = values.dtype
    with np.errstate(invalid="ignore"):
        return (values < np.asarray(low, kind)) | (values > np.asarray(high, kind))


def _infinite(values: Any) -> Any:
    return np.isinf(values)


def _stuck(values: Any, repeats: int) -> Any:
    """Values that belong to a run of at least ``repeats`` equal ones along the first axis."""
    if isinstance(values, np.ndarray):
        return _runs(values, repeats)
    import dask.array as da

    # A run of `repeats` values around any one of them lies within repeats - 1 on either side.
    depth = {0: min(repeats - 1, values.shape[0] - 1)}
    found_by = functools.partial(_runs, repeats=repeats)
    return da.map_overlap(found_by, values, depth=depth, boundary="none", dtype=bool)  # type: ignore[no-untyped-call]


def _runs(values: npt.NDArray[Any], repeats: int) -> npt.NDArray[np.bool_]:
    """Runs by doubling: log2(repeats) passes over booleans, whatever the data."""
    stuck = np.zeros(values.shape, bool)
    if len(values) < repeats:
        return stuck
    window = values[1:] == values[:-1]  # window[i]: the 2 values from i on are equal
    length, goal = 1, repeats - 1
    while length < goal:  # window[i]: the length + 1 values from i on are equal
        more = min(length, goal - length)
        window = window[: len(window) - more] & window[more:]
        length += more
    if not window.any():
        return stuck
    stuck[: len(window)] = window
    length = 1
    while length < repeats:  # spread each window's start over the values it covers
        more = min(length, repeats - length)
        stuck[more:] |= stuck[:-more].copy()
        length += more
    return stuck


def _duration_ns(text: str) -> int:
    from workbench.model.time import parse_duration

    return parse_duration(text).ns


def _with_flags(data: xr.Dataset, flags: Mapping[str, Any]) -> xr.Dataset:
    """``data`` with ``flags`` [time, asset] added to the quality variables."""
    added = {}
    for name, bits in flags.items():
        companion = quality_name(name)
        bits = bits.astype(DTYPE)
        if companion in data:
            bits = bits | data[companion].transpose("time", "asset").data.astype(DTYPE)
        added[companion] = (("time", "asset"), bits, quality_attrs(name))
    return data.assign(added)
