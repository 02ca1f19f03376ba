"""Single-axis trackers: where they point, what their drives do, and the light on their tables.

References
----------
.. [1] Anderson, Mikofski, "Slope-aware backtracking for single-axis trackers", NREL/TP-5K00-76626, 2020: positions
   (by pvlib, see :mod:`.sun`) and the shade of one row on the next, for level ground.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.simulate import faults as fault_book
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock, State, latch
from workbench.simulate.facts import number, positions
from workbench.simulate.faults import FOREVER, Fault
from workbench.simulate.noise import Floats, White, key_of, uniform
from workbench.simulate.sun import Mounting, Sun, west_of
from workbench.simulate.weather import Weather

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site

STEP = 0.5  #: trackers move when they are half of this off [degree]
SPEED = 0.15  #: of a drive [degree/s]
STOW_WIND = 14.0  #: gusts above which tables lie flat, unless the asset's ``stow_wind_speed`` says otherwise [m/s]
_GUST = 1.45  #: three-second gusts over the mean near the ground
_CALM = 0.75  #: of the stow wind, below which they go on
_STALLED = 3.0  #: error that a controller calls stalled [degree]


@dataclass(frozen=True)
class OnTables:
    """Light on the tables of [K] trackers at [T] instants [W/m2]."""

    poa: Floats  #: in the plane, without the shade of other rows
    effective: Floats  #: what passes the glass, shade taken off, before dirt


class Trackers:
    """All trackers of one site. An asset's attribute ``feeds`` names the MPPT that its modules are wired to."""

    def __init__(self, site: Site, mounting: Mounting, seed: int) -> None:
        self.assets: list[Asset] = site.of_type("tracker")
        self.ids = tuple(asset.id for asset in self.assets)
        self.feeds = tuple(str(asset.attributes.get("feeds") or asset.parent or "") for asset in self.assets)
        n = len(self.ids)
        self.mounting = mounting
        self.east, self.north = positions(self.assets, site)
        self._stow = np.array([number(asset, "stow_wind_speed", STOW_WIND) for asset in self.assets])
        u = uniform(key_of(seed, f"{site.id}/trackers"), np.arange(3 * n)).reshape(3, n) - 0.5
        self._phase = u[0] * STEP
        self._zero = 0.3 * u[1]  # of the inclinometers
        self._friction = 1.0 + 0.3 * u[2]
        self._noise = White(seed, f"{site.id}/tracker sensors", n, 3)

    def start(self, ns: int) -> State:
        """A state to begin with: flat, as at night."""
        del ns
        n = len(self.ids)
        return {"position": np.zeros(n), "stowed": np.zeros(n, dtype=bool), "stuck": {}}

    def step(
        self, clock: Clock, weather: Weather, wind: Floats, sun: Sun, faults: Iterable[Fault], state: State
    ) -> tuple[dict[str, Floats], Floats]:
        """All variables, each [T, K], and where the tables really point [degree].

        ``wind`` [T] is the mean near the ground [m/s].
        """
        del weather
        faults = list(faults)
        shape = (len(clock.ns), len(self.ids))
        noise = self._noise.at(clock.second)
        gust = _GUST * wind[:, None]
        stowed, state["stowed"] = latch(gust > self._stow, gust < _CALM * self._stow, state["stowed"])
        target = np.where(stowed, 0.0, sun.rotation[:, None])
        # in steps, each tracker at its own moment; at rest they lie flat
        wanted = np.where(target == 0.0, 0.0, STEP * np.round((target + self._phase) / STEP) - self._phase)
        wanted = np.clip(wanted, -self.mounting.max_angle, self.mounting.max_angle)
        off = fault_book.strength(faults, "tracker_offset", self.ids, clock)
        wanted = wanted if off is None else wanted + off  # the controller turns until the sensor shows what it wants
        before: Floats = state["position"]
        stuck = self._stuck(faults, clock, wanted, before, state["stuck"])
        position = _turn(wanted, stuck, before, SPEED * max(clock.dt, 0.0))
        state["position"] = position[-1].copy()
        # the share of the time since the last instant in which the drive ran
        moved = np.abs(np.diff(position, axis=0, prepend=before[None]))
        ran = np.clip(moved / max(SPEED * clock.dt, 1e-9), 0.0, 1.0) * (np.isnan(stuck) if stuck is not None else 1.0)
        shown = position + self._zero + 0.05 * noise[0] - (0.0 if off is None else off)
        error = shown - target
        values = {
            "tracker_position": np.clip(shown, -90.0, 90.0),
            "tracker_target": target,
            "tracker_error": error,
            "motor_current": np.maximum(0.04 + ran * self._friction * (1.3 + 0.006 * gust**2) + 0.01 * noise[1], 0.0),
            "wind_speed": np.broadcast_to(wind[:, None], shape) + 0.05 * np.abs(noise[2]),
            "tracker_status": self._status(sun, stowed, stuck, error),
        }
        return values, position

    def _stuck(self, faults: list[Fault], clock: Clock, wanted: Floats, before: Floats, held: State) -> Floats | None:
        """Where stuck trackers stand [T, K], NaN where they turn; None where all do.

        One that sticks without a magnitude stays where it is or, where that lies in a step over many instants, at
        what it is then told to go to.
        """
        found: Floats | None = None
        for fault in faults:
            if fault.kind != "stuck_tracker" or fault.asset not in self.ids:
                continue
            end = FOREVER if fault.end is None else fault.end
            on = (clock.ns >= fault.start) & (clock.ns < end)
            if not on.any():
                continue
            column = self.ids.index(fault.asset)
            name = f"{fault.asset}/{fault.start}"
            if fault.magnitude is not None and not np.isnan(fault.magnitude):
                held[name] = fault.magnitude
            elif name not in held:
                first = int(np.argmax(on))
                held[name] = float(wanted[first - 1, column] if first else before[column])
            if found is None:
                found = np.full(wanted.shape, np.nan)
            found[on, column] = held[name]
        return found

    def _status(self, sun: Sun, stowed: npt.NDArray[np.bool_], stuck: Floats | None, error: Floats) -> Floats:
        west = np.sin(np.deg2rad(sun.zenith)) * np.cos(np.deg2rad(sun.azimuth - west_of(self.mounting.azimuth)))
        facing = np.rad2deg(np.arctan2(west, np.cos(np.deg2rad(sun.zenith))))
        best = np.clip(facing, -self.mounting.max_angle, self.mounting.max_angle)
        status = np.full(stowed.shape, code("tracker_status", "tracking"))
        status[np.abs(best) > np.abs(sun.rotation) + 1.0] = code("tracker_status", "backtracking")
        status[sun.zenith >= 90.0] = code("tracker_status", "night")
        status[stowed] = code("tracker_status", "wind_stow")
        if stuck is not None:
            status[np.isfinite(stuck) & (np.abs(error) > _STALLED)] = code("tracker_status", "stalled")
        return status


