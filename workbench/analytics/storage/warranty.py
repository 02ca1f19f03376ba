"""Warranty log: what a battery was put through, month by month, against what its warranty allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, expected_slots, periods, place, slot_length, window_of
from workbench.analytics.storage.cycles import cycle_summary
from workbench.analytics.storage.fields import fact, facts_of, maybe, names_of, power_of, prepared, slot_hours
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_YEAR = 8766.0  # hours


@dataclass(frozen=True)
class WarrantyTerms:
    """What a warranty allows; what is left out is not limited.

    Attributes
    ----------
    cycles_per_year
        Equivalent full cycles [1/a].
    throughput
        Energy discharged in all, since commissioning [MWh].
    mean_soc, resting_soc
        Highest mean state of charge, and highest at rest [%].
    mean_temperature
        Highest mean of the cells over a period [degC].
    temperature
        Highest cell temperature [degC]; time above it counts.
    hours_above
        Hours in a year that it may be above ``temperature`` [h].
    rate
        Highest power over energy capacity [1/h].
    depth
        Deepest cycle, 95 % of them [%].
    """

    cycles_per_year: float | None = None
    throughput: float | None = None
    mean_soc: float | None = None
    resting_soc: float | None = None
    mean_temperature: float | None = None
    temperature: float = 45.0
    hours_above: float | None = None
    rate: float | None = None
    depth: float | None = None

    @classmethod
    def of(cls, terms: Mapping[str, Any]) -> WarrantyTerms:
        """Terms from a mapping, such as a contract's YAML; InputError for a name that is none."""
        known = [field.name for field in fields(cls)]
        for name in terms:
            if name not in known:
                raise InputError(
                    "no such term", where=f"terms.{name}", expected=", ".join(known), hint=did_you_mean(name, known)
                )
        numbers: dict[str, Any] = {n: None if value is None else float(value) for n, value in terms.items()}
        return cls(**numbers)


