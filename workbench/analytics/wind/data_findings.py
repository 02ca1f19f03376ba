"""What is wrong with a wind farm's record, check by check: counts per turbine, a sentence of reading, or why it cannot be told.

Flags, gaps, ice and curtailment are counted within a period; clocks, northing and sensors are judged by the whole record, as a
month tells nothing of them. A sentence says what was found and what follows from it; where a check cannot be made, the reason
stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Window, slot_length
from workbench.analytics.clock_changes import zone_changes
from workbench.analytics.wind.clock_shift import clock_shifts
from workbench.analytics.wind.curtailment import CURTAILMENT, EXPECTED, curtailment_detection, curtailment_table
from workbench.analytics.wind.icing import ICING, icing_detection, icing_summary
from workbench.analytics.wind.neighbours import Floats, by_turbine, others_median
from workbench.analytics.wind.northing_jumps import northing_jumps
from workbench.analytics.wind.sensor_drift import sensor_drift
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags, quality_name
from workbench.steps import progress_part
from workbench.transforms.quality import GAP, gap_table, mark_gaps

if TYPE_CHECKING:
    import polars as pl

_FLAGS = {
    "out_of_range": Quality.RANGE | Quality.INVALID,
    "stuck": Quality.STUCK,
    "spike": Quality.SPIKE,
    "duplicate": Quality.DUPLICATE,
}
_DRIFTING = ("wind_speed", "temperature")
#: What a ten-minute mean does not jump by and back again at one turbine alone [unit of the variable].
_SPIKY = {"wind_speed": 5.0, "temperature": 3.0}
_FAR = 15.0  #: and that in robust standard deviations of what a slot differs from those around it
_JUMP = 8.0  #: of a northing that matters [degree]
_NEAR = np.timedelta64(2, "D")  #: a shift this near to a change of the zone's clock is one with it
_HOUR = 3600.0


@dataclass
class DataFindings:
    """What :func:`data_findings` finds.

    Attributes
    ----------
    counts
        dims (asset), of the period: values ``out_of_range``, ``stuck``, ``spike``, slots ``duplicate`` [1] and hours
        ``gap`` without any value; where they can be told ``icing_loss``, ``icing_standstill``, ``icing_anemometer``,
        ``icing_judged`` [h], ``icing_energy`` [kWh], ``curtailed``, ``derated``, ``curtailment_judged`` [h] and
        ``curtailed_energy`` [kWh].
    clocks
        Of :func:`~workbench.analytics.wind.clock_shift.clock_shifts` against the other turbines, and against the reference.
    northing, drifts
        Tables of :func:`~workbench.analytics.wind.northing_jumps.northing_jumps` and, by variable, of
        :func:`~workbench.analytics.wind.sensor_drift.sensor_drift`.
    readings
        By check, what it found in a sentence or two.
    reasons
        By check, why it cannot be told; a check may have both where it can be told of some turbines.
    """

    counts: xr.Dataset
    clocks: dict[str, pl.DataFrame] = field(default_factory=dict)
    northing: pl.DataFrame | None = None
    drifts: dict[str, pl.DataFrame] = field(default_factory=dict)
    readings: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def find_spikes(data: xr.Dataset, variable: str, *, least: float = 0.0, far: float = _FAR) -> xr.DataArray:
    """Single slots that stand out from those before and after them, and that the other turbines do not see.

    The difference of a slot from the mean of the two around it, less the median of the other turbines' (a front passes all
    of them), against the typical size of such differences of the turbine (1.4826 times their median amount).

    Returns
    -------
    (time, asset), boolean.
    """
    values = by_turbine(data, variable)
    off = np.full(values.shape, np.nan)
    off[1:-1] = values[1:-1] - 0.5 * (values[:-2] + values[2:])
    common = others_median(off)
    alone = off - np.where(np.isfinite(common), common, 0.0)
    found = np.zeros(values.shape, dtype=bool)
    for column in range(values.shape[1]):
        known = np.abs(alone[np.isfinite(alone[:, column]), column])
        typical = 1.4826 * float(np.median(known)) if len(known) else 0.0
        if typical > 0:
            limit = max(far * typical, least)
            # out and back again, by as much on both sides: a slot beside a spike, and a step, differ on one
            before, after = values[1:-1, column] - values[:-2, column], values[1:-1, column] - values[2:, column]
            with np.errstate(invalid="ignore"):
                out = (before * after > 0) & (np.minimum(np.abs(before), np.abs(after)) > limit)
                found[1:-1, column] = out & (np.abs(alone[1:-1, column]) > limit)
    return xr.DataArray(found, dims=("time", "asset"), coords={name: data[name] for name in ("time", "asset")})


def data_findings(
    record: xr.Dataset,
    window: Window,
    *,
    variables: Sequence[str] | None = None,
    reference: xr.DataArray | None = None,
    reference_name: str = "the reanalysis",
    tz: str = "UTC",
    direction: str = "nacelle_position",
) -> DataFindings:
    """Go through the checks of a record.

    Parameters
    ----------
    record
        dims (time, asset), ten-minute data with the flags of :func:`~workbench.transforms.quality.flag_quality`.
    window
        The period that flags, gaps, ice and curtailment are counted in [UTC].
    variables
        Whose flags are counted; all that have any if left out.
    reference
        Wind speed of a reanalysis, dims (time) or (time, asset): the clock of the whole farm is held against it.
    reference_name
        What it is called in the sentences.
    tz
        Zone of the site: a shift at the changes of its clock is told as that.

    Raises
    ------
    InputError
        The window has no data.
    """
    times = record["time"].values
    first, last = (np.datetime64(edge, "ns") for edge in window)
    inside = np.flatnonzero((times >= first) & (times < last))
    if not len(inside):
        raise InputError("no data in the period", where="window", found=f"{first} to {last}")
    names = [name for name in (variables or map(str, record.data_vars)) if quality_name(name) in record]
    for name in (name for name in _SPIKY if name in record):
        record = add_flags(record, name, find_spikes(record, name, least=_SPIKY[name]), Quality.SPIKE)
        names = list(dict.fromkeys([*names, name]))
    found = DataFindings(_flag_counts(record.isel(time=inside), names))
    checks: dict[str, Callable[[], None]] = {
        "flags": lambda: _read_flags(found, record.isel(time=inside), names),
        "clock": lambda: _clocks(found, record, tz),
        "daylight_saving": lambda: _farm_clock(found, record, reference, reference_name, tz),
        "northing": lambda: _northing(found, record, direction),
        "icing": lambda: _icing(found, record, inside),
        "curtailment": lambda: _curtailment(found, record, inside, window),
        "drift": lambda: _drift(found, record),
    }
    for number, (name, check) in enumerate(checks.items()):
        with progress_part(number, len(checks), name.replace("_", " ")):
            try:
                check()
            except InputError as error:
                found.reasons[name] = str(error)
    return found


def _flag_counts(data: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    assets = data["asset"].values
    counts: dict[str, Any] = {kind: np.zeros(len(assets), dtype=np.int64) for kind in _FLAGS}
    twice = np.zeros((data.sizes["time"], len(assets)), dtype=bool)
    for name in names:
        bits = data[quality_name(name)].transpose("time", "asset").values
        for kind, flag in _FLAGS.items():
            struck = (bits & int(flag)) != 0
            if kind == "duplicate":
                twice |= struck
            else:
                counts[kind] += struck.sum(axis=0)
    counts["duplicate"] = twice.sum(axis=0)  # of a row that is there twice all values are: counted once
    hours = slot_length(data) / np.timedelta64(1, "s") / _HOUR
    gap = data[GAP] if GAP in data else mark_gaps(data)[GAP]
    result = xr.Dataset({kind: ("asset", values, {"units": "1"}) for kind, values in counts.items()}, {"asset": assets})
    result["gap"] = ("asset", (gap.transpose("time", "asset").values > 0).sum(axis=0) * hours, {"units": "h"})
    return result


def _read_flags(found: DataFindings, data: xr.Dataset, names: Sequence[str]) -> None:
    if not names:
        raise InputError("no field has quality flags", hint="flag_quality")
    counts = found.counts
    size = sum(int(data[name].notnull().sum()) for name in names if name in data)
    flagged = int(sum(int(counts[kind].sum()) for kind in ("out_of_range", "stuck", "spike")))
    parts = [f"{flagged:,} of {size:,} values are out of range, stuck or spikes ({_share(flagged, size)})"]
    twice = int(counts["duplicate"].sum())
    parts.append(f"{twice:,} time stamps came twice with other values" if twice else "no time stamp came twice")
    text = "; ".join(parts) + "."
    gaps = gap_table(data)
    lost = float(counts["gap"].sum())
    if len(gaps):
        longest = gaps.row(0, named=True)
        hours = longest["slots"] * (slot_length(data) / np.timedelta64(1, "s")) / _HOUR
        text += (
            f" {lost:,.0f} turbine-hours have no value at all; the longest gap, of {longest['asset']} from "
            f"{longest['start']:%d %b %Y %H:%M} UTC, is {hours:,.0f} h long."
        )
    else:
        text += " There is no gap."
    found.readings["flags"] = text


def _share(part: float, whole: float) -> str:
    share = 100.0 * part / whole if whole else 0.0
    return "none" if not part else f"{share:.2f} %" if share >= 0.01 else "less than 0.01 %"


def _judged(table: pl.DataFrame, found: DataFindings, check: str) -> pl.DataFrame:
    """The rows that could be judged; the others' reasons are noted. InputError where there is none."""
    unable = table.filter(table["reason"].is_not_null())
    if len(unable):
        why = {reason: unable.filter(unable["reason"] == reason)["asset"].to_list() for reason in unable["reason"]}
        text = "; ".join(f"{', '.join(assets)}: {reason}" for reason, assets in why.items())
        if len(unable) == len(table):
            raise InputError(next(iter(why)) if len(why) == 1 else text)
        found.reasons[check] = text
    return table.filter(table["reason"].is_null())


