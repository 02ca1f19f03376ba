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


def trackers(
    seed: int, *, count: int = 20, share: float = 0.4, position: bool = True, sensors: bool = False, site: str | None = None
) -> Plant:  # fmt: skip
    """A year of blocks, each on trackers of its own and with an inverter of its own.

    With ``sensors`` the faults are those of the sensors of their positions: of one that is off it says that it is not, and of one that
    is not it says that it is.
    """
    rng = np.random.default_rng([20_27, seed])
    site = site or list(SITES)[seed % len(SITES)]
    latitude = SITES[site][0]
    w, parts = components(rng, site)
    zenith, sun = parts["zenith"], parts["azimuth"]
    axis = 180.0 if latitude > 0 else 0.0
    found = pvlib.tracking.singleaxis(zenith, sun, 0.0, axis, 60.0, True, 0.4)
    across = np.asarray(pvlib.shading.projected_solar_zenith_angle(zenith, sun, 0.0, axis))
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
            slope,
            facing,
            zenith,
            sun,
            parts["dni"],
            parts["ghi"],
            parts["dhi"],
            dni_extra=parts["extra"],
            model="haydavies",
        )
        aoi = pvlib.irradiance.aoi(slope, facing, zenith, sun)
        gets = np.nan_to_num(np.asarray(poa["poa_direct"])) * np.nan_to_num(np.asarray(pvlib.iam.ashrae(aoi, b=0.05)))
        # the row in front, in a block whose rows turn alike: of the beam what it shades
        seen = np.abs(np.cos(np.radians(across - turned))) * 0.4
        gets = gets * np.minimum(1.0, np.clip(np.cos(np.radians(across)), 0, None) / np.maximum(seen, 1e-6))
        gets = gets + np.nan_to_num(np.asarray(poa["poa_diffuse"])) * 0.96
        cell = np.asarray(pvlib.temperature.faiman(gets, w["temperature"], wind))
        return np.where(zenith < 90, 130.0 * gets / 1000 * (1 - 0.0037 * (cell - 25)), 0.0)

    usual = power(stowed)
    limit = 115.0
    faults, columns, angles = [], [], []
    for c in range(count):
        name = f"T{c:02d}"
        angle = stowed.copy()
        truth, told = None, angle
        if rng.random() < share:
            kind = str(rng.choice(["hidden", "shown"] if sensors else ["stuck", "stuck", "offset"]))
            begin = int(rng.integers(12 * per_day, (w["days"] - 8) * per_day))
            stop = min(begin + int(rng.integers(3 * per_day, 60 * per_day)), size)
            if kind == "stuck":
                amount = float(rng.uniform(-55, 55))
                angle[begin:stop] = amount
            else:
                amount = float(rng.choice([-1, 1]) * rng.uniform(9, 25))
                off = np.clip(angle[begin:stop] + amount, -70, 70)
                if kind != "offset":
                    told, kind = angle.copy(), f"position sensor ({kind})"
                (told if "shown" in kind else angle)[begin:stop] = off
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
        where = np.round(told + 0.3 * rng.normal() + 0.2 * rng.normal(size=size), 1)
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
    return Plant(data, faults, SITES[site][3])


