"""Availability by rules that can be read: which categories count, which do not, and what is forgiven.

    name: service contract
    available: [available, partially_available, technical_standby]
    unavailable: [forced_outage, planned_corrective_action, scheduled_maintenance, unavailable]
    excluded: [requested_shutdown, environmental_standby, grid_outage, suspended, force_majeure, unknown]
    grace:
      - {categories: [scheduled_maintenance], hours: 40, per: year, counts_as: available}

Time-based availability is hours available over hours available and unavailable. Production-based availability [1]_ is one
less the energy lost in unavailable time over the potential energy of available and unavailable time. Grace hours are used
up by each turbine in the order of time, anew each year (or month) of the site's clock.

References
----------
.. [1] IEC 61400-26-1:2019; production-based availability was IEC TS 61400-26-2:2014 before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from workbench.analytics.calendar import Step, grouped, sum_by
from workbench.analytics.plausible import plausible
from workbench.analytics.wind.availability import AVAILABLE, UNAVAILABLE
from workbench.analytics.wind.categories import CATEGORIES, IN_SERVICE, load_model
from workbench.analytics.wind.category_seconds import Floats
from workbench.analytics.wind.losses import slot_energies
from workbench.model.errors import BadValue, InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Class = Literal["available", "unavailable", "excluded"]
CLASSES: tuple[Class, ...] = ("available", "unavailable", "excluded")


class Grace(BaseModel):
    """Hours of some categories that count otherwise, for each turbine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    categories: tuple[str, ...] = Field(min_length=1)
    hours: Annotated[float, Field(ge=0)]
    per: Literal["year", "month", "all"] = "year"
    counts_as: Class = "available"


class AvailabilityRules(BaseModel):
    """A rule set. Categories of one's own count as what they belong to where it does not name them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "availability"
    available: tuple[str, ...]
    unavailable: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    grace: tuple[Grace, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> AvailabilityRules:
        named = [*self.available, *self.unavailable, *self.excluded]
        twice = sorted({one for one in named if named.count(one) > 1})
        lacking = [one for one in CATEGORIES if one not in named]
        if twice or lacking:
            raise BadValue(
                "each category counts as exactly one of available, unavailable and excluded",
                hint=f"missing: {', '.join(lacking) or 'none'}; twice: {', '.join(twice) or 'none'}",
            )
        graced = [one for each in self.grace for one in each.categories]
        if len(set(graced)) != len(graced):
            raise BadValue("a category has grace twice", hint="one rule for each category")
        return self

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any]) -> AvailabilityRules:
        """From a YAML file or a mapping; InputError with what is wrong in it, and where."""
        return load_model(cls, source)

    def class_of(self, category: str, parent: str) -> Class:
        """What a category counts as."""
        for name in (category, parent):
            for one in CLASSES:
                if name in getattr(self, one):
                    return one
        raise InputError("the rules do not name it", where=self.name, found=category)

    def frame(self) -> pd.DataFrame:
        """Category, what it counts as, and its grace, one to a row."""
        import pandas as pd

        rows = []
        for one in CLASSES:
            for name in getattr(self, one):
                said = [
                    f"first {each.hours:g} h per {each.per} and turbine: {each.counts_as}"
                    for each in self.grace
                    if name in each.categories
                ]
                rows.append((name, one, "; ".join(said)))
        return pd.DataFrame(rows, columns=["category", "counts_as", "grace"]).set_index("category")


#: The user's view: what is not in service is unavailable, whoever is the cause.
OPERATIONAL = AvailabilityRules(
    name="operational availability",
    available=IN_SERVICE,
    unavailable=tuple(one for one in CATEGORIES if one not in (*IN_SERVICE, "unknown")),
    excluded=("unknown",),
)
#: The machine's view, as :func:`~workbench.analytics.wind.availability.availability_by_status` has it: stops from outside
#: count as available, what is out of anyone's hands does not count.
TECHNICAL = AvailabilityRules(
    name="technical availability",
    available=AVAILABLE,
    unavailable=UNAVAILABLE,
    excluded=tuple(one for one in CATEGORIES if one not in (*AVAILABLE, *UNAVAILABLE)),
)


def time_availability(
    seconds: xr.Dataset, rules: AvailabilityRules = OPERATIONAL, *, by: Step | None = None, tz: str = "UTC"
) -> xr.Dataset:
    """Time-based availability.

    Parameters
    ----------
    seconds
        See :func:`~workbench.analytics.wind.category_seconds.stack`.
    by
        ``"day"``, ``"month"`` or ``"year"`` of the clock ``tz``; the whole time if left out.

    Returns
    -------
    xr.Dataset
        dims (asset), with ``by`` (period, asset): ``available_hours``, ``unavailable_hours``, ``excluded_hours`` and, of
        them, ``grace_hours`` [h]; ``availability`` [1], NaN where nothing counts; ``farm_availability`` [1] of the hours
        of all turbines together. Attributes: the rules.
    """
    group, labels = grouped(seconds["time"].values, seconds["slot_seconds"].values, by, tz)
    found = {name: np.zeros((len(labels), seconds.sizes["asset"])) for name in (*CLASSES, "grace")}
    for row, counts_as, part in _parts(seconds, rules, tz):
        values = seconds["seconds"].values[row]
        hours = sum_by(values if part is None else values * part, group, len(labels)) / 3600.0
        found[counts_as] += hours
        if part is not None and counts_as != _plain(seconds, rules, row):
            found["grace"] += hours
    both = found["available"] + found["unavailable"]
    return _result(
        seconds,
        rules,
        labels,
        by,
        {f"{name}_hours": (values, "h", f"time {name}") for name, values in found.items()},
        _ratio(found["available"], both),
        _ratio(found["available"].sum(axis=1), both.sum(axis=1)),
    )


def production_availability(
    seconds: xr.Dataset,
    power: xr.DataArray,
    potential: xr.DataArray,
    rules: AvailabilityRules = OPERATIONAL,
    *,
    by: Step | None = None,
    tz: str = "UTC",
) -> xr.Dataset:
    """Production-based availability: 1 - energy lost in unavailable time / potential energy of what counts.

    Parameters
    ----------
    power, potential
        dims (time, asset) [kW], on the slots of ``seconds``: see :func:`~workbench.analytics.wind.losses.energy_losses`.

    Returns
    -------
    xr.Dataset
        dims (asset), with ``by`` (period, asset): ``potential_energy`` of what counts and ``lost_energy`` of what is
        unavailable [kWh]; ``availability`` [1], NaN where no potential is known; ``farm_availability`` [1] of all turbines
        together. What is lost in available time is a matter of performance, not of availability.
    """
    group, labels = grouped(seconds["time"].values, seconds["slot_seconds"].values, by, tz)
    shape = (len(labels), seconds.sizes["asset"])
    could, lost = np.zeros(shape), np.zeros(shape)
    power, potential = (plausible(one, "power_output") for one in (power, potential))
    energies = slot_energies(seconds, power, potential)
    kept: tuple[int, Floats, Floats] = (-1, np.empty(0), np.empty(0))
    for row, counts_as, part in _parts(seconds, rules, tz):
        if counts_as == "excluded":
            continue
        if kept[0] != row:
            kept = (row, *energies.of(row))
        _, able, made = kept
        weight = 1.0 if part is None else part
        could += sum_by(able * weight, group, len(labels))
        if counts_as == "unavailable":
            lost += sum_by((able - made) * weight, group, len(labels))
    return _result(
        seconds,
        rules,
        labels,
        by,
        {
            "potential_energy": (could, "kWh", "potential energy of the time that counts"),
            "lost_energy": (lost, "kWh", "energy lost in unavailable time"),
        },
        1.0 - _ratio(lost, could),
        1.0 - _ratio(lost.sum(axis=1), could.sum(axis=1)),
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _plain(seconds: xr.Dataset, rules: AvailabilityRules, row: int) -> Class:
    return rules.class_of(str(seconds["category"].values[row]), str(seconds["parent"].values[row]))


def _parts(
    seconds: xr.Dataset, rules: AvailabilityRules, tz: str
) -> Iterator[tuple[int, Class, npt.NDArray[np.float64] | None]]:
    """Number of a category, what it counts as, and which part of each slot's seconds of it (None: all)."""
    names = [str(one) for one in seconds["category"].values]
    known = {*CATEGORIES, *names}
    for name in (
        *rules.available,
        *rules.unavailable,
        *rules.excluded,
        *(n for g in rules.grace for n in g.categories),
    ):
        if name not in known:
            raise InputError("no such category", where=rules.name, found=name, hint=did_you_mean(name, known))
    of_grace: dict[int, tuple[Class, npt.NDArray[np.float64]]] = {}
    for each in rules.grace:
        rows = [
            row
            for row, name in enumerate(names)
            if name in each.categories or str(seconds["parent"].values[row]) in each.categories
        ]
        if rows:
            part = _graced(seconds, rows, each, tz)
            of_grace |= dict.fromkeys(rows, (each.counts_as, part))
    for row in range(len(names)):
        plain = _plain(seconds, rules, row)
        if row not in of_grace:
            yield row, plain, None
            continue
        counts_as, part = of_grace[row]
        yield row, counts_as, part
        yield row, plain, 1.0 - part


