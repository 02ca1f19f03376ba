"""Solar plants with faults of known kind, day and loss: strings, MPPTs, inverter totals, trackers, inverters.

Weather from ``_soiled_fleet``, currents and voltages by pvlib (single-diode model of a CEC module), then what real plants have:
mismatch, gains and noise of sensors, rows that do not quite face alike, uneven soiling and clouds, low sun behind rows, trips,
inverters at their limit, lost messages. Nothing here knows how faults are looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pvlib
import xarray as xr

from benchmarks._soiled_fleet import SITES, ar1, sky, weather

Floats = npt.NDArray[np.float64]
MODULES = 26  #: in series in a string
HOURS = 0.25


@dataclass
class Truth:
    """One fault that was put in."""

    asset: str
    kind: str
    begin: np.datetime64
    end: np.datetime64
    lost: float  #: [kWh] while the inverter runs
    size: float  #: share of the current, angle, … by kind


@dataclass
class Plant:
    data: xr.Dataset
    faults: list[Truth] = field(default_factory=list)
    offset: int = 0  #: of the site's clock from UTC [h]


@cache
def module() -> dict[str, float]:
    table = pvlib.pvsystem.retrieve_sam("CECMod")
    found = (
        table["Canadian_Solar_Inc__CS3U_365MS"] if "Canadian_Solar_Inc__CS3U_365MS" in table else table.iloc[:, 8000]
    )
    return {str(k): found[k] for k in found.index}


def diode(effective: Floats, cell: Floats) -> tuple[Any, ...]:
    m = module()
    return tuple(
        pvlib.pvsystem.calcparams_cec(
            effective, cell, m["alpha_sc"], m["a_ref"], m["I_L_ref"], m["I_o_ref"], m["R_sh_ref"], m["R_s"], m["Adjust"]
        )
    )


@dataclass
class Field:
    """Daylight of one plant: what its modules get and give at the point of most power."""

    day: npt.NDArray[np.bool_]
    time: npt.NDArray[np.datetime64]
    effective: Floats
    by_azimuth: Floats  #: change per degree
    by_tilt: Floats
    beam: Floats  #: share of the beam
    elevation: Floats
    azimuth: Floats
    cell: Floats
    current: Floats
    voltage: Floats
    cloudy: Floats
    days: int
    per_day: int
    raw: dict[str, Any]


def transposed(
    site: str, w: dict[str, Any], tilt: Any, azimuth: Any, seed_free: dict[str, Any]
) -> tuple[Floats, Floats]:
    """Effective irradiance on a plane, and the share of the beam."""
    s = seed_free
    poa = pvlib.irradiance.get_total_irradiance(
        tilt, azimuth, s["zenith"], s["azimuth"], s["dni"], s["ghi"], s["dhi"], dni_extra=s["extra"], model="haydavies"
    )
    aoi = pvlib.irradiance.aoi(tilt, azimuth, s["zenith"], s["azimuth"])
    direct = np.nan_to_num(np.asarray(poa["poa_direct"])) * np.nan_to_num(np.asarray(pvlib.iam.ashrae(aoi, b=0.04)))
    total = direct + np.nan_to_num(np.asarray(poa["poa_diffuse"])) * 0.96
    return total, direct / np.maximum(total, 1e-6)


def components(rng: np.random.Generator, site: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weather of a year with its components of irradiance."""
    w = weather(rng, site, 25.0, 1, 15)
    table = sky(site, 1, 15)
    zenith, azimuth = table["apparent_zenith"].to_numpy(), table["azimuth"].to_numpy()
    # the weather gives the plane; components are made again from its index of clouds
    clear = np.maximum(table["ghi"].to_numpy(), 1e-6)
    keep = np.clip(w["poa"] / np.maximum(_clear_plane(site, w["facing"]), 1.0), 0.08, 1.05)
    ghi = clear * keep
    beam = np.clip((keep - 0.25) / 0.75, 0, 1) ** 1.3
    dni = table["dni"].to_numpy() * beam
    dhi = np.clip(ghi - dni * np.clip(np.cos(np.radians(zenith)), 0, 1), 0, None)
    parts = {
        "zenith": zenith,
        "azimuth": azimuth,
        "dni": dni,
        "ghi": ghi,
        "dhi": dhi,
        "extra": table["extra"].to_numpy(),
    }
    return w, parts | {"cloudy": 1 - beam}


@cache
def _clear_plane(site: str, facing: float) -> Floats:
    table = sky(site, 1, 15)
    poa = pvlib.irradiance.get_total_irradiance(
        25.0, facing, table["apparent_zenith"].to_numpy(), table["azimuth"].to_numpy(), table["dni"].to_numpy(),
        table["ghi"].to_numpy(), table["dhi"].to_numpy(), dni_extra=table["extra"].to_numpy(), model="haydavies",
    )  # fmt: skip
    return np.nan_to_num(np.asarray(poa["poa_global"]))