def inverters(seed: int, *, count: int = 20, share: float = 0.4, site: str | None = None) -> Plant:
    """A year of inverters: DC and AC power, heat sink, set point; some lose efficiency, some derate by heat or stay at a limit."""
    rng = np.random.default_rng([20_28, seed])
    site = site or list(SITES)[seed % len(SITES)]
    w, _parts = components(rng, site)
    cell = np.asarray(pvlib.temperature.faiman(w["poa"], w["temperature"], w["wind"]))
    usual = 125.0 * w["effective"] / 1000 * (1 - 0.0037 * (cell - 25))
    size, per_day = len(usual), w["per_day"]
    rating = 100.0
    order = np.full(size, rating)  # of the grid
    for _ in range(15):
        at = int(rng.integers(size - 40))
        order[at : at + int(rng.integers(4, 30))] = rng.uniform(30, 80)
    faults, fields = [], {n: [] for n in ("ac", "dc", "heat")}
    for c in range(count):
        kind, begin, stop, amount = "", 0, 0, 0.0
        if rng.random() < share:
            kind = str(rng.choice(["efficiency", "temperature derating", "power limit"]))
            begin = int(rng.integers(12 * per_day, (w["days"] - 30) * per_day))
            stop = min(begin + int(rng.integers(20 * per_day, 90 * per_day)), size)
            amount = float(
                {"efficiency": rng.uniform(0.01, 0.04), "power limit": rng.uniform(0.45, 0.7)}.get(
                    kind, rng.uniform(14, 24)
                )
            )
        here = np.zeros(size, bool)
        here[begin:stop] = bool(kind)
        stands, silent = _trips(rng, size, per_day), _gaps(rng, size, per_day)
        local = (1 + 0.012 * rng.normal()) * np.exp(0.03 * ar1(rng, size, 0.5) * _parts["cloudy"])
        offered = np.maximum(usual * local, 0.0)

        def run(
            faulty: bool, kind: str = kind, amount: float = amount, here: Any = here, offered: Any = offered
        ) -> tuple[Any, Any, Any]:
            off = amount if faulty and kind == "efficiency" else 0.0
            most = np.minimum(order, rating)
            if faulty and kind == "power limit":
                most = np.where(here, np.minimum(most, amount * rating), most)
            # losses of conversion and the AC side, as a parabola of the load
            dc = np.minimum(offered, (most + 0.4 + 0.006 * most + 0.010 * most**2 / rating) / 1.0)
            ac = np.maximum(dc - 0.4 - 0.006 * dc - 0.010 * dc**2 / rating, 0.0)
            ac = np.where(here, ac * (1 - off), ac)
            hot = np.where(here, amount, 0.0) if faulty and kind == "temperature derating" else 0.0
            heat = w["temperature"] + (28.0 + hot) * ac / rating
            if faulty and kind == "temperature derating":
                cap = rating * np.clip((72.0 - w["temperature"]) / (28.0 + amount), 0.2, 1.0)
                limit = np.where(here & (heat > 72.0), np.minimum(cap, ac), ac)
                dc, heat = (
                    np.where(limit < ac, limit + 0.4 + 0.017 * limit, dc),
                    w["temperature"] + (28.0 + hot) * limit / rating,
                )
                ac = limit
            return dc, ac, heat

        dc, ac, heat = run(True)
        _, whole, _ = run(False)
        if kind:
            lost = float(((whole - ac) * ~stands).sum() * HOURS)
            if lost > 20.0:  # a derating in winter is none
                seen = np.flatnonzero((whole - ac > 0.5) & here)
                faults.append(Truth(f"I{c:02d}", kind, w["time"][seen[0]], w["time"][seen[-1]], lost, amount))
        gain = 1 + 0.005 * rng.normal()
        dc, ac = np.where(stands, 0.0, dc) * gain, np.where(stands, 0.0, ac)
        dc, ac = dc * (1 + 0.004 * rng.normal(size=size)), ac * (1 + 0.002 * rng.normal(size=size))
        heat = heat + 1.0 * rng.normal() + 0.5 * rng.normal(size=size)
        for name, values in (("ac", ac), ("dc", dc), ("heat", heat)):
            values[silent] = np.nan
            fields[name].append(np.round(values, 2))
    dims = ("time", "asset")
    data = xr.Dataset(
        {
            "total_ac_power": (dims, np.column_stack(fields["ac"]), {"units": "kW"}),
            "total_dc_power": (dims, np.column_stack(fields["dc"]), {"units": "kW"}),
            "heatsink_temperature": (dims, np.column_stack(fields["heat"]), {"units": "degC"}),
            "power_setpoint": (dims, np.repeat(order[:, None], count, axis=1), {"units": "kW"}),
        },
        coords={
            "time": w["time"].astype("datetime64[ns]"), "asset": [f"I{c:02d}" for c in range(count)],
            "rated_capacity": ("asset", np.full(count, rating)),
        },
    )  # fmt: skip
    return Plant(data, faults, SITES[site][3])
