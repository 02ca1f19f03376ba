"""Steps of pipelines: categories and losses of each slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.availability import production_state
from workbench.analytics.wind.categories import CATEGORIES, CategoryTable
from workbench.analytics.wind.category_seconds import SECOND, fill, share_out, status_attrs, status_codes
from workbench.analytics.wind.category_sources import TOO_LONG, counters_in_seconds, production_claims, status_claims
from workbench.model.errors import InputError
from workbench.model.keys import DurationText
from workbench.model.time import parse_duration
from workbench.model.units import convert
from workbench.steps import step

SUFFIX = "_seconds"
_STEP = "availability_categories"


@step(_STEP)
def availability_categories(
    data: xr.Dataset,
    *,
    counters: Mapping[str, str] | None = None,
    status: str | None = None,
    codes: Mapping[Any, str] | None = None,
    by_production: bool = False,
    first: Sequence[str] = (),
    own: Mapping[str, str] | None = None,
    cut_in: float = 3.5,
    cut_out: float = 25.0,
    output_field: str = "information_category",
    slot: DurationText | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Seconds of each slot in each information category of IEC 61400-26-1, which sum to the slot.

    Of the sources that are named the first tells; what it does not know the next fills: ``counters`` of seconds, a
    ``status`` field of codes, and with ``by_production`` wind and power. What none knows is ``unknown``. Slots that are not
    in the data at all are in none; :func:`~workbench.analytics.wind.category_sources.from_counters` adds them, and counts
    what does not fit.

    Parameters
    ----------
    data
        dims (time, asset). Lazy data stay lazy.
    counters
        Field [s] to category. Where they overlap, the category of higher priority takes its seconds first.
    status, codes
        Field of codes, one for each slot, and code to category; the vocabulary's ``availability_status`` if no codes are
        given.
    by_production
        A turbine that stands in sufficient wind is ``unavailable``, else it is ``available``.
    first
        Categories that go before all others, in this order; then follow those of
        :class:`~workbench.analytics.wind.categories.CategoryTable`.
    own
        Categories of one's own, and which of the standard each belongs to.
    cut_in, cut_out
        Of the turbine [m/s], for ``by_production``.
    slot
        Length of the slots, an ISO 8601 duration; the data's cadence if left out.

    Returns
    -------
    The data with ``<category>_seconds`` [s] for each category a source can give and for ``unknown``, and ``output_field``,
    the category that most of the slot was in, as codes of ``availability_status``.

    Raises
    ------
    InputError
        No source is named; a category is not known.

    References
    ----------
    IEC 61400-26-1:2019, Availability for wind energy generation systems.
    """
    given: dict[str, Any] = {"own": dict(own or {})}
    table = CategoryTable.load(given | ({"first": list(first)} if first else {}))
    length = _slot_seconds(data, slot)
    sources: list[dict[str, xr.DataArray]] = []
    if counters:
        sources.append(
            share_out(_by_category(counters_in_seconds(data, counters, table), counters, length), length, table)
        )
    if status is not None:
        sources.append(share_out(status_claims(variable_of(data, status), codes, length, table), length, table))
    if by_production:
        state = production_state(data, cut_in=cut_in, cut_out=cut_out, wind_speed=wind_speed, power=power)
        sources.append(share_out(production_claims(state, length, table), length, table))
    if not sources:
        raise InputError(
            "no source of categories is named", where=_STEP, expected="counters, status or by_production: true"
        )
    seconds = sources[0]
    for other in sources[1:]:
        seconds = fill(seconds, other)
    made = {
        name + SUFFIX: each.transpose("time", "asset").assign_attrs(
            units="s", long_name=f"time {name}".replace("_", " ")
        )
        for name, each in seconds.items()
    }
    return data.assign(made | {output_field: _most(seconds, table)})


def _by_category(
    values: Mapping[str, xr.DataArray], counters: Mapping[str, str], slot: float
) -> dict[str, xr.DataArray]:
    """Claims of each category; negative and impossible counters are missing, those beyond the slot are cut to it."""
    found: dict[str, xr.DataArray] = {}
    for name, each in values.items():
        claim = each.where((each >= 0) & (each <= TOO_LONG * slot)).fillna(0.0).clip(max=slot)
        category = counters[name]
        found[category] = found[category] + claim if category in found else claim
    return found


