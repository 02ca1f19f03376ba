"""A plant of single-axis trackers with some that stand, or are off, or are stowed by wind; and inverters that lose efficiency or derate.

The sky is Hay and Davies' and the incidence of ASHRAE; what is looked for knows neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pvlib
import xarray as xr

from benchmarks._faulty_plant import HOURS, Plant, Truth, _gaps, _trips, components
from benchmarks._soiled_fleet import SITES, ar1


def trackers(seed: int, *, count: int = 20, share: float = 0.4, position: bool = True, site: str | None = None) -> Plant:
    """A year of blocks, each on trackers of its own and with an inverter of its own."""
    rng = np.random.default_rng([20_27, seed])
    site = site or list(SITES)[seed % len(SITES)]
    latitude, offset = SITES[site][0], SITES[site][3]
    w, parts = components(rng, site)
    zenith, sun = parts["zenith"], parts["azimuth"]
    axis = 180.0 if latitude > 0 else 0.0
    found = pvlib.tracking.singleaxis(zenith, sun, 0.0, axis, 60.0, True, 0.4)
    theta = np.nan_to_num(np.asarray(found["tracker_theta"]))
    size, per_day = len(theta), w["per_day"]
    ideal = theta * (1.0 if latitude > 0 else -1.0)  # positive towards the west
    target = np.round(ideal / 1.0) * 1.0
    windy = np.zeros(size, bool)
    for _ in range(12):
        at = int(rng.integers(size - 40))
        windy[at : at + int(rng.integers(4, 30))] = True
    wind = np.where(windy, rng.uniform(13, 20, size), np.minimum(w["wind"], 9.0))
    stowed = np.where(windy, 0.0, target)

    def power(angle: Any) -> Any:
        turned = angle * (1.0 if latitude > 0 else -1.0)
        face = pvlib.tracking.calc_surface_orientation(turned, axis_tilt=0.0, axis_azimuth=axis)
        slope, facing = np.asarray(face["surface_tilt"]), np.asarray(face["surface_azimuth"])
        poa = pvlib.irradiance.get_total_irradiance(
            slope, facing, zenith, sun, parts["dni"], parts["ghi"], parts["dhi"], dni_extra=parts["extra"], model="haydavies"
        )
        aoi = pvlib.irradiance.aoi(slope, facing, zenith, sun)
        gets = np.nan_to_num(np.asarray(poa["poa_direct"])) * np.nan_to_num(np.asarray(pvlib.iam.ashrae(aoi, b=0.05)))
        gets = gets + np.nan_to_num(np.asarray(poa["poa_diffuse"])) * 0.96
        cell = np.asarray(pvlib.temperature.faiman(gets, w["temperature"], wind))
        return np.where(zenith < 90, 130.0 * gets / 1000 * (1 - 0.0037 * (cell - 25)), 0.0)

    usual = power(stowed)
    limit = 115.0
    faults, columns, angles = [], [], []
    for c in range(count):
        name = f"T{c:02d}"
        angle = stowed.copy()
        truth = None
        if rng.random() < share:
            kind = str(rng.choice(["stuck", "stuck", "offset"]))
            begin = int(rng.integers(12 * per_day, (w["days"] - 8) * per_day))
            stop = min(begin + int(rng.integers(3 * per_day, 60 * per_day)), size)
            if kind == "stuck":
                amount = float(rng.uniform(-55, 55))
                angle[begin:stop] = amount
            else:
                amount = float(rng.choice([-1, 1]) * rng.uniform(9, 25))
                angle[begin:stop] = np.clip(angle[begin:stop] + amount, -70, 70)
            truth = Truth(name, kind, w["time"][begin], w["time"][stop - 1], 0.0, amount)
        stands, silent = _trips(rng, size, per_day), _gaps(rng, size, per_day)
        local = (1 + 0.012 * rng.normal()) * np.exp(0.04 * ar1(rng, size, 0.5) * parts["cloudy"])
        local = local * np.exp(0.003 * np.repeat(ar1(rng, w["days"], 0.97), per_day))
        whole = np.minimum(usual * local, limit)
        got = np.minimum((usual if truth is None else power(angle)) * local, limit)
        if truth is not None:
            truth.lost = float(((whole - got) * ~stands).sum() * HOURS)
            faults.append(truth)
        got = np.where(stands, 0.0, got)
        seen = got * (1 + 0.005 * rng.normal()) * (1 + 0.006 * rng.normal(size=size))
        where = np.round(angle + 0.3 * rng.normal() + 0.2 * rng.normal(size=size), 1)
        seen[silent], where[silent] = np.nan, np.nan
        columns.append(np.round(seen, 2))
        angles.append(where)
    dims = ("time", "asset")
    fields: dict[str, Any] = {"total_dc_power": (dims, np.column_stack(columns), {"units": "kW"})}
    if position:
        fields["tracker_position"] = (dims, np.column_stack(angles), {"units": "degree"})
        fields["wind_speed"] = (dims, np.repeat(wind[:, None], count, axis=1), {"units": "m/s"})
    longitude = SITES[site][1]
    names = [f"T{c:02d}" for c in range(count)]
    data = xr.Dataset(
        fields,
        coords={
            "time": w["time"].astype("datetime64[ns]"), "asset": names,
            "latitude": ("asset", np.full(count, latitude)), "longitude": ("asset", np.full(count, longitude)),
        },
    )  # fmt: skip
    del offset
    return Plant(data, faults)
