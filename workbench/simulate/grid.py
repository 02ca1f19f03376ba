"""The grid at the point of connection: frequency, voltage, and the revenue meter of the plant.

References
----------
.. [1] Schäfer et al., "Non-Gaussian power grid frequency fluctuations", Nature Energy 3, 2018: correlated
   noise around nominal with standard deviations of 15 to 20 mHz, with rarer large events.
.. [2] NERC BAL-003: frequency after the loss of a large unit: fall in seconds, recovery in minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock, State, count_up, today, today_state
from workbench.simulate.facts import number, years_in_service
from workbench.simulate.noise import Floats, LatticeNoise, White, key_of, octave_variances, red, uniform

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site

DEVIATION = 0.017  #: standard deviation of the frequency [Hz]
_SPACINGS = 1.0 * 2.0 ** np.arange(11)  # 1 s to 17 min
_WINDOW = 4 * 3600.0  #: in each window of this length [s] an event happens with probability
_CHANCE = 0.45
_LOSS_FIXED, _LOSS_LOAD = 0.0012, 0.0085  #: of the plant's transformer, over its rating
_CABLES = 0.008  #: losses of the collector network at full load


@dataclass(frozen=True)
class GridState:
    """The grid at [T] instants."""

    frequency: Floats  #: [Hz]
    voltage: Floats  #: over nominal [1]
    rocof: Floats  #: rate of change of frequency [Hz/s]


class Grid:
    """Frequency and voltage as functions of time."""

    def __init__(self, nominal: float, seed: int, name: str) -> None:
        self.nominal = nominal
        self._frequency = LatticeNoise(
            seed, f"{name}/frequency", list(_SPACINGS), octave_variances(list(_SPACINGS), red(90.0))
        )
        slow = 8.0 * _SPACINGS
        self._voltage = LatticeNoise(seed, f"{name}/voltage", list(slow), octave_variances(list(slow), red(1500.0)))
        self._events = [key_of(seed, f"{name}/event {what}") for what in ("chance", "time", "depth", "sign")]

    def at(self, clock: Clock) -> GridState:
        """The grid at the instants of ``clock``."""
        t = clock.t
        both = self.deviation(np.concatenate((t, t - 0.5)))
        now, before = both[: len(t)], both[len(t) :]
        voltage = 1.0 + 0.008 * self._voltage.one(t) + 0.004 * np.sin(2 * np.pi * t / 86400.0)
        return GridState(self.nominal + now, voltage, (now - before) / 0.5)

    def deviation(self, t: Floats) -> Floats:
        """Frequency less nominal [Hz] at ``t`` [s since 1970]."""
        return np.asarray(DEVIATION * self._frequency.one(t) + self._excursion(t), dtype=np.float64)

    def _excursion(self, t: Floats) -> Floats:
        """What events (loss of a unit, seldom of a load) add [Hz]."""
        found = np.zeros_like(t)
        window = np.floor(t / _WINDOW).astype(np.int64)
        for k in range(int(window.min()) - 1, int(window.max()) + 1):
            at = np.array([k])
            if uniform(self._events[0], at)[0] > _CHANCE:
                continue
            begin = (k + uniform(self._events[1], at)[0]) * _WINDOW
            depth = 0.03 + 0.07 * uniform(self._events[2], at)[0] ** 2
            sign = 1.0 if uniform(self._events[3], at)[0] < 0.2 else -1.0
            s = np.maximum(t - begin, 0.0)
            # inertia lets it fall in seconds, primary control catches it, secondary brings it back
            shape = (1.0 - np.exp(-s / 3.0)) * (0.55 * np.exp(-s / 420.0) + 0.45 * np.exp(-s / 14.0))
            found += np.where(s > 0, sign * depth * 1.3 * shape, 0.0)
        return found


class Meter:
    """Revenue meters of a site: each sees the whole plant behind cables and transformer."""

    def __init__(self, site: Site, seed: int) -> None:
        self.assets: list[Asset] = site.of_type("grid_meter")
        self.ids = tuple(asset.id for asset in self.assets)
        self._capacity = np.array([asset.rated_capacity or site.capacity for asset in self.assets])
        self._nominal = np.array([number(asset, "nominal_voltage", 34_500.0) for asset in self.assets])
        self._solar = bool(site.of_type("inverter")) and not site.of_type("wind_turbine")
        n = len(self.ids)
        u = uniform(key_of(seed, f"{site.id}/meter"), np.arange(3 * n)).reshape(3, n) - 0.5
        self._phase = 1.0 + 0.004 * u
        self._noise = White(seed, f"{site.id}/meter noise", len(self.ids), 5)

    def start(self, ns: int) -> State:
        """A state to begin with: counters as they stand at ``ns``."""
        years = np.array([years_in_service(asset, ns) for asset in self.assets])
        exported = np.floor((0.22 if self._solar else 0.32) * self._capacity * 8766.0 * years)
        return {
            "export": exported,
            "import": np.floor(0.006 * exported),
            "q_export": np.floor(0.10 * exported),
            "q_import": np.floor(0.02 * exported),
            **today_state(exported, "export_today"),
        }

    def losses(self, power: Floats) -> Floats:
        """Losses [kW] of cables and transformer at ``power`` [T, M] [kW]: none-load, and with the square of load."""
        load = power / self._capacity
        return np.asarray(self._capacity * (_LOSS_FIXED + (_LOSS_LOAD + _CABLES) * load * load), dtype=np.float64)

    def step(
        self, clock: Clock, power: Floats, reactive: Floats, limit: Floats | None, grid: GridState, state: State
    ) -> dict[str, Floats]:
        """All variables, each [T, M].

        ``power`` [kW] and ``reactive`` [kvar] are the sums [T] of the assets behind the meters; ``limit`` [T] is
        the share of the capacity that an order of the grid operator leaves, None for none.
        """
        n = len(self.ids)
        column = np.ones((1, n))
        noise = self._noise.at(clock.second)
        total = power[:, None] * column
        active = total - self.losses(total)
        active = active + 2e-4 * self._capacity * noise[0]
        load = active / self._capacity
        # the transformer and the cables take reactive power, the more the higher the load
        q = reactive[:, None] * column - self._capacity * (0.012 + 0.09 * load * load)
        apparent = np.hypot(active, q)
        pu = grid.voltage[:, None] + 0.012 * load
        neutral = self._nominal / np.sqrt(3.0) * pu * self._phase[:, None, :] + 1e-4 * self._nominal * noise[1:4]
        current = apparent * 1e3 / 3.0 / neutral
        sums = neutral.mean(axis=0)
        per_hour = clock.dt / 3600.0
        exported, state["export"] = count_up(np.maximum(active, 0.0) * per_hour, state["export"])
        imported, state["import"] = count_up(np.maximum(-active, 0.0) * per_hour, state["import"])
        q_out, state["q_export"] = count_up(np.maximum(q, 0.0) * per_hour, state["q_export"])
        q_in, state["q_import"] = count_up(np.maximum(-q, 0.0) * per_hour, state["q_import"])
        day, _ = clock.local()
        left = np.ones((len(clock.ns), n)) if limit is None else limit[:, None] * column
        distortion = 1.2 + 0.8 * np.abs(load) + 0.05 * noise[4]
        names = ("l1", "l2", "l3")
        pairs = ("l1_l2", "l2_l3", "l3_l1")
        return {
            "active_power": active,
            "reactive_power": q,
            "apparent_power": apparent,
            "power_factor": np.clip(active / np.maximum(apparent, 1e-9), -1.0, 1.0),
            "grid_frequency": grid.frequency[:, None] * column,
            "rate_of_change_of_frequency": grid.rocof[:, None] * column,
            **{f"voltage_{name}": neutral[k] for k, name in enumerate(names)},
            **{
                f"voltage_{name}": np.sqrt(3.0) / 2 * (neutral[k] + neutral[(k + 1) % 3])
                for k, name in enumerate(pairs)
            },
            **{f"current_{name}": current[k] for k, name in enumerate(names)},
            "voltage_unbalance": 100.0 * np.abs(neutral - sums).max(axis=0) / sums,
            "voltage_level": np.sqrt(3.0) * sums / 1e3,
            "total_harmonic_distortion": distortion,
            "voltage_harmonic_distortion": 0.8 * distortion,
            "harmonic_3": 0.25 * distortion,
            "harmonic_5": 0.60 * distortion,
            "harmonic_7": 0.42 * distortion,
            "harmonic_11": 0.20 * distortion,
            "harmonic_13": 0.15 * distortion,
            "energy_export": exported,
            "energy_import": imported,
            "energy_export_today": today(exported, day, state, "export_today"),
            "reactive_energy_export": q_out,
            "reactive_energy_import": q_in,
            "breaker_status": np.full_like(active, code("breaker_status", "closed")),
            "curtailment_limit": left * self._capacity,
            "curtailment_order": np.where(
                left < 1.0, code("curtailment_order", "active"), code("curtailment_order", "none")
            ),
        }