def _field(rng: np.random.Generator, site: str, azimuth_off: float = 0.0) -> Field:
    w, parts = components(rng, site)
    facing = w["facing"] + azimuth_off
    effective, beam = transposed(site, w, 25.0, facing, parts)
    more_azimuth, _ = transposed(site, w, 25.0, facing + 5.0, parts)
    more_tilt, _ = transposed(site, w, 28.0, facing, parts)
    day = effective > 2.0
    cell = np.asarray(pvlib.temperature.faiman(effective, w["temperature"], w["wind"]))
    m = pvlib.pvsystem.max_power_point(*diode(effective[day], cell[day]), method="newton")
    current, voltage = np.zeros(len(day)), np.zeros(len(day))
    current[day], voltage[day] = np.asarray(m["i_mp"]), MODULES * np.asarray(m["v_mp"])
    return Field(
        day, w["time"], effective, (more_azimuth - effective) / 5, (more_tilt - effective) / 3, beam,
        90 - parts["zenith"], parts["azimuth"], cell, current, voltage, parts["cloudy"], w["days"], w["per_day"], w | parts,
    )  # fmt: skip


def _trips(rng: np.random.Generator, size: int, per_day: int) -> npt.NDArray[np.bool_]:
    """Slots in which an inverter stands."""
    out = np.zeros(size, bool)
    for _ in range(rng.poisson(10)):
        at = rng.integers(size)
        out[at : at + rng.integers(1, 24)] = True
    for _ in range(rng.poisson(1)):
        at = rng.integers(size)
        out[at : at + per_day * rng.integers(1, 6)] = True
    return out


def _gaps(rng: np.random.Generator, size: int, per_day: int) -> npt.NDArray[np.bool_]:
    """Slots that no message tells of."""
    out = rng.random(size) < 0.004
    for _ in range(rng.poisson(4)):
        at = rng.integers(size)
        out[at : at + rng.integers(2, 2 * per_day)] = True
    return out


def _when(rng: np.random.Generator, f: Field, least: int, most: int) -> tuple[int, int]:
    """First and last slot of a fault: a third lasts to the end."""
    begin = int(rng.integers(12 * f.per_day, (f.days - 8) * f.per_day))
    stop = begin + int(rng.integers(least * f.per_day, most * f.per_day))
    if rng.random() < 0.33:
        stop = len(f.day)
    return begin, min(stop, len(f.day))


STRING = ("open string", "weak string", "shaded", "sensor")
MPPT = ("open string", "weak string", "shaded", "sensor", "shorted modules", "mppt stuck", "input out")


