"""Pyranometers and what stands with them: reference cells, module thermometers, the station's own sun."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock, State, lag
from workbench.simulate.faults import Fault
from workbench.simulate.noise import Floats, White, key_of, uniform
from workbench.simulate.soiling import SOILING, cleaned, soil
from workbench.simulate.solar import CELL_ABOVE, FAIMAN_U0, FAIMAN_U1, MODULE_TAU, Sunshine, mounting_of
from workbench.simulate.sun import Sun
from workbench.simulate.tracker import Trackers, on_tables
from workbench.simulate.weather import Weather

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site


class IrradianceSensors:
    """Pyranometers, a pyrheliometer and module thermometers."""

    def __init__(self, site: Site, assets: list[Asset], seed: int) -> None:
        self.assets = assets
        self.ids = tuple(asset.id for asset in assets)
        self._albedo = mounting_of(site).albedo
        u = uniform(key_of(seed, f"{site.id}/pyranometers"), np.arange(2 * len(assets))).reshape(2, -1) - 0.5
        self._calibration = 1.0 + 0.01 * u[0]
        self._noise = White(seed, f"{site.id}/pyranometer noise", len(self.ids), 6)

    def start(self, ns: int) -> State:
        """A state to begin with."""
        del ns
        return {"module": np.full(len(self.ids), 15.0), "soiling": np.full(len(self.ids), 0.025)}

    def step(
        self,
        clock: Clock,
        weather: Weather,
        wind: Floats,
        light: Sunshine,
        faults: Iterable[Fault],
        state: State,
        meter: str | None,
        tables: tuple[Trackers, Floats] | None = None,
    ) -> dict[str, Floats]:
        """All variables, each [T, A].

        Domes are wiped every morning; they read a little below zero on a clear night. Of a pair of reference cells one is wiped and
        one is left to get as dirty as the modules: that is the soiling ratio.
        """
        n = len(self.ids)
        noise = self._noise.at(clock.second)
        ambient = weather.temperature[:, None]
        poa, ghi, dni, dhi, effective = (
            part[:, -n:] for part in (light.poa, light.ghi, light.dni, light.dhi, light.effective)
        )
        poa, effective = self._on_tables(poa, effective, ghi, dni, dhi, light.sun, tables)
        settled = ambient + poa / (FAIMAN_U0 + FAIMAN_U1 * wind[:, None])
        module, state["module"] = lag(settled, MODULE_TAU, clock.dt, state["module"])
        dirt = soil(clock.dt, weather.rain, np.full(n, SOILING), state, cleaned(faults, self.ids, meter, clock))
        zero = -2.0 * (1.0 - weather.cloudiness[:, None])  # the dome radiates to the cold sky
        gain = self._calibration
        column = np.ones((1, n))
        return {
            "irradiance_ghi": ghi * gain + zero + 0.3 * noise[0],
            "irradiance_dni": np.maximum(dni * gain + 0.3 * noise[1], -1.0),
            "irradiance_dhi": dhi * gain + zero + 0.3 * noise[2],
            "irradiance_poa": poa * gain + zero + 0.3 * noise[3],
            "irradiance_reference_cell": np.maximum(effective, 0.0),
            "irradiance_rear": np.maximum(0.13 * ghi * self._albedo / 0.2, 0.0),
            "albedo": np.where(ghi > 20.0, self._albedo, 0.0),
            "module_temperature": module + 0.1 * noise[4],
            "panel_temperature": module + 0.1 * noise[5],
            "cell_temperature": module + CELL_ABOVE * poa / 1000.0,
            "ambient_temperature": ambient * column,
            "wind_speed": wind[:, None] * column,
            "soiling_ratio": np.clip(1.0 - dirt + 0.001 * noise[4], 0.0, 1.0),
            "solar_zenith": light.sun.zenith[:, None] * column,
            "solar_azimuth": light.sun.azimuth[:, None] * column,
            "calibration_status": np.full((len(clock.ns), n), code("calibration_status", "calibrated")),
        }

    def _on_tables(
        self, poa: Floats, effective: Floats, ghi: Floats, dni: Floats, dhi: Floats, sun: Sun,
        tables: tuple[Trackers, Floats] | None,
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """Irradiance in the plane and behind the glass, where a sensor sits on a tracker that is an asset: its own plane."""
        if tables is None:
            return poa, effective
        trackers, rotation = tables
        on = [(i, trackers.ids.index(str(a.parent))) for i, a in enumerate(self.assets) if a.parent in trackers.ids]
        if not on:
            return poa, effective
        i, t = (np.array(part) for part in zip(*on, strict=True))
        found = on_tables(sun, trackers.mounting, rotation[:, t], ghi[:, i], dni[:, i], dhi[:, i])
        poa, effective = poa.copy(), effective.copy()
        poa[:, i], effective[:, i] = found.poa, found.effective
        return poa, effective
