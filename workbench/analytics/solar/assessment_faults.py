"""Faults of a plant's strings, inputs, trackers and inverters in one list, and what they took from each inverter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Window
from workbench.analytics.solar.fault_fields import Faults
from workbench.analytics.solar.inverter_faults import inverter_faults
from workbench.analytics.solar.plant_model import Source
from workbench.analytics.solar.plant_record import charged, inverter_of
from workbench.analytics.solar.string_faults import FIELDS, string_faults
from workbench.analytics.solar.tracker_faults import tracker_faults
from workbench.model.errors import InputError
from workbench.model.quality import good

if TYPE_CHECKING:
    import pandas as pd

#: Kinds of faults in the words of a text.
KINDS = {
    "string": "strings",
    "mppt": "inputs (MPPT)",
    "tracker": "trackers",
    "dc": "DC sides of the inverters",
    "inverter": "inverters",
}
#: Share of an input's loss that its strings or its tracker explain, from which on the fault is theirs.
_THEIRS = 0.5
#: Share of its loss that is its own, below which a fault is another's.
_COVERED = 0.1
#: Share of the daylight with measured irradiance in the plane, from which on an expected power stands for peers.
_MEASURED = 0.9


@dataclass(frozen=True)
class FaultsFound:
    """What :func:`find_faults` finds.

    Attributes
    ----------
    events
        As :class:`.fault_fields.Faults` has them, of all kinds but those that others explain (an input by its strings or tracker, the limit
        of an inverter by what lies behind it), the largest loss first, with ``kind`` (of :data:`KINDS`), ``inverter``,
        the one it belongs to, and ``lost_window`` [kWh], what of its loss is of the window; ``lost_energy`` is of the whole event.
    charged
        By category of the losses (``string``, ``mppt``, ``tracker``): dims (time, asset) of the inverters [kWh of each slot]. What an
        input lost by its strings or its tracker is not of the input.
    daily
        By kind: dims (time, asset), the days; see :class:`.fault_fields.Faults`.
    reasons
        By kind: why nothing is told of it, or of which assets.
    """

    events: pd.DataFrame
    charged: Mapping[str, xr.DataArray]
    daily: Mapping[str, xr.Dataset]
    reasons: Mapping[str, str]

    @property
    def tracker_spans(self) -> list[tuple[str, np.datetime64, np.datetime64]]:
        """Inverter, first and last slot of the faults of its trackers."""
        rows: Any = self.events[self.events["kind"] == "tracker"].itertuples()
        return [(str(row.inverter), np.datetime64(row.begin), np.datetime64(row.end)) for row in rows if row.inverter]


def find_faults(
    record: xr.Dataset,
    *,
    strings: xr.Dataset | None = None,
    mppts: xr.Dataset | None = None,
    trackers: xr.Dataset | None = None,
    parents: Mapping[str, str] | None = None,
    feeds: Mapping[str, str] | None = None,
    window: Window,
    power: str = "total_ac_power",
    price: float | None = None,
    lacking: Mapping[str, str] | None = None,
) -> FaultsFound:
    """Faults that reach into the window, with the energy they took; what is usual is learned from all the data.

    Parameters
    ----------
    record
        dims (time, asset) of inverters.
    strings, mppts, trackers
        dims (time, asset), see :func:`.string_faults.string_faults` and :func:`.tracker_faults.tracker_faults`; without strings and inputs
        the DC sides of the inverters are compared.
    parents
        Asset to the one it belongs to.
    feeds
        Tracker to the input whose modules it carries: its power tells the energy.
    price
        Of energy [currency/kWh].
    lacking
        Why ``string``, ``mppt`` or ``tracker`` are not given.
    """
    parents, reasons = dict(parents or {}), dict[str, str]()
    found: dict[str, Faults] = {}
    given = {"string": strings, "mppt": mppts, "tracker": trackers}
    for kind, data in given.items():
        if data is None:
            reasons[kind] = (lacking or {}).get(kind, f"no data of {KINDS[kind]}")
    dc = strings is None and mppts is None and any(name in record for name in FIELDS["inverter"])
    work: dict[str, Callable[[], Faults]] = {}
    if strings is not None:
        work["string"] = lambda: string_faults(strings, kind="string", price=price)
    if mppts is not None:
        work["mppt"] = lambda: string_faults(mppts, kind="mppt", price=price)
    if trackers is not None:
        work["tracker"] = lambda: tracker_faults(_powered(trackers, mppts, feeds or {}), price=price)
    if dc:
        work["dc"] = lambda: string_faults(record, kind="inverter", price=price)
    work["inverter"] = lambda: inverter_faults(_sure(record), power=power, price=price)
    for kind, one in work.items():
        try:
            found[kind] = one()
        except InputError as error:
            more = f" (found: {error.found})" if error.found else ""
            reasons[kind] = f"{error.message}{more}"
            continue
        if found[kind].reasons:
            reasons[kind] = _summed(found[kind].reasons)
    losses = {kind: one.slots["loss"] for kind, one in found.items() if kind != "inverter"}
    theirs = _of_others(losses, parents, feeds or {}) if "mppt" in losses else None
    energies: dict[str, xr.DataArray] = {}
    for kind, loss in losses.items():
        taken = loss if kind != "mppt" or theirs is None else (loss - theirs).clip(min=0.0)
        name = "string" if kind == "dc" else kind
        of = {str(one): str(one) for one in loss["asset"].values} if kind == "dc" else parents
        energies[name] = charged(taken, record, of)[0]
    events = _events(found, theirs, parents, window, {str(one) for one in record["asset"].values}, price)
    return FaultsFound(events, energies, {kind: one.daily for kind, one in found.items()}, reasons)


def _sure(record: xr.Dataset) -> xr.Dataset:
    """The record without an expected power that rests on modelled irradiance: its errors would look like limits."""
    if "irradiance_source" not in record or "expected_power" not in record:
        return record
    lit = record["expected_power"] > 0
    measured = float((record["irradiance_source"] == int(Source.MEASURED_PLANE)).where(lit).mean())
    return record if measured > _MEASURED else record.drop_vars("expected_power")


def _powered(trackers: xr.Dataset, mppts: xr.Dataset | None, feeds: Mapping[str, str]) -> xr.Dataset:
    """Trackers with the power of the inputs they feed [kW]."""
    if mppts is None or "power" in trackers or "input_power" not in mppts:
        return trackers
    names = [feeds.get(str(one), "") for one in trackers["asset"].values]
    if not set(names) <= set(map(str, mppts["asset"].values)):
        return trackers
    made = good(mppts, "input_power").sel(asset=names).reindex(time=trackers["time"].values)
    values = made.transpose("time", "asset").values
    return trackers.assign(
        power=(("time", "asset"), values, {"units": "kW", "long_name": "power of the input it feeds"})
    )


def _summed(reasons: Mapping[str, str]) -> str:
    """Reasons by asset, those that are alike together."""
    alike: dict[str, list[str]] = {}
    for asset, text in reasons.items():
        alike.setdefault(text, []).append(asset)
    parts = []
    for text, assets in alike.items():
        who = ", ".join(assets[:3]) + (f" and {len(assets) - 3} more" if len(assets) > 3 else "")
        parts.append(f"{who}: {text}")
    return "; ".join(parts)


def _of_others(
    losses: Mapping[str, xr.DataArray], parents: Mapping[str, str], feeds: Mapping[str, str]
) -> xr.DataArray:
    """Energy of each input's slots that its strings and its tracker lost [kWh], dims of the inputs."""
    inputs = losses["mppt"]
    names = {str(one): place for place, one in enumerate(inputs["asset"].values)}
    total = np.zeros(inputs.transpose("time", "asset").shape)
    for kind, above in (("string", parents), ("tracker", feeds)):
        if kind not in losses:
            continue
        loss = losses[kind].reindex(time=inputs["time"].values).transpose("time", "asset").fillna(0.0).values
        for column, one in enumerate(map(str, losses[kind]["asset"].values)):
            if above.get(one) in names:
                total[:, names[above[one]]] += loss[:, column]
    return xr.DataArray(total, dims=("time", "asset"), coords={"time": inputs["time"], "asset": inputs["asset"]})


