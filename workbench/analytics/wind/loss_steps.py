"""Steps that sum over the seconds of categories: how often turbines fail, and the way from what was possible to what was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.categories import CATEGORIES, CategoryTable
from workbench.analytics.wind.category_seconds import SECOND, share_out, stack
from workbench.analytics.wind.category_steps import SUFFIX
from workbench.analytics.wind.losses import energy_losses, loss_waterfall
from workbench.analytics.wind.reliability import FAILURE, reliability
from workbench.model.errors import InputError
from workbench.model.keys import DurationText
from workbench.model.time import parse_duration, rising_times
from workbench.model.units import convert
from workbench.steps import remark, step

#: Fields of ``reliability``, with their units and what they are.
RELIABILITY: Mapping[str, tuple[str, str]] = {
    "mtbf": ("h", "mean time between failures, of up time"),
    "mtbf_low": ("h", "mean time between failures, lower end"),
    "mtbf_high": ("h", "mean time between failures, upper end"),
    "mttr": ("h", "mean time to repair"),
    "failure_rate": ("1/year", "failures by year of up time"),
    "failure_rate_low": ("1/year", "failures by year of up time, lower end"),
    "failure_rate_high": ("1/year", "failures by year of up time, upper end"),
    "failures": ("1", "failures that began in the period"),
    "repairs": ("1", "repairs completed, of those failures"),
    "up_hours": ("h", "time exposed to failure"),
    "down_hours": ("h", "time failed"),
    "unknown_hours": ("h", "time of which nothing is known"),
}
Confidence = Annotated[float, Field(gt=0, lt=1)]


@step("reliability")
def reliability_fields(
    data: xr.Dataset,
    *,
    categories: Sequence[str] = FAILURE,
    merge: DurationText = "PT0S",
    confidence: Confidence = 0.9,
    seconds: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
    slot: DurationText | None = None,
) -> xr.Dataset:
    """How often each turbine fails and how long mending takes: MTBF, MTTR and failure rate with their ranges.

    A failure is a stay in one of ``categories``. Slots that are missing in the data are unknown time. See
    :mod:`~workbench.analytics.wind.reliability`.

    Parameters
    ----------
    data
        dims (time, asset), with the fields of ``availability_categories``.
    categories
        That are a failure. One that no source tells, such as ``forced_outage`` by production alone, is an error: its time
        is not zero but unknown.
    merge
        Stays no further apart are one: a restart that failed is no new failure.
    confidence
        Of the ranges [1].
    seconds
        Category to its field [s]; the fields ``<category>_seconds`` if left out.
    own
        Categories of one's own, and which of the standard each belongs to.
    slot
        Length of the slots; the data's cadence if left out.

    Returns
    -------
    The data with ``mtbf``, ``mttr`` [h], ``failure_rate`` [1/year], their ``_low`` and ``_high`` ends, ``failures``,
    ``repairs`` [1], ``up_hours``, ``down_hours``, ``unknown_hours`` [h]; dims (asset). The attribute ``farm`` of each is that
    of all turbines together. Without a failure there is no MTBF but a lower end, which is said.

    Raises
    ------
    InputError
        No seconds of any of the categories; a category is not known; times are not in order.
    """
    found = reliability(
        seconds_of(data, seconds, own, slot, wanted=categories),
        categories=tuple(categories),
        merge=merge,
        confidence=confidence,
    )
    none = [str(name) for name, count in zip(data["asset"].values, found["failures"].values, strict=True) if not count]
    if none:
        remark(f"reliability: no failure of {', '.join(none)}: there is no MTBF, only its lower end")
    return data.assign(
        {
            name: ("asset", found[name].values, _attrs(units, label) | {"farm": found[f"farm_{name}"].item()})
            for name, (units, label) in RELIABILITY.items()
        }
    )


@step("loss_waterfall")
def loss_waterfall_fields(
    data: xr.Dataset,
    *,
    price: Annotated[float, Field(ge=0)] | str | None = None,
    currency: str = "EUR",
    limit: str | None = None,
    stopped_is_zero: bool = False,
    seconds: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
    slot: DurationText | None = None,
    expected: str = "expected_power",
    power: str = "power_output",
    output_field: str = "loss_waterfall",
) -> xr.Dataset:
    """From the energy that was possible to that which was made, one bar for each loss; it closes exactly.

    The bars are ``potential``, the categories in which a turbine stood, ``derating``, ``curtailment``, ``performance``,
    ``actual``. See :func:`~workbench.analytics.wind.losses.loss_waterfall`.

    Parameters
    ----------
    data
        dims (time, asset), with the fields of ``availability_categories`` and an expectation such as that of
        ``power_curve_comparison``.
    price
        [currency/MWh], or the field that has it.
    limit
        Field with the most power that was allowed [kW], such as ``curtailment_level`` of ``curtailment_detection``: what it
        explains is ``curtailment``.
    stopped_is_zero
        Whether a slot without power, all of which the turbine stood, made nothing; it is left out if not.
    seconds, own, slot
        As for ``reliability``.
    expected, power
        Fields [kW], or in the unit that they name.
    output_field
        What the energy is called.

    Returns
    -------
    The data with ``output_field`` [kWh], losses below zero, ``_level`` [kWh] after the bar, ``_share`` of the potential
    [1], with a price ``_value`` [currency]; dims (asset, ``<output_field>_bar``). Energies of turbines may be added up.

    Raises
    ------
    InputError
        There are no seconds of any category; a field is not there.
    """
    stacked = seconds_of(data, seconds, own, slot)
    could, made = (_kilowatts(data, name) for name in (expected, power))
    losses = energy_losses(
        stacked,
        made,
        could,
        price=variable_of(data, price).load() if isinstance(price, str) else price,
        currency=currency,
        limit=_kilowatts(data, limit) if limit is not None else None,
        stopped_is_zero=stopped_is_zero,
    )
    bars = list(map(str, loss_waterfall(losses).index))
    names = [name for name in ("energy", "share", "value") if name != "value" or price is not None]
    table = {name: np.zeros((data.sizes["asset"], len(bars))) for name in names}
    for row in range(data.sizes["asset"]):
        one = loss_waterfall(losses.isel(asset=[row])).reindex(bars)  # a turbine may lack the bar of curtailment
        for name in names:
            table[name][row] = one[name].fillna(0.0).to_numpy() + 0.0  # no -0
    level = np.cumsum(table["energy"][:, :-1], axis=1)
    dim = f"{output_field}_bar"
    dims = ("asset", dim)
    fields = {
        output_field: (dims, table["energy"], _attrs("kWh", "energy, losses below zero")),
        f"{output_field}_level": (
            dims,
            np.column_stack([level, table["energy"][:, -1:]]),
            _attrs("kWh", "energy that is left"),
        ),
        f"{output_field}_share": (dims, table["share"], _attrs("1", "share of the energy that was possible")),
    }
    if price is not None:
        fields[f"{output_field}_value"] = (dims, table["value"], _attrs(currency, "value of the bar"))
    return data.assign(fields).assign_coords({dim: np.array(bars, dtype=object)})


def seconds_of(
    data: xr.Dataset,
    seconds: Mapping[str, str] | None,
    own: Mapping[str, str] | None,
    slot: str | None,
    *,
    wanted: Sequence[str] = (),
) -> xr.Dataset:
    """The fields of categories as one Dataset, see :func:`~workbench.analytics.wind.category_seconds.stack`.

    Slots between the first and the last that are not in the data are unknown.

    Parameters
    ----------
    wanted
        Categories of which at least one must be told.
    """
    given = dict(own or {})
    table = CategoryTable.load({"own": given})
    table.check([*(seconds or {}), *wanted], "seconds" if seconds else "categories")
    known = dict.fromkeys([*CATEGORIES, *given])
    fields = dict(seconds or {name: name + SUFFIX for name in known if name + SUFFIX in data})
    if not fields:
        raise InputError(
            "there are no seconds of any category",
            where="seconds",
            expected="fields such as available_seconds",
            hint="the step availability_categories makes them; or name yours in `seconds`",
        )
    if wanted and not any(name in wanted or table.parent(name) in wanted for name in fields):
        raise InputError(
            "no source tells of these categories",
            where="categories",
            found=", ".join(wanted),
            expected=f"of {', '.join(name for name in fields if name != 'unknown')}",
        )
    length = float(slot_length(data) / np.timedelta64(1, "s")) if slot is None else parse_duration(slot).ns / SECOND
    claims = {name: variable_of(data, field).load().astype(np.float64) for name, field in fields.items()}
    claims = {name: each.clip(min=0.0) for name, each in _without_gaps(data, claims, length).items()}
    return stack(share_out(claims, length, table), length, table, {})


def _without_gaps(data: xr.Dataset, claims: Mapping[str, xr.DataArray], length: float) -> dict[str, xr.DataArray]:
    """``claims`` with the slots that are missing in between, of which nothing is claimed."""
    times = rising_times(data["time"])
    step_ = round(length * SECOND)
    if len(times) < 2 or ((times - times[0]) % step_).any():
        return dict(claims)
    count = int((times[-1] - times[0]) // step_) + 1
    if count == len(times):
        return dict(claims)
    remark(f"{count - len(times)} slots are missing in the data: nothing is known of that time")
    whole = (times[0] + np.arange(count) * step_).astype("datetime64[ns]")
    return {name: each.reindex(time=whole) for name, each in claims.items()}


def _kilowatts(data: xr.Dataset, name: str) -> xr.DataArray:
    values = variable_of(data, name).load().astype(np.float64)
    unit = str(values.attrs.get("units") or "kW")
    return convert(values.assign_attrs(units=unit), unit, "kW")


def _attrs(units: str, label: str) -> dict[str, object]:
    return {"units": units, "long_name": label}
