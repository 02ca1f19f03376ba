"""The DC side of inverters: inputs with a power point tracker each (MPPT), and the strings wired to them.

An asset of type ``string`` is what one current sensor of a combiner box measures: a string, or some in parallel. Strings of
one input share its voltage; its current splits among them by the light they get and by how good they are. So the currents
of strings sum to that of their input, those of inputs to that of the inverter, but for the errors of the sensors.

References
----------
.. [1] Rauschenbach, "Solar cell array design handbook", 1980 (current by voltage from the four figures of a data sheet).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.simulate import faults as fault_book
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock
from workbench.simulate.faults import Fault
from workbench.simulate.noise import Floats, White, key_of, uniform

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site
    from workbench.simulate.solar import Sunshine

MISMATCH = 0.015  #: half the range of what strings of a kind give
_LOW_SUN = 25.0  #: a horizon shades a string in the morning while the sun is lower than this [degree]
_CABLE = 0.006  #: drop between string and inverter at full current


@dataclass(frozen=True)
class InputState:
    """What the inputs do at [T] instants: [T, K] each, and the dirt on the inverters' modules."""

    power: Floats  #: [kW]
    voltage: Floats  #: [V]
    current: Floats  #: [A]
    lit: Floats  #: current at the best point, if nothing limits and nothing is broken, over that of the data sheet [1]
    dirt: Floats  #: [T, A] share of light lost to it, what a fault adds left out [1]


class Inputs:
    """The MPPT inputs of all inverters of one site, those of an inverter side by side.

    An inverter without assets of type ``mppt`` has one input that no one sees.

    Attributes
    ----------
    owner
        [K] the inverter of each input.
    share
        [K] of the inverter's modules.
    first
        [A] the first input of each inverter.
    """

    def __init__(self, site: Site, inverters: list[Asset], seed: int) -> None:
        self.assets: list[Asset] = []
        owner: list[int] = []
        self.names: list[str] = []  #: of every input; that of the inverter where nobody sees it
        for place, inverter in enumerate(inverters):
            own = [asset for asset in site.of_type("mppt") if asset.parent == inverter.id]
            self.assets += own
            self.names += [asset.id for asset in own] or [inverter.id]
            owner += [place] * max(len(own), 1)
        self.ids = tuple(asset.id for asset in self.assets)
        self.owner = np.array(owner, dtype=np.intp)
        self.first = np.flatnonzero(np.diff(self.owner, prepend=-1))
        self.single = len(self.owner) == len(inverters)
        counts = np.bincount(self.owner, minlength=len(inverters))
        self.share = 1.0 / counts[self.owner]
        self._seen = np.array([i for i, name in enumerate(self.names) if name in self.ids], dtype=np.intp)
        k = len(self.ids)
        u = uniform(key_of(seed, f"{site.id}/inputs"), np.arange(2 * k)).reshape(2, k) - 0.5
        self._gain = 1.0 + 0.004 * u[0]
        self._zero = 0.3 * u[1]
        self._noise = White(seed, f"{site.id}/input sensors", k, 2)

    def spread(self, values: Floats) -> Floats:
        """[T, A] of inverters as [T, K] of their inputs."""
        return values if self.single else values[..., self.owner]

    def total(self, values: Floats) -> Floats:
        """[T, K] of inputs summed to [T, A] of inverters."""
        return values if self.single else np.add.reduceat(values, self.first, axis=-1)

    def step(self, clock: Clock, found: InputState) -> dict[str, Floats]:
        """What the inverters say of their inputs, [T, M] each."""
        noise = self._noise.at(clock.second)
        voltage = found.voltage[:, self._seen] + 0.2 * noise[0]
        current = found.current[:, self._seen] * self._gain + self._zero + 0.15 * noise[1]
        return {"input_voltage": voltage, "input_current": current, "input_power": voltage * current / 1000.0}