def _clocks(found: DataFindings, record: xr.Dataset, tz: str) -> None:
    table = clock_shifts(record, tz=tz)
    found.clocks["neighbours"] = table
    known = _judged(table, found, "clock")
    off = known.filter(known["shift"] != 0)
    if not len(off):
        found.readings["clock"] = (
            f"The wind of {_all(known['asset'].unique().len(), record)} turbines passes at the same time by their stamps: no "
            "clock is off against the others'."
        )
        return
    spans = [
        f"{row['asset']} is {abs(row['shift']):.0f} min {'late' if row['shift'] > 0 else 'early'} from {row['start']:%d %b %Y} to {row['end']:%d %b %Y}"
        for row in off.iter_rows(named=True)
    ]
    found.readings["clock"] = "; ".join(spans[:6]) + (
        f"; and {len(spans) - 6} more spans" if len(spans) > 6 else ""
    ) + ". The step clock_shift_correction puts them right."  # fmt: skip


def _all(number: int, record: xr.Dataset) -> str:
    return "all" if number == record.sizes["asset"] else f"{number} of {record.sizes['asset']}"


def _farm_clock(found: DataFindings, record: xr.Dataset, reference: xr.DataArray | None, name: str, tz: str) -> None:
    if reference is None:
        raise InputError("without a reanalysis a shift that all turbines share cannot be seen")
    table = clock_shifts(record, reference=reference, tz=tz)
    found.clocks["reference"] = table
    known = _judged(table, found, "daylight_saving")
    off = known.filter(known["shift"] != 0)
    assets = known["asset"].unique().len()
    if not len(off):
        found.readings["daylight_saving"] = (
            f"Against {name} the clocks keep one time over the record, winter and summer; a constant error cannot be told from the "
            "phase of its weather model."
        )
        return
    edges = record["time"].values[[0, -1]].astype("datetime64[ns]").astype(np.int64)
    changes = np.array([one.at for one in zone_changes(tz, int(edges[0]), int(edges[1]))], dtype="datetime64[ns]")
    spans: dict[tuple[Any, Any, float], int] = {}
    for row in off.iter_rows(named=True):
        key = (row["start"], row["end"], row["shift"])
        spans[key] = spans.get(key, 0) + 1
    shared = {key: count for key, count in spans.items() if 2 * count > assets}
    saving = {key: count for key, count in shared.items() if abs(key[2]) == 60 and _at_change(key, changes)}
    if saving:
        late = next(iter(saving))[2] > 0
        when = " and ".join(f"from {start:%d %b %Y} to {end:%d %b %Y}" for start, end, _ in saving)
        found.readings["daylight_saving"] = (
            f"Against {name} the time stamps of {_all(max(saving.values()), record)} turbines are an hour {'late' if late else 'early'} "
            f"{when}, between the changes of the clock of {tz}: the recorder and what its times were taken for do not agree on daylight saving."
        )
        rest = len(spans) - len(saving)
        if rest:
            found.readings["daylight_saving"] += f" {rest} other spans are off by turbine, without that pattern."
    else:
        found.readings["daylight_saving"] = (
            f"Against {name} {len(spans)} spans of time stamps are off, none between the changes of the clock of {tz}: no sign of "
            "daylight saving, and by a weather model alone no proof of a clock that is off."
        )


