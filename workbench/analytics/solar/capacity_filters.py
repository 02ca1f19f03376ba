"""Which slots a capacity test uses: each filter by itself, and how many slots it left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.solar.clipping import clipped_values
from workbench.analytics.solar.rating import coordinate, day_numbers
from workbench.model.errors import InputError
from workbench.steps import remark

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Filters:
    """Bounds of usable slots.

    Attributes
    ----------
    irradiance
        [W/m²], from and to; ASTM E2848 has 400 W/m² and more.
    stability
        Most change of the irradiance to the slot before and after, as a share of it; None for no such filter.
    wind_speed
        Most [m/s]; ASTM E2848 has 15.
    clipping
        Whether slots at the limit of the inverter are left out: the field ``<power>_clipping`` where it is there, else
        found by :func:`.clipping.clipped_values`; and those above ``limit`` of ``rated_capacity``.
    limit
        Share of the AC rating.
    least_power
        Share of the median power by irradiance below which a slot is an outage, a shadow or a switch-on; 0 for no such filter.
    """

    irradiance: tuple[float, float] = (400.0, 1500.0)
    stability: float | None = 0.1
    wind_speed: float = 15.0
    clipping: bool = True
    limit: float = 0.98
    least_power: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.irradiance[0] < self.irradiance[1]:
            raise InputError("bounds out of order", where="filters.irradiance", found=list(self.irradiance))
        if self.stability is not None and not self.stability > 0:
            raise InputError("no bound", where="filters.stability", found=self.stability, expected="above 0, or null")


@dataclass(frozen=True)
class Rows:
    """Slots that are left."""

    fields: dict[str, Floats]  #: (time, asset)
    day: npt.NDArray[np.int64]  #: (time)
    use: Bools  #: (time, asset)
    names: list[str]
    counts: npt.NDArray[np.int64]  #: (filter, asset), left after each

    def of(self, column: int) -> dict[str, Floats]:
        """Fields of one asset in the slots used; ``day`` is the number of the local day."""
        use = self.use[:, column]
        return {name: values[use, column] for name, values in self.fields.items()} | {"day": self.day[use]}


def usable_rows(
    data: xr.Dataset, fields: dict[str, xr.DataArray], power: str, filters: Filters, hours: float, zone: str
) -> Rows:
    """Slots that pass all filters, in the order in which they are counted."""
    shape = (data.sizes["time"], data.sizes["asset"])
    arrays = {}
    for name, field in fields.items():
        values = np.asarray(field.transpose("time", ...).values, dtype=np.float64)
        arrays[name] = np.broadcast_to(values if values.ndim == 2 else values[:, None], shape)
    sun, made = arrays["irradiance"], arrays["power"]
    use = np.ones(shape, dtype=bool)
    names, counts = ["all"], [np.full(shape[1], shape[0])]

    def keep(name: str, where: Bools) -> None:
        use[:] &= where
        names.append(name)
        counts.append(use.sum(axis=0))

    keep("measured", np.logical_and.reduce([np.isfinite(values) for values in arrays.values()]))
    with np.errstate(invalid="ignore", divide="ignore"):
        keep("irradiance", (sun >= filters.irradiance[0]) & (sun <= filters.irradiance[1]))
        if filters.stability is not None:
            keep("stable irradiance", _stable(sun, data["time"].values, hours, filters.stability))
        if "wind" in arrays:
            keep("wind speed", arrays["wind"] <= filters.wind_speed)
        if filters.clipping:
            keep("clipping", ~_clipped(data, made, power, filters.limit))
        if "expected" in arrays:
            keep("expected power", arrays["expected"] > 0)
        if filters.least_power > 0:
            per = np.where(use, made / sun, np.nan)
            usual = np.array(
                [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else np.nan for column in per.T]
            )
            keep("outages and shadows", (made > 0) & (made >= filters.least_power * usual * sun))
    return Rows(arrays, day_numbers(data["time"].values, zone), use, names, np.array(counts, dtype=np.int64))


def _stable(sun: Floats, time: npt.NDArray[np.datetime64], hours: float, most: float) -> Bools:
    """Whether irradiance differs little from that of both neighbours, which are there."""
    close = np.zeros((len(sun) + 1, sun.shape[1]), dtype=bool)
    if len(sun) > 1:
        beside = np.diff(time) <= np.timedelta64(round(hours * 3600 * 1.5), "s")
        close[1:-1] = beside[:, None] & (np.abs(np.diff(sun, axis=0)) <= most * np.maximum(sun[1:], sun[:-1]))
    stable: Bools = close[:-1] & close[1:]
    return stable


def _clipped(data: xr.Dataset, made: Floats, power: str, limit: float) -> Bools:
    field = f"{power}_clipping"
    if field in data:
        at_limit = np.asarray(data[field].transpose("time", "asset").values) == 1
    else:
        at_limit = np.asarray(clipped_values(data, variable=power).transpose("time", "asset").values).astype(bool)
    rating = coordinate(data, "rated_capacity")
    if not np.isfinite(rating).all():
        remark("no rated_capacity: slots at the inverter's limit are told by their course alone")
    above: Bools = at_limit | (made >= limit * np.where(np.isfinite(rating), rating, np.inf))
    return above
