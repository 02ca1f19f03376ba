"""The steps that tell a battery's course by periods and its cells one by one: trend of the health, warranty log, weakest cells."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.storage.cells import weakest_cells
from workbench.analytics.storage.fields import prepared, tell
from workbench.analytics.storage.health import state_of_health
from workbench.analytics.storage.health_trend import health_trend
from workbench.analytics.storage.warranty import WarrantyTerms, warranty_breaches, warranty_log
from workbench.steps import remark, step

#: Fields of the step ``weakest_cells``: units, and the column of :func:`weakest_cells` that each is.
CELLS: dict[str, tuple[str | None, str]] = {
    "cell_low_end": ("mV", "low_end"),
    "cell_high_end": ("mV", "high_end"),
    "cell_excess_resistance": ("mohm", "resistance"),
    "cell_self_discharge": ("mV/month", "self_discharge"),
    "cell_score": ("1", "score"),
    "cell_kind": (None, "kind"),
}
#: Fields of the step ``battery_warranty_log``, each with ``warranty_`` before it: units.
LOG: dict[str, str | None] = {
    "energy_charged": "MWh",
    "energy_discharged": "MWh",
    "throughput": "MWh",
    "equivalent_full_cycles": "1",
    "energy_full_cycles": "1",
    "depth_p95": "%",
    "soc_mean": "%",
    "soc_resting": "%",
    "temperature_mean": "degC",
    "temperature_max": "degC",
    "hours_hot": "h",
    "rate_max": "1/h",
    "completeness": "1",
}


@step("battery_health_trend")
def add_health_trend(
    data: xr.Dataset,
    *,
    timezone: str = "",
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9,
    output_field: str = "health_change",
) -> xr.Dataset:
    """How fast each battery's state of health falls, from its figures by month.

    See :func:`~workbench.analytics.storage.state_of_health` and :func:`~workbench.analytics.storage.health_trend`.

    Parameters
    ----------
    data
        dims (time, asset), as :func:`~workbench.analytics.storage.state_of_health` takes them.
    timezone
        The clock of the months; the attribute ``timezone`` of the data where left out, else UTC.
    level
        Of the interval.
    output_field
        What the change is called.

    Returns
    -------
    The data with ``health_change``, its ``_lower`` and ``_upper`` [%/year], dims (asset), and the months it is told from,
    ``health_by_month`` [%], dims (health_month, asset).

    Raises
    ------
    InputError
        A field is missing, or a sign is reversed.
    """
    data = prepared(data)
    by_month = state_of_health(data, by="month", tz=_clock(data, timezone), level=level)
    found = health_trend(by_month, level=level)
    tell("battery_health_trend", found)
    names = {"": "rate", "_lower": "lower", "_upper": "upper"}
    added: dict[str, Any] = {
        f"{output_field}{end}": ("asset", found[source].values, found[source].attrs) for end, source in names.items()
    }
    months = by_month["state_of_health"].transpose("period", "asset").values
    added["health_by_month"] = (("health_month", "asset"), months, {"units": "%"})
    return data.assign_coords(health_month=by_month["period"].values).assign(added)


@step("battery_warranty_log")
def add_warranty_log(
    data: xr.Dataset,
    *,
    by: Literal["day", "month", "year"] = "month",
    timezone: str = "",
    terms: dict[str, float] | None = None,
) -> xr.Dataset:
    """What each battery was put through by days, months or years, and how often that went beyond its warranty.

    See :func:`~workbench.analytics.storage.warranty_log` and :func:`~workbench.analytics.storage.warranty_breaches`.

    Parameters
    ----------
    data
        dims (time, asset): power; ``state_of_charge`` [%] and cell temperatures [degC] where they are there.
    by, timezone
        Periods of this clock; the attribute ``timezone`` of the data where left out, else UTC.
    terms
        Of the warranty, as :class:`~workbench.analytics.storage.WarrantyTerms` names them; nothing is limited if left out.

    Returns
    -------
    The data with ``warranty_throughput`` [MWh] and the other figures of the log, dims (warranty_period, asset), and
    ``warranty_breaches`` [1], terms broken in each period. Every breach is remarked.

    Raises
    ------
    InputError
        No power, a reversed sign, or a term that is none.
    """
    data = prepared(data)
    rule = WarrantyTerms.of(terms or {})
    log = warranty_log(data, by=by, tz=_clock(data, timezone), hot=rule.temperature)
    tell("battery_warranty_log", log)
    breaches = warranty_breaches(log, rule)
    counts = np.zeros((log.sizes["period"], log.sizes["asset"]), dtype=np.int64)
    for asset, period, term, value, allowed in breaches.itertuples(index=False, name=None):
        counts[
            (log["period"].values == np.datetime64(period)).nonzero()[0][0], log.indexes["asset"].get_loc(asset)
        ] += 1
        remark(f"battery_warranty_log: {asset}: {period:%Y-%m-%d}: {term} {value:.3g}, allowed {allowed:.3g}")
    added: dict[str, Any] = {
        f"warranty_{name}": (
            ("warranty_period", "asset"),
            log[name].transpose("period", "asset").values,
            {"units": units},
        )
        for name, units in LOG.items()
    }
    added["warranty_breaches"] = (("warranty_period", "asset"), counts, {"units": "1"})
    return data.assign_coords(warranty_period=log["period"].values).assign(added)


@step("weakest_cells")
def add_weakest_cells(data: xr.Dataset, *, parent: str = "parent") -> xr.Dataset:
    """How far each cell falls behind the others of its battery or rack, and in what way.

    See :func:`~workbench.analytics.storage.weakest_cells`.

    Parameters
    ----------
    data
        dims (time, asset), an asset per cell: ``voltage`` [V], ``current`` [A] where it is measured.
    parent
        Coordinate that tells which cells are in one battery or rack; all are in one where it is missing.

    Returns
    -------
    The data with ``cell_low_end``, ``cell_high_end`` [mV], ``cell_excess_resistance`` [mohm], ``cell_self_discharge`` [mV/month],
    ``cell_score`` [1] and in words ``cell_kind``, dims (asset).

    Raises
    ------
    InputError
        No voltage of cells.
    """
    data = prepared(data)
    table = weakest_cells(data, parent=parent).set_index("cell").reindex([str(one) for one in data["asset"].values])
    for text in dict.fromkeys(table["reason"]):
        if text:
            remark(f"weakest_cells: {text}")
    return data.assign(
        {
            name: ("asset", table[source].to_numpy(dtype=float if units else str), {"units": units} if units else {})
            for name, (units, source) in CELLS.items()
        }
    )


def _clock(data: xr.Dataset, timezone: str) -> str:
    return timezone or str(data.attrs.get("timezone", "") or "UTC")
