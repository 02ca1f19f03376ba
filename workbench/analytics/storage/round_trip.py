"""Round-trip efficiency net of what is stored more or less in the end, split into cells, converter and auxiliaries.

Each way has its own efficiency: what is stored, S, over what was taken, E_in; and what was given, E_out, over what was drawn
from the store, D. The round trip is (S / E_in) (E_out / D), and S - D is the change of the content, and what discharged by itself. Where a
current is measured it tells S / D (see ``cell_energy``); so no way has to be taken to lose as much as the other, and the round trip is
without self-discharge. Without a current both are taken alike: x E_in - E_out / x = S - D, where x is the efficiency of one way,
x = (dE + sqrt(dE^2 + 4 E_in E_out)) / (2 E_in), and x^2 the round trip; the interval says what that may be off. Without a change of the content both are E_out / E_in. The content changes in the cells alone;
converter and auxiliaries are ratios of energies, so that the product of the parts is the whole [1]_.

References
----------
.. [1] IEC 62933-2-1:2017, Electrical energy storage systems, unit parameters and testing methods, 5.2.2 (roundtrip
   efficiency, with the energy of auxiliaries).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, edges_of, periods, place, window_of
from workbench.analytics.storage.cell_energy import (
    CellEnergy,
    cell_energies,
    slope_of,
    stored_over_drawn,
)
from workbench.analytics.storage.fields import (
    Bools,
    Floats,
    Ints,
    Power,
    fact,
    facts_of,
    maybe,
    power_of,
    prepared,
    slot_hours,
    tell,
)
from workbench.analytics.storage.open_circuit import curves_of
from workbench.model.errors import InputError
from workbench.steps import step

_UNLIKE = 0.3  #: of the losses, by which one way may differ from the mean of both
_AT_ODDS = 3.0  #: standard uncertainties by which the change of the content may be another than the current tells
_PARTS = ("efficiency", "efficiency_cell", "efficiency_converter", "efficiency_auxiliary", "efficiency_system")
_TITLES = {
    "efficiency": "AC round-trip efficiency, auxiliaries left out",
    "efficiency_cell": "round-trip efficiency of the cells",
    "efficiency_converter": "round-trip efficiency of the converter",
    "efficiency_auxiliary": "what auxiliaries leave of it",
    "efficiency_system": "AC round-trip efficiency with auxiliaries",
    "lower": "lower bound of efficiency",
    "upper": "upper bound of efficiency",
}


def round_trip_efficiency(
    data: xr.Dataset,
    *,
    by: Step | None = None,
    tz: str = "UTC",
    soc_uncertainty: float = 2.0,
    meter_uncertainty: float = 0.002,
    level: float = 0.9,
) -> xr.Dataset:
    """Round-trip efficiency of each battery, net of the change of its content, with its parts and an interval.

    Parameters
    ----------
    data
        dims (time, asset): ``charge_power`` and ``discharge_power`` [kW], or ``active_power``; ``stored_energy`` [kWh],
        ``soc_recount`` or ``state_of_charge`` [%] with the coordinate ``energy_capacity`` [kWh]; for the parts ``dc_power`` [kW]
        (or DC voltage and current), ``active_power`` beside charge and discharge, or ``auxiliary_power`` [kW].
    by, tz
        By days, months or years of that clock; all at once if left out. A day holds about one cycle, so that the
        uncertain change of the content makes its interval wide.
    soc_uncertainty
        Standard uncertainty of a state of charge [%]; ``soc_recount_std`` where it is there.
    meter_uncertainty
        Standard uncertainty by which the meter errs otherwise in one direction than in the other [1].
    level
        Of the interval.

    Returns
    -------
    xr.Dataset
        dims (asset) or (period, asset), all [%]: ``efficiency`` AC to AC without auxiliaries, ``lower``, ``upper``;
        ``efficiency_cell`` and ``efficiency_converter``, whose product it is; ``efficiency_auxiliary``, and
        ``efficiency_system`` = efficiency x auxiliary; NaN where not measured. ``energy_in``, ``energy_out``,
        ``energy_change``, ``energy_auxiliary`` [kWh]; ``hours`` measured [h]; the texts ``reason`` and ``caution``.

    Raises
    ------
    InputError
        No power; a reversed sign; a wrong setting.

    Notes
    -----
    Slots without power end a run, and the change of the content is taken over each run by itself: what went on in a gap
    does not count on either side.
    """
    if not 0 < level < 1 or soc_uncertainty < 0 or meter_uncertainty < 0:
        raise InputError("a setting is wrong", where="level or uncertainty", found=f"{level}, {soc_uncertainty}")
    data = prepared(data)
    power = power_of(data)
    content, unsure, source = _content(data, power, soc_uncertainty)
    cells = cell_energies(data, power, content)
    span = window_of(data)
    import pandas as pd

    labels, edges = pd.DatetimeIndex([span[0]]), edges_of(span)
    if by is not None:
        labels, edges = periods(span, by, tz)
    when, hours = place(data["time"].values, edges), slot_hours(data)
    shape = (len(labels), data.sizes["asset"])
    names = (*_PARTS, "lower", "upper", "energy_in", "energy_out", "energy_change", "energy_auxiliary", "hours")
    table = {name: np.full(shape, np.nan) for name in names}
    words = {name: np.full(shape, "", dtype=object) for name in ("reason", "caution")}
    capacity = fact(data, "energy_capacity")
    z = _normal(level)
    for row in range(shape[0]):
        rows = np.flatnonzero(when == row)
        for column in range(shape[1]):
            found, reason, caution = _one(
                power,
                content[:, column],
                unsure[:, column],
                cells[column],
                rows,
                column,
                hours,
                capacity[column],
                meter_uncertainty,
                z,
            )
            for name, value in found.items():
                table[name][row, column] = value
            words["reason"][row, column] = reason
            words["caution"][row, column] = "; ".join(t for t in (source[column], caution) if t) if not reason else ""
    units = {n: "kWh" for n in names if n.startswith("energy_")} | {"hours": "h"}
    result = xr.Dataset(
        {
            n: (("period", "asset"), v, {"units": units.get(n, "%"), "long_name": _TITLES.get(n, n.replace("_", " "))})
            for n, v in table.items()
        }
        | {n: (("period", "asset"), v) for n, v in words.items()},
        coords={"period": labels.to_numpy(), **facts_of(data)},
        attrs={"level": level, "time_zone": tz, "power": power.source},
    )
    return result if by is not None else result.isel(period=0, drop=True)


def _normal(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + level) / 2))


def one_way(taken: float, given: float, change: float) -> float:
    """Efficiency of one way [1] where ``taken`` and ``given`` are energies and ``change`` that of the content [kWh]."""
    return (change + float(np.sqrt(change**2 + 4 * taken * given))) / (2 * taken)


def _content(data: xr.Dataset, power: Power, unsure: float) -> tuple[Floats, Floats, list[str]]:
    """Energy in the battery [kWh], its standard uncertainty [kWh], both [time, asset], and what weakens it."""
    size = (data.sizes["time"], data.sizes["asset"])
    usable = fact(data, "energy_capacity")
    health = maybe(data, "state_of_health")
    if health is not None:
        usable = usable * np.nan_to_num(_median(health), nan=100.0) / 100.0
    soc, counted = maybe(data, "soc_recount"), maybe(data, "soc_recount_std")
    off = np.full(size, unsure) if counted is None or soc is None else np.nan_to_num(counted, nan=unsure)
    stored = maybe(data, "stored_energy")
    if soc is None and stored is not None:
        return stored, off / 100.0 * np.where(np.isfinite(usable), usable, _highest(stored)), [""] * size[1]
    soc = maybe(data, "state_of_charge") if soc is None else soc
    if soc is None:
        return np.full(size, np.nan), off, ["no state of charge: the change of the content is unknown"] * size[1]
    share = np.full(size, np.nan)
    words = []
    for column, curve in enumerate(curves_of(data)):
        share[:, column] = soc[:, column] / 100.0 if curve is None else curve.energy_share(soc[:, column])
        share[np.isnan(soc[:, column]), column] = np.nan
        told = _energy_of_all(power, share[:, column], column, slot_hours(data))
        if np.isfinite(told):
            usable[column] = told
        known = np.isfinite(usable[column])
        words.append("" if known else "energy_capacity is not known: the change of the content is unknown")
    return share * usable, off / 100.0 * usable, words


def _median(values: Floats) -> Floats:
    return np.array([np.median(v[np.isfinite(v)]) if np.isfinite(v).any() else np.nan for v in values.T])


def _highest(values: Floats) -> Floats:
    found: Floats = np.nanmax(values, axis=0, initial=0.0)
    return found


def _energy_of_all(power: Power, share: Floats, column: int, hours: float) -> float:
    """Energy of a full battery [kWh] as charging and discharging show it against the share that is in it; NaN where they do not.

    What a per cent of the reported state of charge holds needs neither the energy when new nor the health.
    """
    charge, discharge = power.charge[:, column], power.discharge[:, column]
    known = np.isfinite(charge) & np.isfinite(discharge) & np.isfinite(share)
    taken, given = float(charge[known].sum()), float(discharge[known].sum())
    if not taken > 0 or not given > 0:
        return float("nan")
    way = float(np.clip(np.sqrt(given / taken), 0.6, 1.0))
    stored = way * charge - discharge / way
    if power.dc is not None and np.isfinite(power.dc[known, column]).mean() > 0.9:
        # what went into the cells, as a converter may lose more on one way than on the other
        stored = -power.dc[:, column]
        known &= np.isfinite(stored)
    return slope_of(stored, share, known, hours, 0.04)


def _one(
    power: Power, content: Floats, unsure: Floats, cells: CellEnergy | None, rows: Ints, column: int, hours: float, capacity: float,
    meter: float, z: float,
) -> tuple[dict[str, float], str, str]:  # fmt: skip
    charge, discharge = power.charge[rows, column], power.discharge[rows, column]
    dc = None if power.dc is None else power.dc[rows, column]
    known = np.isfinite(charge) & np.isfinite(discharge)
    if dc is not None and np.isfinite(dc).sum() > 0.5 * known.sum():
        known &= np.isfinite(dc)
    else:
        dc = None
    change, variance, lost, caution = _change(content[rows], unsure[rows], known, capacity)
    known &= ~lost
    taken, given = float(charge[known].sum()) * hours, float(discharge[known].sum()) * hours
    found = {"energy_in": taken, "energy_out": given, "energy_change": change, "hours": float(known.sum()) * hours}
    if not taken > 0 or not given > 0:
        return found, "it was not both charged and discharged", ""
    if np.isfinite(capacity) and min(taken, given) < 0.05 * capacity:
        return found, f"{min(taken, given):.0f} kWh one way: less than a twentieth of its capacity", ""
    net = change if np.isfinite(change) else 0.0
    ratio = told = np.nan
    if cells is not None and np.isfinite(cells.stored[rows][known]).mean() > 0.95:
        ratio, told, odds = stored_over_drawn(cells, rows[known], change, variance, float(known.sum()) * hours / 24.0)
        if odds > _AT_ODDS:
            caution = "; ".join(
                t for t in (caution, "the current and the change of the state of charge do not go together") if t
            )
    cell = converter = np.nan
    if dc is not None:
        into, out = _dc_energies(charge[known], discharge[known], dc[known], hours)
        if into > 0 and out > 0:
            cell = one_way(into, out, net) ** 2 if np.isnan(ratio) else out / into * ratio
            converter = (into / taken) * (given / out)
    whole = cell * converter
    if np.isnan(whole):
        whole = one_way(taken, given, net) ** 2 if np.isnan(ratio) else given / taken * ratio
    if np.isnan(ratio):
        # the content enters one way: half of its error in proportion to the energy, and as much on either way; and a change of it is
        # set off by the way that is lacking, whose losses may be others than the mean of both
        both_ways = taken + given / whole
        told = 2 / both_ways * float(np.sqrt(variance / whole + (_UNLIKE * (1.0 - min(whole, 1.0)) * net) ** 2))
    half = z * whole * float(np.hypot(meter, told))
    found |= {
        "efficiency": whole, "efficiency_cell": cell, "efficiency_converter": converter,
        "lower": max(whole - half, 0.0), "upper": whole + half,
    }  # fmt: skip
    if power.auxiliary is not None:
        own = power.auxiliary[rows, column]
        use = known & np.isfinite(own)
        if use.any():
            found["energy_auxiliary"] = float(own[use].sum()) * hours
            # of a slot in which both were done each way bears its share
            part = np.where(charge + discharge > 0, discharge / np.maximum(charge + discharge, 1e-12), 0.0)[use]
            at = discharge[use] - part * own[use]
            out_net = float(np.maximum(at, 0.0).sum())
            in_net = float((charge[use] + (1 - part) * own[use] + np.maximum(-at, 0.0)).sum())
            # as if it had been brought back to where it began, by so much more of the way that is lacking
            back = whole * float(charge[use].sum()), float(discharge[use].sum()) / whole
            out_all, in_all = max(float(discharge[use].sum()), back[0]), max(float(charge[use].sum()), back[1])
            out_own, in_own = float(discharge[use].sum()) - out_net, in_net - float(charge[use].sum())
            factor = max(0.0, 1.0 - out_own / out_all) / (1.0 + in_own / in_all)
            found |= {"efficiency_auxiliary": factor, "efficiency_system": whole * factor}
    for name in (*_PARTS, "lower", "upper"):
        if name in found:
            found[name] *= 100.0
    if whole > 1.0:
        caution = "; ".join(t for t in (caution, "above 100 %: the meters or the state of charge are off") if t)
    return found, "", caution


def _dc_energies(charge: Floats, discharge: Floats, dc: Floats, hours: float) -> tuple[float, float]:
    """Energy into and out of the cells [kWh]. Of a slot in which both were done, both sides of the converter are told apart.

    There the DC mean is the difference of the two; what the converter lost in the slot is shared by the energy that passed.
    """
    both = (charge > 1e-3 * discharge) & (discharge > 1e-3 * charge)
    lost = np.where(both, charge - discharge + dc, 0.0)
    passed = np.where(both, charge + discharge, 1.0)
    into = np.where(both, charge - lost * charge / passed, np.maximum(-dc, 0.0))
    out = np.where(both, discharge + lost * discharge / passed, np.maximum(dc, 0.0))
    return float(into.sum()) * hours, float(out.sum()) * hours


def _change(content: Floats, unsure: Floats, known: Bools, capacity: float) -> tuple[float, float, Bools, str]:
    """Change of the content over the runs without gaps [kWh], its variance, the slots of runs that tell none, and a caution."""
    lost = np.zeros(len(known), dtype=bool)
    if not np.isfinite(content).any():
        worst = capacity if np.isfinite(capacity) else 0.0
        return float("nan"), worst**2 / 6, lost, ""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    total, variance, none = 0.0, 0.0, 0
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        rows = np.arange(start, end)
        rows = rows[np.isfinite(content[rows])]
        if len(rows) < 2 or rows[0] - start > 3 or end - 1 - rows[-1] > 3:
            lost[start:end] = True
            none += 1
            continue
        first, last = content[rows[0]], content[rows[-1]]
        if len(rows) > 2:  # means of slots, carried to the outer edges of the run
            first -= (content[rows[1]] - content[rows[0]]) / 2
            last += (content[rows[-1]] - content[rows[-2]]) / 2
        total += last - first
        variance += unsure[rows[0]] ** 2 + unsure[rows[-1]] ** 2
    return total, variance, lost, f"{none} runs without a state of charge left out" if none else ""


@step("battery_efficiency")
def add_round_trip_efficiency(
    data: xr.Dataset, *, soc_uncertainty: float = 2.0, meter_uncertainty: float = 0.002, level: float = 0.9
) -> xr.Dataset:
    """Round-trip efficiency of each battery net of the change of its content, and its parts; one figure for the whole of the data.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`round_trip_efficiency`.
    soc_uncertainty
        Standard uncertainty of a state of charge [%].
    meter_uncertainty
        Standard uncertainty by which the meter errs otherwise in one direction than in the other [1].
    level
        Of the interval.

    Returns
    -------
    The data with ``round_trip``, ``round_trip_lower``, ``round_trip_upper``, ``round_trip_cell``, ``round_trip_converter``,
    ``round_trip_auxiliary`` and ``round_trip_system`` [%], dims (asset); NaN where a part is not measured.

    Raises
    ------
    InputError
        No power, or a reversed sign.
    """
    data = prepared(data)
    found = round_trip_efficiency(
        data, soc_uncertainty=soc_uncertainty, meter_uncertainty=meter_uncertainty, level=level
    )
    tell("battery_efficiency", found)
    names = {f"round_trip{n.removeprefix('efficiency')}": n for n in _PARTS}
    names |= {"round_trip_lower": "lower", "round_trip_upper": "upper"}
    return data.assign(
        {n: ("asset", found[s].values, {"units": "%", "long_name": _TITLES[s]}) for n, s in names.items()}
    )