def _at_change(key: tuple[Any, Any, float], changes: npt.NDArray[np.datetime64]) -> bool:
    """Whether a span begins or ends where the zone's clock changes."""
    ends = [np.datetime64(edge, "ns") for edge in key[:2]]
    return any(len(changes) and bool((np.abs(changes - edge) <= _NEAR).any()) for edge in ends)


def _northing(found: DataFindings, record: xr.Dataset, direction: str) -> None:
    if direction not in record:
        raise InputError(f"no field {direction!r}")
    table = northing_jumps(record, direction=direction)
    found.northing = table
    known = _judged(table, found, "northing")
    moved = known.filter(known["offset"].abs() > _JUMP)
    if not len(moved):
        found.readings["northing"] = "No zero of a nacelle's position was moved against the other turbines'."
        return
    spans = [
        f"that of {row['asset']} is off by {_signed(row['offset'], 0)}° from {row['start']:%d %b %Y} to {row['end']:%d %b %Y}"
        for row in moved.iter_rows(named=True)
    ]
    more = f"; and {len(spans) - 8} more" if len(spans) > 8 else ""
    found.readings["northing"] = (
        "The zero of a nacelle's position was moved: "
        + "; ".join(spans[:8])
        + more
        + ". Directions of those times are of no use as "
        "they stand; northing_jump_correction turns them back."
    )