def _events(
    found: Mapping[str, Faults],
    theirs: xr.DataArray | None,
    parents: Mapping[str, str],
    window: Window,
    inverters: set[str],
    price: float | None,
) -> pd.DataFrame:
    import pandas as pd

    begin, end = (moment.to_datetime64() for moment in window)
    tables = []
    behind = {kind: one.events for kind, one in found.items() if kind != "inverter"}
    for kind, one in found.items():
        table = one.events.copy()
        inside, kept = [], []
        rows: Any = table.itertuples()
        for row in rows:
            slots = one.slots.sel(asset=row.asset)
            times = slots["time"].values
            # two faults may share a day, and each slot is charged to one of them
            span = (
                (times >= np.datetime64(row.begin))
                & (times <= np.datetime64(row.end))
                & (_class_of(slots) == row.fault)
            )
            reaches = bool((span & (times >= begin) & (times < end)).any())
            if kind == "mppt" and theirs is not None and np.isfinite(row.lost_energy):
                explained = np.minimum(slots["loss"].values, theirs.sel(asset=row.asset).values)[span].sum()
                reaches &= not explained > _THEIRS * max(row.lost_energy, 1e-9)
            elif kind == "inverter" and row.fault == "power limit":
                reaches &= not _behind(row, behind, parents, inverters)
            told = float(np.nansum(slots["loss"].values[span & (times >= begin) & (times < end)]))
            if np.datetime64(row.begin) >= begin and np.datetime64(row.end) < end:
                # all that it took is of another fault of the same hours: the day on which a tracker stuck
                reaches &= not told < _COVERED * row.lost_energy
            kept.append(reaches)
            inside.append(min(told, row.lost_energy) if np.isfinite(row.lost_energy) else np.nan)
        table = table.assign(kind=kind, lost_window=inside)
        tables.append(table[np.array(kept, bool)])
    events = pd.concat([one for one in tables if len(one)] or tables, ignore_index=True)
    events["inverter"] = [inverter_of(str(one), parents, inverters) for one in events["asset"]]
    if price is not None:
        events["money_window"] = events["lost_window"].astype(float) * price
    return events.sort_values(["lost_window", "begin"], ascending=[False, True], na_position="last", ignore_index=True)


def _class_of(slots: xr.Dataset) -> npt.NDArray[np.object_]:
    """The class of the fault of each slot, empty for none."""
    attrs = slots["fault"].attrs
    words = {
        int(code): word for code, word in zip(attrs["flag_values"], str(attrs["flag_meanings"]).split(), strict=True)
    }
    names = np.array([words.get(int(code), "").replace("_", " ") for code in slots["fault"].values], dtype=object)
    return np.where(slots["fault"].values == 0, "", names)


def _behind(row: Any, behind: Mapping[str, pd.DataFrame], parents: Mapping[str, str], inverters: set[str]) -> bool:
    """Whether an inverter that stays behind its peers does so for what its strings, inputs or trackers lack on those days."""
    length = max(row.end - row.begin, np.timedelta64(1, "D"))
    for table in behind.values():
        rows: Any = table.itertuples()
        for other in rows:
            if inverter_of(str(other.asset), parents, inverters) != row.asset:
                continue
            shared = min(other.end, row.end) - max(other.begin, row.begin)
            if shared > _THEIRS * length:
                return True
    return False