class Strings:
    """Strings of one site, or what a sensor measures of some in parallel. Their ``parent`` is an input or an inverter."""

    def __init__(self, site: Site, inputs: Inputs, seed: int) -> None:
        place = {name: k for k, name in reversed(list(enumerate(inputs.names)))}
        for k, inverter in zip(inputs.first, site.of_type("inverter"), strict=True):
            place.setdefault(inverter.id, int(k))
        found = [asset for asset in site.of_type("string") if asset.parent in place]
        # in the order of the inputs, so that those of one input lie side by side
        self.assets: list[Asset] = sorted(found, key=lambda asset: place[str(asset.parent)])
        self.ids = tuple(asset.id for asset in self.assets)
        self.input = np.array([place[str(asset.parent)] for asset in self.assets], dtype=np.intp)
        n = len(self.ids)
        count = np.array([asset.strings.count if asset.strings else 1 for asset in self.assets], dtype=np.float64)
        u = uniform(key_of(seed, f"{site.id}/strings"), np.arange(4 * n)).reshape(4, n) - 0.5
        good = count * (1.0 + 2.0 * MISMATCH * u[0])
        whole = np.bincount(self.input, good, minlength=len(inputs.names))
        self.share = good / whole[self.input]  #: of the input's current, when all is well
        self._gain = 1.0 + 0.008 * u[1]
        self._zero = 0.10 * u[2]
        self._cable = _CABLE * (1.0 + u[3])
        self._noise = White(seed, f"{site.id}/string sensors", n, 2)

    def strength(self, clock: Clock, faults: list[Fault], light: Sunshine) -> Floats | None:
        """Share [T, S] of its current that each string gives; None where nothing is wrong with any."""
        found: Floats | None = None
        for kind in ("open_string", "weak_string", "shaded_string"):
            lost = fault_book.strength(faults, kind, self.ids, clock)
            if lost is None:
                continue
            if kind == "shaded_string":
                sun = light.sun
                direct = 1.0 - np.clip(light.dhi[:, 0] / np.maximum(light.ghi[:, 0], 1.0), 0.0, 1.0)
                low = np.clip((_LOW_SUN - (90.0 - sun.zenith)) / 8.0, 0.0, 1.0) * (sun.azimuth < 180.0)
                lost = lost * (low * direct)[:, None]
            left = np.clip(1.0 - lost, 0.0, 1.0)
            found = left if found is None else found * left
        return found

    def of_inputs(self, strength: Floats, inputs: int) -> Floats:
        """Share [T, K] of its current that each input gets from strings of that strength [T, S]."""
        found = np.ones((len(strength), inputs))
        first = np.flatnonzero(np.diff(self.input, prepend=-1))
        found[:, self.input[first]] = np.add.reduceat(strength * self.share, first, axis=1)
        return found

    def step(self, clock: Clock, found: InputState, light: Sunshine, faults: list[Fault]) -> dict[str, Floats]:
        """What the combiner boxes say of each string, [T, S] each."""
        strength = self.strength(clock, faults, light)
        noise = self._noise.at(clock.second)
        part = np.broadcast_to(self.share, (len(clock.ns), len(self.ids)))
        if strength is not None:
            split = strength * self.share
            whole = self.of_inputs(strength, found.current.shape[1])[:, self.input]
            part = split / np.maximum(whole, 1e-9)
        true = found.current[:, self.input] * part
        current = true * self._gain + self._zero + 0.03 * noise[0]
        voltage = found.voltage[:, self.input] * (1.0 + self._cable * np.clip(found.lit[:, self.input], 0.0, 1.2))
        voltage = voltage + 0.3 * noise[1]
        status = np.full(true.shape, code("status", "normal"))
        # the box knows its own fuses and nothing of single strings behind one
        open_ones = fault_book.strength(faults, "open_string", self.ids, clock)
        if open_ones is not None:
            status[open_ones > 0.999] = code("status", "open_circuit")
        return {"voltage": voltage, "current": current, "power": voltage * current / 1000.0, "status": status}


def off_best(voltage: Floats, best: Floats, opened: Floats, ratio: Floats | float) -> Floats:
    """Power of modules held at ``voltage`` over that at their ``best``; ``opened`` is their open-circuit voltage [V].

    ``ratio`` is the current at the best point over that of a short circuit, from the data sheet. See [1]_.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        c2 = (best / opened - 1.0) / np.log(1.0 - ratio)
        c1 = (1.0 - ratio) * np.exp(-best / (c2 * opened))
        current = 1.0 - c1 * (np.exp(voltage / (c2 * opened)) - 1.0)
        found = np.clip(current, 0.0, None) * voltage / np.maximum(best * ratio, 1e-9)
    return np.asarray(np.clip(np.nan_to_num(found), 0.0, 1.0), dtype=np.float64)