def plant(
    seed: int, kind: str = "string", *, parents: int = 5, each: int = 20, share: float = 0.2, site: str | None = None,
    only: tuple[str, ...] = (),
) -> Plant:  # fmt: skip
    """A year of a plant.

    ``string``: current, voltage of the bus and power of each string. ``mppt``: inputs of inverters, each of two strings.
    ``inverter``: totals of inverters, each of 20 strings, ``each`` of them, one plant.
    """
    rng = np.random.default_rng([20_26, seed, len(kind)])
    site = site or list(SITES)[seed % len(SITES)]
    f = _field(rng, site)
    size, per_day = len(f.day), f.per_day
    parallel = {"string": 1, "mppt": 2, "inverter": 20}[kind]
    kinds = only or {"string": STRING, "mppt": MPPT, "inverter": ("open string",)}[kind]
    names, owner = [], []
    currents, voltages, powers, faults = [], [], [], []
    east = kind == "mppt" and seed % 2 == 0  # half of the inputs face elsewhere
    other = _field(np.random.default_rng([20_26, seed, len(kind)]), site, -60.0) if east else None
    for p in range(parents):
        stands, silent = _trips(rng, size, per_day), _gaps(rng, size, per_day)
        limit = rng.uniform(0.72, 0.95) * MODULES * 365 * parallel / 1000  # per input, of the inverter
        bus = 1 + 0.002 * rng.normal(size=size)
        for s in range(each):
            if kind == "inverter":
                stands, silent = _trips(rng, size, per_day), _gaps(rng, size, per_day)
                limit = rng.uniform(0.78, 0.95) * MODULES * 365 * parallel / 1000
            g = other if other is not None and s % 2 else f
            name = f"P{p}-{s:02d}"
            spread = 1 / np.sqrt(parallel)
            effective = (
                g.effective + rng.normal(0, 1.0) * spread * g.by_azimuth + rng.normal(0, 0.7) * spread * g.by_tilt
            )
            low = np.clip(1 - g.elevation / 9, 0, 1) * rng.uniform(0, 0.5)
            uneven = np.exp(0.006 * spread * np.repeat(ar1(rng, f.days, 0.98), per_day))
            clouds = np.exp(0.05 * ar1(rng, size, 0.5) * g.cloudy)
            scale = (
                effective
                / np.maximum(g.effective, 2.0)
                * (1 - low)
                * uneven
                * clouds
                * (1 + 0.015 * spread * rng.normal())
            )
            clean_i = g.current * scale * parallel
            v = (
                g.voltage
                * (1 + 0.003 * rng.normal())
                * (bus if kind == "string" else 1 + 0.002 * rng.normal(size=size))
            )
            if kind == "string":
                v = g.voltage * bus
            i, clean_v, loss_from = clean_i.copy(), v, 0
            truth: Truth | None = None
            gain, gain_v = np.ones(size), np.ones(size)
            if rng.random() < share:
                what = str(rng.choice(kinds))
                begin, stop = _when(rng, g, 4, 90)
                here = np.zeros(size, bool)
                here[begin:stop] = True
                amount = 0.0
                if what == "open string":
                    amount = 1.0 / parallel
                    i[here] *= 1 - amount
                elif what == "input out":
                    amount = 1.0
                    i[here] = 0.0
                elif what == "weak string":
                    amount = float(rng.uniform(0.06, 0.25))
                    i[here] *= 1 - amount
                elif what == "shaded":
                    amount = float(rng.uniform(0.3, 0.7))
                    stop = min(begin + int(rng.integers(40, 150)) * per_day, size)
                    here[:] = False
                    here[begin:stop] = True
                    middle, width = rng.choice([-1, 1]) * rng.uniform(25, 60) + 180, rng.uniform(15, 30)
                    where = (
                        np.abs(f.azimuth - middle) < width
                        if SITES[site][0] > 0
                        else (np.abs((f.azimuth + 180) % 360 - middle) < width)
                    )
                    i *= 1 - amount * g.beam * (here & where)
                elif what == "sensor":
                    amount = float(rng.choice([-1.0, 0.1, 1.3]))
                    gain[here] = amount
                elif what == "shorted modules":
                    amount = float(rng.integers(1, 7))
                    factor = 1 - amount / (3 * MODULES)
                    v = np.where(here, v * factor, v)
                elif what == "mppt stuck":
                    amount = float(np.quantile(g.voltage[g.day], rng.uniform(0.2, 0.8)))
                    rows = np.flatnonzero(here & g.day)
                    at = np.full(len(rows), amount / MODULES)
                    held = np.asarray(
                        pvlib.pvsystem.i_from_v(at, *diode(effective[rows], g.cell[rows]), method="newton")
                    )
                    i[rows] = (
                        np.clip(held, 0, None)
                        / np.maximum(g.current[rows], 1e-3)
                        * g.current[rows]
                        * (
                            clean_i[rows]
                            / np.maximum(g.current[rows] * effective[rows] / np.maximum(g.effective[rows], 2), 1e-3)
                        )
                    )
                    v = v.copy()
                    v[rows] = amount
                sensor = what == "sensor"
                lost = 0.0 if sensor else clean_i * clean_v - i * v
                truth = Truth(name, what, f.time[begin], f.time[stop - 1], 0.0, amount)
                loss_from = lost  # type: ignore[assignment]
            power = i * v / 1000
            before = power + np.asarray(loss_from) / 1000
            # an inverter at its limit moves every input off its point: the common part is of the clean power
            held = np.minimum(1.0, limit / np.maximum(g.current * g.voltage * parallel / 1000, 1e-6))
            if kind == "inverter":
                held = np.minimum(1.0, limit / np.maximum(power, 1e-6))
            if truth is not None:
                most = np.minimum(1.0, limit / np.maximum(before, 1e-6)) if kind == "inverter" else held
                truth.lost = float(((before * most - power * held) * ~stands).sum() * HOURS)
                faults.append(truth)
            v = v * (1 + 0.15 * (1 - held))
            i = i * held / (1 + 0.15 * (1 - held))
            i[stands] = 0.0
            on = g.day & ~stands
            noise = 0.007 * spread
            i_seen = gain * i * (1 + 0.01 * rng.normal()) * (1 + noise * rng.normal(size=size))
            i_seen += rng.uniform(-0.02, 0.04) * parallel
            v_seen = np.where(on, v, 0.0) * gain_v * (1 + 0.002 * rng.normal()) * (1 + 0.001 * rng.normal(size=size))
            i_seen, v_seen = np.round(i_seen, 2), np.round(v_seen, 1)
            gone = silent | (rng.random(size) < 0.003)
            i_seen[gone], v_seen[gone] = np.nan, np.nan
            names.append(name)
            owner.append(f"P{p}")
            currents.append(i_seen)
            voltages.append(v_seen)
            powers.append(i_seen * v_seen / 1000)
    prefix = {"string": "", "mppt": "input_", "inverter": "total_dc_"}[kind]
    dims = ("time", "asset")
    data = xr.Dataset(
        {
            f"{prefix}current": (dims, np.column_stack(currents), {"units": "A"}),
            f"{prefix}voltage": (dims, np.column_stack(voltages), {"units": "V"}),
            f"{prefix}power": (dims, np.column_stack(powers), {"units": "kW"}),
        },
        coords={
            "time": f.time.astype("datetime64[ns]"), "asset": names, "parent": ("asset", owner),
            "asset_type": ("asset", [kind] * len(names)), "string_count": ("asset", [float(parallel)] * len(names)),
            "modules_per_string": ("asset", [float(MODULES)] * len(names)),
        },
    )  # fmt: skip
    return Plant(data, faults, SITES[site][3])
