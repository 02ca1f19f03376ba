"""What the models need to know of a site's assets, as arrays, with plausible figures where a fact is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from workbench.model.errors import InputError
from workbench.simulate.noise import Floats

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site

_EARTH = 6_371_000.0  #: mean radius [m]


def positions(assets: Sequence[Asset], site: Site) -> tuple[Floats, Floats]:
    """Metres east and north of the site's coordinates, [A] each.

    Assets without coordinates stand in a row 500 m apart, from west to east.
    """
    east = np.empty(len(assets))
    north = np.empty(len(assets))
    for i, asset in enumerate(assets):
        if asset.latitude is None or asset.longitude is None:
            east[i], north[i] = 500.0 * i, 0.0
        else:
            east[i] = np.deg2rad(asset.longitude - site.longitude) * _EARTH * np.cos(np.deg2rad(site.latitude))
            north[i] = np.deg2rad(asset.latitude - site.latitude) * _EARTH
    return east, north


def rating(asset: Asset) -> float:
    """Rated power of ``asset`` [kW].

    Raises
    ------
    InputError
        The portfolio does not say it.
    """
    if not asset.rated_capacity:
        raise InputError(
            "the simulator needs the rating",
            where=f"{asset.site}.{asset.id}.rated_capacity",
            expected="a power [kW]",
            hint="give the asset a rated_capacity or a model",
        )
    return float(asset.rated_capacity)


def number(asset: Asset, name: str, default: float) -> float:
    """A number from the asset's attributes or its data sheet, or the default."""
    for holder in (asset.attributes.get(name), getattr(asset.data_sheet, name, None)):
        if isinstance(holder, int | float) and not isinstance(holder, bool):
            return float(holder)
    return default


def years_in_service(asset: Asset, ns: int) -> float:
    """Years since the asset went into service at ``ns`` [ns since 1970 UTC]; 3 where that is not known."""
    if asset.in_service is None:
        return 3.0
    begin = datetime(asset.in_service.year, asset.in_service.month, asset.in_service.day, tzinfo=UTC).timestamp()
    return max(0.0, (ns / 1e9 - begin) / (365.2425 * 86400.0))


@dataclass(frozen=True)
class TurbineFacts:
    """Figures of the turbines of a farm; arrays are [A]."""

    ids: tuple[str, ...]
    rated: Floats  #: [kW]
    diameter: Floats  #: [m]
    hub: Floats  #: [m]
    cut_in: Floats  #: [m/s]
    cut_out: Floats  #: [m/s]
    rated_speed: Floats  #: wind speed at which the rating is reached [m/s]
    rotor_min: Floats  #: [rpm]
    rotor_rated: Floats  #: [rpm]
    gear: Floats  #: [1]
    curves: tuple[Callable[[Floats], Floats], ...]  #: power [kW] by wind speed at ``density``
    density: Floats  #: of the curves [kg/m3]

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> TurbineFacts:
        """Facts of ``assets``. Raises InputError for one without a rating."""
        rows = []
        curves = []
        for asset in assets:
            rated = rating(asset)
            diameter = asset.rotor_diameter or 2.05 * rated**0.5  # about 320 W per square metre
            tip = 80.0 / (np.pi * diameter) * 60.0
            rotor_rated = number(asset, "rotor_speed_rated", tip)
            cut_in = number(asset, "cut_in_wind_speed", 3.0)
            rated_speed = number(asset, "rated_wind_speed", 12.5)
            rows.append(
                (
                    rated,
                    diameter,
                    asset.hub_height or 0.85 * diameter,
                    cut_in,
                    number(asset, "cut_out_wind_speed", 25.0),
                    rated_speed,
                    number(asset, "rotor_speed_min", 0.5 * rotor_rated),
                    rotor_rated,
                    number(asset, "gearbox_ratio", 1500.0 / rotor_rated),
                    1.225 if asset.power_curve is None else asset.power_curve.air_density,
                )
            )
            curves.append(_curve(asset, rated, cut_in, rated_speed))
        columns = np.array(rows, dtype=np.float64).T
        return cls(
            ids=tuple(asset.id for asset in assets),
            rated=columns[0],
            diameter=columns[1],
            hub=columns[2],
            cut_in=columns[3],
            cut_out=columns[4],
            rated_speed=columns[5],
            rotor_min=columns[6],
            rotor_rated=columns[7],
            gear=columns[8],
            curves=tuple(curves),
            density=columns[9],
        )

    def power(self, speed: Floats) -> Floats:
        """Power of the curves [kW] at ``speed`` [T, A] [m/s], flat above the last point."""
        if all(curve is self.curves[0] for curve in self.curves):
            return self.curves[0](speed)
        return np.stack([curve(speed[:, i]) for i, curve in enumerate(self.curves)], axis=1)


_CURVES: dict[tuple[tuple[float, ...], tuple[float, ...]], Callable[[Floats], Floats]] = {}


def _curve(asset: Asset, rated: float, cut_in: float, rated_speed: float) -> Callable[[Floats], Floats]:
    """Power by wind speed; equal curves are one object."""
    if asset.power_curve is not None:
        points = (tuple(asset.power_curve.wind_speed), tuple(asset.power_curve.power))
    else:
        speeds = np.linspace(cut_in, rated_speed, 20)
        cubic = (speeds**3 - cut_in**3) / (rated_speed**3 - cut_in**3)
        points = (tuple(speeds), tuple(rated * cubic))
    if points not in _CURVES:
        speed, power = np.array(points[0]), np.array(points[1])

        def curve(v: Floats) -> Floats:
            return np.asarray(np.interp(v, speed, power, left=0.0, right=float(power[-1])), dtype=np.float64)

        _CURVES[points] = curve
    return _CURVES[points]
