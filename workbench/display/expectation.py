"""What a device should deliver now: wind by its power curve, solar by the irradiance on its modules.

Good enough to show beside a measurement on a page; the analyses proper are in ``workbench.analytics``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.display.readings import POWER, SiteNow

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.model.assets import Asset

#: Share of DC power that reaches the grid: soiling, mismatch, wiring, inverter.
SYSTEM_EFFICIENCY = 0.93
TEMPERATURE_COEFFICIENT = -0.0036  #: of crystalline silicon, per kelvin
POA = ("irradiance_poa", "irradiance_ghi")


def wind_power(
    asset: Asset | None, wind_speed: npt.ArrayLike, density: npt.ArrayLike = math.nan
) -> npt.NDArray[np.float64]:
    """Power [kW] by the turbine's power curve at ``wind_speed`` [m/s]; NaN without a curve.

    Where the air ``density`` [kg/m3] is known, speeds are brought to that of the curve by (rho / rho0)^(1/3) [1]_:
    on a hill of 1,200 m the curve as it stands promises a tenth too much.

    References
    ----------
    .. [1] IEC 61400-12-1:2017, 9.1.5.
    """
    speed = np.asarray(wind_speed, dtype=float)
    curve = asset.power_curve if asset is not None else None
    if curve is None:
        return np.full(speed.shape, np.nan)
    heavy = np.nan_to_num(np.asarray(density, dtype=float), nan=curve.air_density)
    dense = speed * np.cbrt(heavy / curve.air_density)
    # Cut-out is at a speed, whatever the air.
    cut_out = curve.wind_speed[-1]
    return np.asarray(curve.at(np.where(speed <= cut_out, np.minimum(dense, cut_out), speed)), dtype=float)


def solar_power(
    asset: Asset | None, irradiance: npt.ArrayLike, module_temperature: npt.ArrayLike = 45.0
) -> npt.NDArray[np.float64]:
    """AC power [kW] at ``irradiance`` on the modules [W/m2] and their temperature [degC].

    PVWatts: P = G / 1000 · P_dc · (1 + γ (T - 25)) · η, at most the rated AC power [1]_.

    References
    ----------
    .. [1] A. P. Dobos, PVWatts Version 5 Manual, NREL/TP-6A20-62641, 2014.
    """
    light = np.asarray(irradiance, dtype=float)
    if asset is None or not (asset.dc_capacity or asset.rated_capacity):
        return np.full(light.shape, np.nan)
    dc = float(asset.dc_capacity or 1.2 * (asset.rated_capacity or 0.0))
    warmth = np.nan_to_num(np.asarray(module_temperature, dtype=float), nan=45.0)
    made = light / 1000.0 * dc * (1 + TEMPERATURE_COEFFICIENT * (warmth - 25.0)) * SYSTEM_EFFICIENCY
    return np.asarray(np.clip(made, 0.0, asset.rated_capacity or math.inf))


def site_irradiance(site: SiteNow) -> tuple[str, str]:
    """Asset and variable that measure the irradiance on the modules; empty where none does."""
    for asset in site.of_type("irradiance_sensor", "weather_station", "inverter"):
        for name in POA:
            if site.reading(asset, name).there:
                return asset, name
    return "", ""


def site_density(site: SiteNow, asset: str = "") -> float:
    """Air density [kg/m3] at the asset or, where it does not say, at a mast or another turbine; NaN where none says."""
    for one in filter(None, (asset, *site.of_type("met_mast", "weather_station", "wind_turbine"))):
        found = site.reading(one, "air_density")
        if found.there and 0.5 < found.value < 2.0:  # it changes slowly: one of hours ago is better than none
            return found.value
    return math.nan


def module_temperature(site: SiteNow, irradiance: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Temperature of modules [degC] at ``irradiance`` [W/m2] in the air of now; 45 where that is not known.

    T = T_air + 0.03 G, for modules in a rack [1]_.

    References
    ----------
    .. [1] R. G. Ross, Interface design considerations for terrestrial solar cell modules, 12th IEEE PVSC, 1976.
    """
    light = np.asarray(irradiance, dtype=float)
    for asset in site.of_type("irradiance_sensor", "weather_station", "met_mast", "inverter"):
        air = site.reading(asset, "ambient_temperature", "temperature")
        if air.fresh(site.now):
            return air.value + 0.03 * light
    return np.full(light.shape, 45.0)


@dataclass(frozen=True)
class Performance:
    """Mean power and mean expected power of an asset over the last minutes [kW]."""

    power: float
    expected: float
    rated: float

    @property
    def ratio(self) -> float:
        """Power over expectation; NaN where too little was to be expected to say."""
        return self.power / self.expected if self.expected > 0.05 * self.rated else math.nan

    @property
    def low(self) -> bool:
        """Whether clearly less came than should have."""
        return self.ratio < 0.85 and self.expected > 0.15 * self.rated


def expected_now(site: SiteNow, asset: str) -> float:
    """What the asset should deliver at this instant [kW]; NaN where wind or irradiance is not known."""
    fact = site.fact(asset)
    if site.assets.get(asset) == "wind_turbine":
        speed = site.reading(asset, "wind_speed")
        return float(wind_power(fact, speed.value, site_density(site, asset))) if speed.fresh(site.now) else math.nan
    light = site.reading(asset, "irradiance_poa")
    sensor, name = site_irradiance(site)
    light = light if light.fresh(site.now) else site.reading(sensor, name or POA[0])
    if not light.fresh(site.now):
        return math.nan
    warmth = site.reading(sensor, "module_temperature")
    warm = warmth.value if warmth.fresh(site.now) else float(module_temperature(site, light.value))
    return float(solar_power(fact, light.value, warm))


def performance(live: Live, site: str, *, minutes: float = 10.0) -> dict[str, Performance]:
    """Performance of each turbine and inverter of a site that is heard, over the last minutes, from the live ring."""
    at = live.now.site(site)
    found: dict[str, Performance] = {}
    sensor, light_name = site_irradiance(at)
    light = warmth = math.nan
    for block in at.blocks_of(sensor):
        if light_name in block.variables:
            light = _mean(live, site, sensor, light_name, minutes)
            warmth = _mean(live, site, sensor, "module_temperature", minutes)
    for asset in at.of_type("wind_turbine", "inverter"):
        if not at.fresh(asset):
            continue  # its last minutes are not the last minutes
        kind = at.assets[asset]
        rated = at.rated(asset)
        power = next(
            (v for name in POWER[kind] if math.isfinite(v := _mean(live, site, asset, name, minutes))), math.nan
        )
        if kind == "wind_turbine":
            speed = _values(live, site, asset, "wind_speed", minutes)
            curve = wind_power(at.fact(asset), speed, site_density(at, asset))
            expected = float(np.nanmean(curve)) if np.isfinite(curve).any() else math.nan
        else:
            own = _mean(live, site, asset, "irradiance_poa", minutes)
            expected = float(solar_power(at.fact(asset), own if math.isfinite(own) else light, warmth))
        if math.isfinite(power) and math.isfinite(expected):
            found[asset] = Performance(power, expected, rated)
    return found


def _values(live: Live, site: str, asset: str, name: str, minutes: float) -> npt.NDArray[np.float64]:
    for block in live.now.site(site).blocks_of(asset):
        if name in block.variables:
            data = live.recent(site, block.key, assets=[asset], variables=[name])
            if data is not None:
                return data[name].values[-int(minutes * 60 / block.every) :, 0].astype(float)
    return np.array([], float)


def _mean(live: Live, site: str, asset: str, name: str, minutes: float) -> float:
    values = _values(live, site, asset, name, minutes)
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
