"""Energy that a solar plant loses on the way from the irradiance to the meter, by cause, so that it closes slot by slot.

The way begins at irradiance in the plane × rating at standard test conditions. Each cause in its turn takes the level down to what
was possible with it; what the last level and the energy made differ by is *unexplained*, of either sign. So the losses sum to
potential less actual in every slot, and in every sum of slots, inverters and plants. The order matters, as a later loss is one of
what earlier ones left:

1. on the DC side, as shares of what is left: ``reflection``, ``spectral``, ``temperature`` (with the module's efficiency in low light,
   where a module is named), ``soiling``, ``snow``, ``shading``, ``dc_wiring`` (with mismatch), then energies that others found: ``string``,
   ``tracker``, ``mppt``;
2. ``inverter``: by the measured ratio of AC to DC power where the inverter works, else by its model; ``clipping``: above its rating;
3. what keeps an inverter from making anything, one to a slot: ``grid_outage``, ``downtime``, ``communication`` (nothing is recorded and
   no counter tells; the energy was probably made);
4. ``curtailment``: above the limit that was set; ``own_use``: drawn from the grid; ``unexplained``.

A gap in the record over which the energy counter went on is no loss: what the counter made of it is the actual energy, shared out over the
slots by irradiance. A gap over which it stood still was downtime.

References
----------
.. [1] IEC 61724-1:2021 and IEC TS 61724-3:2016, of what a plant's losses are made up.
.. [2] B. Marion et al., "Measured and modeled photovoltaic system energy losses from snow for Colorado and Wisconsin locations", Solar
   Energy 97, 2013, https://doi.org/10.1016/j.solener.2013.07.029 (``snow`` from the depth of the snow).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.array_facts import array_facts
from workbench.analytics.solar.checks import check_plant, check_power
from workbench.analytics.solar.counter_gaps import counted
from workbench.analytics.solar.plant_model import Block, Options, PlantModel
from workbench.analytics.solar.weather import Columns, columns_of
from workbench.model.errors import InputError
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: In their order.
CATEGORIES = (
    "reflection", "spectral", "temperature", "soiling", "snow", "shading", "dc_wiring", "string", "tracker", "mppt", "inverter",
    "clipping", "grid_outage", "downtime", "communication", "curtailment", "own_use", "unexplained",
)  # fmt: skip
#: Share of what is left that a field tells: category, field, whether it is the share that remains.
SHARES: Mapping[str, tuple[str, bool]] = {
    "soiling": ("soiling_ratio", True),
    "snow": ("snow_cover", False),
    "shading": ("shading_share", False),
}
#: Categories whose energies others may have found, in fields ``<category>_loss`` [kWh] of each slot, on the DC side.
FOUND = ("snow", "shading", "string", "tracker", "mppt")
SNOW_DEPTH = "snow_depth"
STATES = ("operating_state", "grid_connection", "availability_status", "active_power_curtailment")
_DOWN: Mapping[str, tuple[str, ...]] = {
    "operating_state": ("off", "fault", "maintenance", "shutting_down", "emergency_stop"),
    "availability_status": (
        "unavailable", "technical_standby", "environmental_standby", "requested_shutdown", "scheduled_maintenance",
        "planned_corrective_action", "forced_outage", "suspended", "force_majeure",
    ),
}  # fmt: skip
_NO_GRID: Mapping[str, tuple[str, ...]] = {
    "grid_connection": ("tripped", "islanded"),
    "availability_status": ("grid_outage",),
}
#: Without states an inverter stands that makes less than the first of its rating where more than the second was possible.
_NOTHING, _SOMETHING = 0.005, 0.05
#: Shares of its DC input that an inverter may be measured to deliver, and the load from which on that is taken.
_EFFICIENCY, _LOADED = (0.7, 1.0), 0.02
_FREE = 0.999  #: a set point above this share of the rating is no limit


@dataclass(frozen=True)
class Fields:
    """What the losses are told by; columns over the whole time."""

    power: Columns
    dc: Columns | None
    limit: Columns | None
    clipping: Columns | None
    shares: Mapping[str, Columns]
    energies: Mapping[str, Columns]
    states: Mapping[str, Columns]
    counted: Floats | None  #: energy of slots without a record, by the counter [kWh]
    stood: Bools | None  #: of those, where the counter stood still


@dataclass(frozen=True)
class SlotLosses:
    """Energies [kWh] of some slots, (time, asset); NaN where potential or actual is not known."""

    potential: Floats
    actual: Floats
    lost: Mapping[str, Floats]
    expected: Floats  #: AC that the model expects, before losses that are not of the model


def categories_of(
    known: Sequence[str], losses: Mapping[str, str] | None = None, *, spectral: bool = False
) -> list[str]:
    """Categories that data with the fields ``known`` tell, in their order; of the others there is nothing to say."""
    optional = {
        "spectral": spectral,
        "soiling": SHARES["soiling"][0] in known,
        "snow": SHARES["snow"][0] in known or SNOW_DEPTH in known,
        "shading": SHARES["shading"][0] in known,
        "grid_outage": bool(set(_NO_GRID) & set(known)),
    }
    for name in FOUND:
        optional[name] = optional.get(name, False) or f"{name}_loss" in known or name in (losses or {})
    return [name for name in CATEGORIES if optional.get(name, True)]


class LossModel:
    """Losses of ``data``, block by block."""

    def __init__(
        self,
        data: xr.Dataset,
        *,
        facts: Mapping[str, float | str | bool] | None = None,
        module: str | Mapping[str, float] | None = None,
        inverter: str | Mapping[str, float] | None = None,
        options: Options | None = None,
        power: str = "total_ac_power",
        dc_power: str = "total_dc_power",
        limit: str = "power_setpoint",
        counter: str = "energy_lifetime",
        losses: Mapping[str, str] | None = None,
    ) -> None:
        check_plant(data)
        options = options or Options()
        self.shape = (data.sizes["time"], data.sizes["asset"])
        self.hours = float(slot_length(data) / np.timedelta64(3_600_000_000_000, "ns"))
        known = array_facts(data, facts, module=module, inverter=inverter)
        self.model = PlantModel(data, known, options)
        self.rated = known["rated_capacity"]
        self.categories = categories_of(
            [str(name) for name in data.data_vars], losses, spectral=options.spectral != "none"
        )
        for name in losses or {}:
            if name not in FOUND:
                raise InputError(
                    "no energy of others is taken for this", where=f"losses.{name}", expected=", ".join(FOUND)
                )
        self.fields = self._fields(data, power, dc_power, limit, counter, dict(losses or {}))

    def _fields(
        self, data: xr.Dataset, power: str, dc_power: str, limit: str, counter: str, losses: dict[str, str]
    ) -> Fields:
        made = _needed(data, power)
        check_power(data, power, self.rated)
        if dc_power in data:
            check_power(data, dc_power, self.model.facts["dc_capacity"])
        energies = {}
        for name in FOUND:
            field = losses.get(name, f"{name}_loss")
            if name in losses or field in data:
                energies[name] = _needed(data, field)
        shares = {name: _needed(data, field) for name, (field, _) in SHARES.items() if field in data}
        if SNOW_DEPTH in data and "snow" not in shares and "snow" not in energies:
            shares["snow"] = _snow(data, self.model)
        told, stood = (None, None)
        if counter in data:
            light = next(one for one in (self.model.poa, self.model.ghi, self.model.satellite) if one is not None)
            told, stood = counted(_needed(data, counter), made, light, self.rated, self.hours)
        return Fields(
            made,
            columns_of(data, dc_power),
            columns_of(data, limit),
            columns_of(data, f"{power}_clipping"),
            shares,
            energies,
            {name: _needed(data, name) for name in STATES if name in data},
            told,
            stood,
        )

    def block(self, part: slice) -> SlotLosses:
        """Losses of the slots of ``part``."""
        found = self.model.block(part)
        hours, rated = self.hours, self.rated
        potential = found.poa / 1000.0 * self.model.facts["dc_capacity"] * hours
        lost: dict[str, Floats] = {}
        level = self._modules(part, found, potential, lost)
        made, recorded, still = self._made(part)
        efficiency = self._efficiency(part, level, made, found.efficiency)
        lost["inverter"] = level * (1.0 - efficiency)
        level = level - lost["inverter"]
        lost["clipping"] = np.maximum(level - rated * hours, 0.0)
        level = level - lost["clipping"]
        expected = found.ac * hours
        drawn = np.maximum(-made, 0.0)
        fed = made + drawn
        rest = level - fed
        ordered, most = self._ordered(part, fed)
        grid, down = self._standing(part, level, fed, ordered, most, still)
        for name, where in (("grid_outage", grid), ("downtime", down), ("communication", ~recorded)):
            if name in self.categories:
                lost[name] = np.where(where, rest, 0.0)
                rest = rest - lost[name]
        lost["curtailment"] = np.where(ordered, np.clip(rest, 0.0, np.maximum(level - most, 0.0)), 0.0)
        rest = rest - lost["curtailment"]
        if self.fields.clipping is not None:
            flagged = np.nan_to_num(self.fields.clipping.block(part)) > 0
            clipped = np.where(flagged, np.maximum(rest, 0.0), 0.0)
            lost["clipping"] = lost["clipping"] + clipped
            rest = rest - clipped
        lost["own_use"] = drawn
        # what is left over, and not what was put together: so that it closes to the last bit of a sum
        total = sum((lost[name] for name in self.categories if name in lost), start=np.zeros(level.shape))
        lost["unexplained"] = potential - made - total
        known = np.isfinite(lost["unexplained"])
        return SlotLosses(np.where(known, potential, np.nan), np.where(known, made, np.nan), lost, expected)

    def _modules(self, part: slice, found: Block, potential: Floats, lost: dict[str, Floats]) -> Floats:
        """DC energy that is left when modules and wiring took their losses, which are put into ``lost``."""
        level = potential
        remains: dict[str, Floats] = {
            "reflection": found.reflection,
            "spectral": found.spectral,
            "temperature": found.conversion,
        }
        for name, columns in self.fields.shares.items():
            share = columns.block(part)
            share = np.where(np.isfinite(share), share if SHARES[name][1] else 1.0 - share, 1.0)
            remains[name] = np.clip(share, 0.0, 1.0)
        remains["dc_wiring"] = np.broadcast_to(1.0 - self.model.facts["dc_loss_share"], level.shape)
        for name in CATEGORIES[: CATEGORIES.index("inverter")]:
            if name not in self.categories:
                continue
            taken = np.zeros(level.shape) if name not in remains else level * (1.0 - remains[name])
            if name in self.fields.energies:
                energy = np.nan_to_num(self.fields.energies[name].block(part))
                taken = taken + np.clip(energy, 0.0, np.maximum(level - taken, 0.0))
            lost[name] = taken
            level = level - taken
        return level

    def _made(self, part: slice) -> tuple[Floats, Bools, Bools]:
        """Energy made [kWh], where it is recorded or counted, and where the counter stood still."""
        made = self.fields.power.block(part) * self.hours
        recorded = np.isfinite(made)
        still = np.zeros(made.shape, bool)
        if self.fields.counted is not None and self.fields.stood is not None:
            told = ~recorded & np.isfinite(self.fields.counted[part])
            made = np.where(told, self.fields.counted[part], made)
            still = told & self.fields.stood[part]
            recorded = recorded | told
        return np.where(recorded, made, 0.0), recorded, still

    def _efficiency(self, part: slice, level: Floats, made: Floats, modelled: Floats) -> Floats:
        """AC over DC: measured where the inverter is loaded, else modelled [1]."""
        if self.fields.dc is None:
            return modelled
        put_in = self.fields.dc.block(part) * self.hours
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = made / put_in
        low, high = _EFFICIENCY
        loaded = (put_in > _LOADED * self.rated * self.hours) & (ratio >= low) & (ratio <= high)
        return np.where(loaded, ratio, modelled)

    def _ordered(self, part: slice, fed: Floats) -> tuple[Bools, Floats]:
        """Where the power was limited by an order, and the energy that was allowed [kWh]."""
        most = np.full(fed.shape, np.inf)
        ordered = np.zeros(fed.shape, bool)
        if self.fields.limit is not None:
            limit = np.maximum(self.fields.limit.block(part), 0.0)
            ordered = limit < _FREE * self.rated
            most = np.where(ordered, limit * self.hours, most)
        if "active_power_curtailment" in self.fields.states:
            flagged = self._in(part, "active_power_curtailment", ("active",))
            # by a flag alone nobody knows how much was allowed: what was made
            most = np.where(flagged & ~ordered, fed, most)
            ordered = ordered | flagged
        return ordered, most

    def _standing(
        self, part: slice, level: Floats, fed: Floats, ordered: Bools, most: Floats, still: Bools
    ) -> tuple[Bools, Bools]:
        """Where there was no grid, and where the inverter stood of itself."""
        grid, down = np.zeros(fed.shape, bool), np.zeros(fed.shape, bool)
        for states, found in ((_NO_GRID, grid), (_DOWN, down)):
            for name, which in states.items():
                if name in self.fields.states:
                    found |= self._in(part, name, which)
        # a trip that the inverter's own fault explains is its own
        grid &= ~down
        full = self.rated * self.hours
        idle = (fed < _NOTHING * full) & (level > _SOMETHING * full) & ~(ordered & (most < _SOMETHING * full))
        recorded = np.isfinite(self.fields.power.block(part))
        down |= (idle & recorded & ~grid) | still
        # what is lost while it stands, not what a state says of a slot in which it made all
        short = (level > fed) & np.isfinite(level)
        return grid & short & (recorded | still), down & short & (recorded | still)

    def _in(self, part: slice, name: str, states: tuple[str, ...]) -> Bools:
        codes = vocabulary()[name].states or {}
        return np.isin(self.fields.states[name].block(part), [codes[one] for one in states])


def _needed(data: xr.Dataset, name: str) -> Columns:
    found = columns_of(data, name)
    if found is None:
        variable_of(data, name)  # says which are there
        raise InputError("no such field", where=name)
    return found


def _snow(data: xr.Dataset, model: PlantModel) -> Columns:
    """Share of the modules under snow, by Marion's model [2]_ of pvlib, from the depth of the snow [m]."""
    import pandas as pd
    import pvlib

    depth = _needed(data, SNOW_DEPTH)
    air = model.air
    light = next((one for one in (model.poa, model.ghi, model.satellite) if one is not None), None)
    if air is None or light is None or not np.isfinite(model.facts["tilt"]).any():
        remark(f"{SNOW_DEPTH} alone does not tell what lies on the modules: it takes air temperature and tilt")
        return Columns("snow_cover", np.zeros((data.sizes["time"], 1)), np.zeros(data.sizes["asset"], np.intp))
    keys = np.column_stack([depth.of, light.of, air.of, np.nan_to_num(np.round(model.facts["tilt"]))])
    combinations, of = np.unique(keys, axis=0, return_inverse=True)
    index = pd.DatetimeIndex(data["time"].values)
    hourly = index.floor("h")
    rows = []
    for first, second, third, tilt in combinations:
        frame = pd.DataFrame(
            {
                "depth": depth.values[:, int(first)] * 100.0,
                "poa": light.values[:, int(second)],
                "air": air.values[:, int(third)],
            },
            index=index,
            dtype=np.float64,
        )
        means = frame.groupby(hourly).mean().asfreq("h").ffill()
        fallen = means["depth"].diff().clip(lower=0).fillna(0.0)
        cover = pvlib.snow.coverage_nrel(
            fallen,
            means["poa"].fillna(0.0),
            means["air"].ffill().fillna(10.0),
            tilt,
            snow_depth=means["depth"].fillna(0.0),
        )
        rows.append(cover.reindex(hourly).to_numpy(np.float64))
    return Columns("snow_cover", np.stack(rows, axis=1), of.reshape(-1))