def _icing(found: DataFindings, record: xr.Dataset, inside: npt.NDArray[np.int64]) -> None:
    if "temperature" not in record:
        raise InputError("without a temperature ice cannot be told from other losses")
    data = icing_detection(record).isel(time=inside)
    known = icing_summary(data)
    for name, source in (
        ("icing_loss", "hours_production_loss"),
        ("icing_standstill", "hours_standstill"),
        ("icing_anemometer", "hours_overproduction"),
        ("icing_judged", "hours_judged"),
        ("icing_energy", "lost_energy"),
    ):
        found.counts[name] = ("asset", known[source].values, {"units": "kWh" if name == "icing_energy" else "h"})
    if not bool((data[ICING] >= 0).any()):
        raise InputError("no slot could be judged: no ice-free reference, or no temperature in the period")
    hours = float((known["hours_production_loss"] + known["hours_standstill"]).sum())
    over = float(known["hours_overproduction"].sum())
    if not hours and not over:
        found.readings["icing"] = "No ice: no turbine lost power in the cold as ice makes it lose."
        return
    text = f"{hours:,.0f} turbine-hours of ice on the rotors cost {float(known['lost_energy'].sum()) / 1e3:,.1f} MWh"
    if hours:
        text += f", most of it at {known['lost_energy'].idxmax('asset').item()}"
    if over:
        text += (
            f"; for {over:,.0f} turbine-hours the anemometer reads too little for the power made, as an iced one does"
        )
    found.readings["icing"] = (
        text + ". By power in the cold alone (IEA Wind Task 19): other losses in frost look the same."
    )