def _turn(wanted: Floats, stuck: Floats | None, before: Floats, most: float) -> Floats:
    """Positions [T, K] that follow ``wanted`` by at most ``most`` per instant; stuck ones stand."""
    if stuck is None and (np.abs(np.diff(wanted, axis=0, prepend=before[None])) <= most).all():
        return wanted
    position = np.empty_like(wanted)
    now = before
    for i in range(len(wanted)):
        now = now + np.clip(wanted[i] - now, -most, most)
        if stuck is not None:
            now = np.where(np.isnan(stuck[i]), now, stuck[i])
        position[i] = now
    return position


def on_tables(sun: Sun, mounting: Mounting, rotation: Floats, ghi: Floats, dni: Floats, dhi: Floats) -> OnTables:
    """Light on tables turned by ``rotation`` [T, K] [degree], after Hay and Davies as :func:`.sun.transpose` does it.

    ``ghi``, ``dni``, ``dhi`` are [T, K] [W/m2]. The beam is taken from the share of a table that the next row, turned alike,
    shades, twice over: where cells in series are shaded in part, the rest of them gives no more than they do.
    """
    turned = np.deg2rad(rotation)
    west = np.sin(np.deg2rad(sun.zenith)) * np.cos(np.deg2rad(sun.azimuth - west_of(mounting.azimuth)))
    west, high = west[:, None], sun.cos_zenith[:, None]
    incidence = np.maximum(np.cos(turned) * high + np.sin(turned) * west, 0.0) * (high > 0)
    view = 0.5 * (1.0 + np.cos(turned))
    share = np.clip(dni / np.maximum(sun.extra, 1.0)[:, None], 0.0, 1.0)
    beam = dni * incidence + dhi * share * incidence / np.maximum(high, 0.01745)
    other = dhi * (1.0 - share) * view + ghi * mounting.albedo * (1.0 - view)
    across = np.hypot(west, high)  # of the sun's ray in the plane across the axis
    facing = np.maximum(incidence / np.maximum(across, 1e-6), 1e-3)
    shaded = np.clip(1.0 - high / np.maximum(across, 1e-6) / (mounting.ground_coverage_ratio * facing), 0.0, 1.0)
    glass = np.clip(1.0 - 0.05 * (1.0 / np.maximum(incidence, 0.05) - 1.0), 0.0, 1.0)
    return OnTables(beam + other, beam * glass * np.maximum(1.0 - 2.0 * shaded, 0.0) + 0.96 * other)