def _graced(seconds: xr.Dataset, rows: list[int], grace: Grace, tz: str) -> npt.NDArray[np.float64]:
    """Part of each slot's seconds of the categories that the grace covers, (time, asset)."""
    used = seconds["seconds"].values[rows].sum(axis=0)
    step: Step | None = None if grace.per == "all" else grace.per
    group, labels = grouped(seconds["time"].values, seconds["slot_seconds"].values, step, tz)
    so_far = np.cumsum(used, axis=0)
    before = so_far - used
    for number in range(1, len(labels)):
        mine = group == number
        if mine.any():
            before[mine] -= before[mine][0]
    left = np.clip(grace.hours * 3600.0 - before, 0.0, used)
    part: Floats = np.divide(left, used, out=np.zeros_like(used), where=used > 0)
    return part


def _result(
    seconds: xr.Dataset,
    rules: AvailabilityRules,
    labels: Any,
    by: Step | None,
    sums: Mapping[str, tuple[Floats, str, str]],
    availability: Floats,
    farm: Floats,
) -> xr.Dataset:
    dims = ("period", "asset")
    found = xr.Dataset(
        {name: (dims, values, {"units": unit, "long_name": label}) for name, (values, unit, label) in sums.items()}
        | {
            "availability": (dims, availability, {"units": "1", "long_name": rules.name}),
            "farm_availability": ("period", farm, {"units": "1", "long_name": f"{rules.name} of all turbines"}),
        },
        coords={"period": np.array(labels, dtype="datetime64[ns]"), "asset": seconds["asset"].values},
        attrs={"rules": rules.model_dump_json()},
    )
    return found if by is not None else found.isel(period=0, drop=True)