def _most(seconds: Mapping[str, xr.DataArray], table: CategoryTable) -> xr.DataArray:
    """Code of the category with most seconds; of equals, the one of higher priority."""
    codes = status_codes()
    order = [name for name in table.priority if name in seconds]
    best = seconds[order[0]]
    code = xr.zeros_like(best, dtype=np.int8) + np.int8(codes[table.parent(order[0])])
    for name in order[1:]:
        more = seconds[name] > best
        code = code.where(~more, np.int8(codes[table.parent(name)]))
        best = xr.ufuncs.maximum(best, seconds[name])
    return code.astype(np.int8).transpose("time", "asset").drop_attrs(deep=False).assign_attrs(status_attrs())


@step("energy_losses")
def energy_losses(
    data: xr.Dataset,
    *,
    seconds: Mapping[str, str] | None = None,
    producing: Sequence[str] = ("available", "partially_available", "unknown"),
    price: Annotated[float, Field(ge=0)] | str | None = None,
    currency: str = "EUR",
    slot: DurationText | None = None,
    expected: str = "expected_power",
    power: str = "power_output",
) -> xr.Dataset:
    """Energy of each slot that was possible, and what each information category lost of it.

    The potential energy of a slot is divided by the seconds of the categories. What was made belongs to those in which a
    turbine produces; what was drawn, to the others. The losses sum to potential less actual energy, whatever their sign.
    A slot of which the power or the expectation is missing has none.

    Parameters
    ----------
    data
        dims (time, asset), with the fields of ``availability_categories`` and an expectation such as that of
        ``power_curve_comparison``. Lazy data stay lazy.
    seconds
        Category to its field [s]; the fields ``<category>_seconds`` if left out.
    producing
        Categories in which a turbine produces.
    price
        [currency/MWh], or the field that has it.
    slot
        Length of the slots, an ISO 8601 duration; the data's cadence if left out.
    expected, power
        Fields [kW], or in the unit that they name.

    Returns
    -------
    The data with ``potential_energy``, ``lost_energy`` and ``lost_energy_<category>`` [kWh]; with a price ``lost_value``
    [currency]. Lost while ``available`` is what performance and unknown limits lost.

    Raises
    ------
    InputError
        There are no seconds of any category.

    References
    ----------
    IEC 61400-26-1:2019, Availability for wind energy generation systems.
    """
    fields = dict(seconds or {name: name + SUFFIX for name in CATEGORIES if name + SUFFIX in data})
    if not fields:
        raise InputError(
            "there are no seconds of any category",
            where="energy_losses",
            expected="fields such as available_seconds",
            hint="the step availability_categories makes them; or name yours in `seconds`",
        )
    hours = _slot_seconds(data, slot) / 3600.0
    could, made = (_kilowatts(data, name) * hours for name in (expected, power))
    parts = {name: variable_of(data, field).astype(np.float64).fillna(0.0) for name, field in fields.items()}
    total = _sum(list(parts.values()))
    total = total.where(total > 0)
    serving = [parts[name] for name in parts if name in producing]
    produces = _sum(serving) if serving else total * 0.0
    stands = total - produces
    known = made.notnull() & could.notnull() & total.notnull()
    could, lost = could.where(known), (could - made).where(known)
    result = {
        "potential_energy": (could, "kWh", "energy that was possible"),
        "lost_energy": (lost, "kWh", "energy lost"),
    }
    for name, part in parts.items():
        serves = name in producing
        group, others = (produces, stands) if serves else (stands, produces)
        elsewhere = (part / total).where(others <= 0, 0.0)  # to all, where there is no category that it belongs to
        share = (part / group.where(group > 0)).where((made >= 0) == serves, elsewhere)
        mine = could * (part / total) - made * share.fillna(0.0)
        result[f"lost_energy_{name}"] = (mine.where(known), "kWh", f"energy lost, {name}".replace("_", " "))
    if price is not None:
        each = variable_of(data, price).astype(np.float64) if isinstance(price, str) else price
        result["lost_value"] = (lost / 1000.0 * each, currency, "value of the energy lost")
    return data.assign(
        {
            name: array.transpose("time", "asset").drop_attrs(deep=False).assign_attrs(units=unit, long_name=label)
            for name, (array, unit, label) in result.items()
        }
    )


def _slot_seconds(data: xr.Dataset, slot: str | None) -> float:
    return float(slot_length(data) / np.timedelta64(1, "s")) if slot is None else parse_duration(slot).ns / SECOND


def _kilowatts(data: xr.Dataset, name: str) -> xr.DataArray:
    values = variable_of(data, name).astype(np.float64)
    unit = str(values.attrs.get("units") or "kW")
    return convert(values.assign_attrs(units=unit), unit, "kW").drop_attrs(deep=False)


def _sum(arrays: Sequence[xr.DataArray]) -> xr.DataArray:
    found = arrays[0]
    for each in arrays[1:]:
        found = found + each
    return found