def warranty_log(data: xr.Dataset, *, by: Step = "month", tz: str = "UTC", hot: float = 45.0) -> xr.Dataset:
    """Throughput, cycles, temperature, charge and rates of each battery by period.

    Parameters
    ----------
    data
        dims (time, asset): power, see :func:`~workbench.analytics.storage.fields.power_of`; ``state_of_charge`` [%],
        ``cell_temperature_max``, ``cell_temperature_mean`` [degC], the counter ``energy_discharged`` [kWh] where there.
        Coordinates ``energy_capacity`` [kWh], ``rated_capacity`` [kW].
    by, tz
        Days, months or years of that clock.
    hot
        Temperature above which time is counted [degC].

    Returns
    -------
    xr.Dataset
        dims (period, asset): ``energy_charged``, ``energy_discharged`` [MWh] of the period, of what was measured;
        ``throughput`` [MWh], discharged in all, by the battery's own counter where it has one, else since the data begin;
        ``equivalent_full_cycles``, ``energy_full_cycles`` [1]; ``depth_p95``, ``soc_mean``, ``soc_resting`` [%];
        ``temperature_mean``, ``temperature_max`` [degC], ``hours_hot`` [h]; ``rate_max`` [1/h], of slot means;
        ``completeness`` [1], share of the slots with power. dims (asset): ``reason``, what could not be logged.

    Raises
    ------
    InputError
        No power, or a reversed sign.
    """
    data = prepared(data)
    power = power_of(data)
    span = window_of(data)
    labels, edges = periods(span, by, tz)
    when, hours = place(data["time"].values, edges), slot_hours(data)
    due = expected_slots(edges, slot_length(data))
    shape = (len(labels), data.sizes["asset"])
    new = fact(data, "energy_capacity")
    top, mean = maybe(data, "cell_temperature_max"), maybe(data, "cell_temperature_mean")
    mean = mean if mean is not None else top
    top = top if top is not None else mean
    counter = maybe(data, "energy_discharged")
    lacking = [] if mean is not None else ["temperatures: no cell temperature"]
    names = (
        "energy_charged",
        "energy_discharged",
        "throughput",
        "temperature_mean",
        "temperature_max",
        "hours_hot",
        "rate_max",
        "completeness",
    )
    table = {n: np.full(shape, np.nan) for n in names}
    for row in range(shape[0]):
        rows = np.flatnonzero(when == row)
        out, into = power.discharge[rows], power.charge[rows]
        known = np.isfinite(out) & np.isfinite(into)
        some = known.any(axis=0)
        table["completeness"][row] = known.sum(axis=0) / max(int(due[row]), 1)
        table["energy_discharged"][row] = np.where(some, np.nansum(out, axis=0) * hours / 1000.0, np.nan)
        table["energy_charged"][row] = np.where(some, np.nansum(into, axis=0) * hours / 1000.0, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            table["rate_max"][row] = np.where(
                some, np.fmax.reduce(np.fmax(out, into), axis=0, initial=0.0) / new, np.nan
            )
        if mean is not None and top is not None and len(rows):
            there = np.isfinite(mean[rows])
            count = there.sum(axis=0)
            table["temperature_mean"][row] = np.where(
                count > 0, np.nansum(mean[rows], axis=0) / np.maximum(count, 1), np.nan
            )
            table["temperature_max"][row] = np.fmax.reduce(top[rows], axis=0)
            table["hours_hot"][row] = (top[rows] > hot).sum(axis=0) * hours
        if counter is not None and len(rows):
            table["throughput"][row] = np.fmax.reduce(counter[rows], axis=0) / 1000.0
    own = np.cumsum(np.nan_to_num(table["energy_discharged"]), axis=0)
    without = ~np.isfinite(table["throughput"]).any(axis=0)
    table["throughput"][:, without] = own[:, without]
    if without.any():
        lacking.append("throughput: counted since the data begin, as there is no counter energy_discharged")
    units = {
        "temperature_mean": "degC",
        "temperature_max": "degC",
        "hours_hot": "h",
        "rate_max": "1/h",
        "completeness": "1",
    }
    result = xr.Dataset(
        {n: (("period", "asset"), v, {"units": units.get(n, "MWh")}) for n, v in table.items()},
        coords={"period": labels.to_numpy(), **facts_of(data)},
        attrs={"hot": hot, "time_zone": tz},
    )
    wanted = ("equivalent_full_cycles", "energy_full_cycles", "depth_p95", "soc_mean", "soc_resting")
    if maybe(data, "state_of_charge") is not None:
        use = cycle_summary(data, by=by, tz=tz, soc="state_of_charge")
        result = result.assign({n: use[n] for n in wanted})
    else:
        lacking.append("cycles and resting charge: no state of charge")
        blank = xr.full_like(result["throughput"], np.nan)
        result = result.assign({n: blank.assign_attrs(units="1" if "cycles" in n else "%") for n in wanted})
        result["energy_full_cycles"] = 1000.0 * result["energy_discharged"] / xr.DataArray(new, dims="asset")
    return result.assign(reason=("asset", np.full(shape[1], "; ".join(lacking), dtype=object)))


def warranty_breaches(log: xr.Dataset, terms: WarrantyTerms | Mapping[str, Any]) -> pd.DataFrame:
    """What went beyond the terms of a warranty.

    Parameters
    ----------
    log
        What :func:`warranty_log` gives, with ``hot`` the terms' temperature.
    terms
        See :class:`WarrantyTerms`.

    Returns
    -------
    One row per breach: ``asset``, ``period``, ``term``, ``value``, ``allowed``. Cycles and hot hours of a period are held against
    its share of the year, so that a month may say early what a year will not allow; their term ends in ``, pro rata``.

    Raises
    ------
    InputError
        A term is unknown; the log was made with another temperature.
    """
    import pandas as pd

    rule = terms if isinstance(terms, WarrantyTerms) else WarrantyTerms.of(terms)
    if rule.hours_above is not None and log.attrs.get("hot") != rule.temperature:
        raise InputError(
            "the log counts the time above another temperature",
            where="log", found=f"{log.attrs.get('hot')} degC", expected=f"{rule.temperature} degC",
            hint=f"warranty_log(data, hot={rule.temperature})",
        )  # fmt: skip
    starts = pd.DatetimeIndex(log["period"].values)
    lengths = np.diff(np.append(starts.asi8, [0])) if len(starts) > 1 else np.array([0])
    hours = np.where(lengths > 0, lengths / {"ns": 3.6e12, "us": 3.6e9, "s": 3600.0}.get(starts.unit, 3.6e12), np.nan)
    hours[-1] = np.nanmedian(hours) if len(hours) > 1 else _YEAR / 12
    share = hours / _YEAR
    checks = [
        ("equivalent_full_cycles", rule.cycles_per_year, share, "cycles per year, pro rata"),
        ("throughput", rule.throughput, None, "throughput"),
        ("soc_mean", rule.mean_soc, None, "mean state of charge"),
        ("soc_resting", rule.resting_soc, None, "state of charge at rest"),
        ("temperature_mean", rule.mean_temperature, None, "mean temperature"),
        ("hours_hot", rule.hours_above, share, "hours above the temperature, pro rata"),
        ("rate_max", rule.rate, None, "rate"),
        ("depth_p95", rule.depth, None, "depth of cycles"),
    ]
    rows = []
    for name, limit, part, words in checks:
        if limit is None:
            continue
        allowed = np.full(len(starts), limit) if part is None else limit * part
        values = log[name].transpose("period", "asset").values
        for row, column in zip(*np.nonzero(values > allowed[:, None] * (1 + 1e-9)), strict=True):
            rows.append(
                {
                    "asset": names_of(log)[column],
                    "period": starts[row],
                    "term": words,
                    "value": float(values[row, column]),
                    "allowed": float(allowed[row]),
                }
            )
    return pd.DataFrame(rows, columns=["asset", "period", "term", "value", "allowed"])