def _curtailment(found: DataFindings, record: xr.Dataset, inside: npt.NDArray[np.int64], window: Window) -> None:
    told = "power_setpoint" in record and bool(record["power_setpoint"].notnull().any())
    # a set point without a value infers nothing but says it is there
    source = record if told or "power_setpoint" not in record else record.drop_vars("power_setpoint")
    whole = curtailment_detection(source)
    data = whole.isel(time=inside)
    hours = slot_length(record) / np.timedelta64(1, "s") / _HOUR
    code = data[CURTAILMENT].transpose("time", "asset").values
    held = code > 0
    made, usual = by_turbine(data, "power_output"), data[EXPECTED].transpose("time", "asset").values
    lost: Floats = np.nansum(np.where(held, np.maximum(usual - made, 0.0), 0.0), axis=0) * hours
    derated = np.zeros(held.shape, dtype=bool)
    assets = list(map(str, data["asset"].values))
    for row in curtailment_table(whole).iter_rows(named=True):
        if row["kind"] == "derating":
            span = (data["time"].values >= np.datetime64(row["start"])) & (
                data["time"].values < np.datetime64(row["end"])
            )
            derated[span, assets.index(row["asset"])] = True
    derated &= held
    for name, values, unit in (
        ("curtailed", (held & ~derated).sum(axis=0) * hours, "h"),
        ("derated", derated.sum(axis=0) * hours, "h"),
        ("curtailment_judged", (code >= 0).sum(axis=0) * hours, "h"),
        ("curtailed_energy", lost, "kWh"),
    ):
        found.counts[name] = ("asset", values, {"units": unit})
    if not (code >= 0).any():
        raise InputError("no slot could be judged: no wind speed with power in the period")
    how = "by the set point" if told else "inferred from plateaus of the power, as there is no set point"
    total = float(held.sum() * hours)
    if not total:
        text = f"No turbine's power was held down, {how}."
    else:
        worst = assets[int(np.argmax(lost))]
        long = float(derated.sum() * hours)
        spells = (
            f" ({long:,.1f} of them in spells of a week or more: derating)"
            if long
            else ", in no spell of a week or more"
        )
        text = (
            f"Power was held down for {total:,.1f} turbine-hours{spells}; it cost {float(lost.sum()) / 1e3:,.1f} MWh, most at "
            f"{worst}; {how}."
        )
    if not told:
        text += " A turbine held at nothing, or held all the time, is not seen without one."
    found.readings["curtailment"] = text


def _drift(found: DataFindings, record: xr.Dataset) -> None:
    texts, reasons = [], []
    for number, variable in enumerate(_DRIFTING):
        if variable not in record:
            reasons.append(f"{_words(variable)}: not measured")
            continue
        with progress_part(number, len(_DRIFTING), _words(variable)):
            table = sensor_drift(record, variable=variable)
        found.drifts[variable] = table
        try:
            known = _judged(table, found, "drift")
        except InputError as error:
            reasons.append(f"{_words(variable)}: {error.message}")
            continue
        if why := found.reasons.pop("drift", None):
            reasons.append(f"{_words(variable)}: {why}")
        off = known.filter(known["kind"] != "none")
        if not len(off):
            texts.append(f"No {_words(variable)} sensor drifts against the others.")
        for row in off.iter_rows(named=True):
            unit = "K" if row["unit"] == "degC" else row["unit"]
            pace = f" by {_signed(row['rate'], 1)} {unit} a month" if row["kind"] == "drift" else ""
            texts.append(
                f"The {_words(variable)} of {row['asset']} {'drifts' if row['kind'] == 'drift' else 'made a step'}{pace} since "
                f"{row['onset']:%d %b %Y}, and is off by {_signed(row['deviation'], 1)} ± {row['deviation_uncertainty']:.1f} {unit} at the end of the record."
            )
    if reasons:
        found.reasons["drift"] = "; ".join(reasons)
    if texts:
        found.readings["drift"] = " ".join(texts)


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _words(name: str) -> str:
    return name.replace("_", " ")
