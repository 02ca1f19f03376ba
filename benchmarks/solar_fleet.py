"""A solar fleet of 500 inverters over a year of 15 minutes, from raw data to the waterfall, with losses of known size put in.

The fleet stands at five plants; every inverter has irradiance, DC and AC power of its own. What is put in: soiling with
rain, stops of hours to days, curtailment at noon, gaps of the link over which the energy counter goes on. The power is made here by
PVWatts' formulas, not by the model that is measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.figures import Cost, Figure, peak_memory_mb
from workbench.analytics.solar import (
    Options,
    expected_power,
    solar_data_quality,
    solar_loss_waterfall,
    solar_losses,
)
from workbench.steps import remarks

INVERTERS, SLOTS = 500, 365 * 96
PLANTS = ((36.8, -119.4), (41.0, -3.0), (48.1, 11.6), (-33.5, 149.0), (28.6, 77.2))
DC, AC = 120.0, 100.0
HOURS = 0.25


def figures() -> Iterator[Figure]:
    data, truth = fleet(seed=1)
    total = wall = 0.0
    with remarks():
        warm = data.isel(asset=slice(0, 2), time=slice(0, 960))
        solar_data_quality(warm)
        solar_losses(warm)
        for function in (solar_data_quality, expected_power):
            with Cost() as cost:
                made = function(data)
            total, wall = total + cost.cpu, wall + cost.wall
            yield Figure(f"{function.__name__}, 500 inverters, a year of 15 min", cost.cpu, "s CPU")
            if function is expected_power:
                expected = float(np.nansum(made["expected_power"].values, dtype=np.float64)) * HOURS
            else:
                data = data.assign(total_ac_power_clipping=made["total_ac_power_clipping"])
            del made
        with Cost() as cost:
            energy = np.nansum(data["total_ac_power"].values, axis=0, dtype=np.float64) * HOURS
            light = np.nansum(data["irradiance_poa"].values, axis=0, dtype=np.float64) * HOURS / 1000.0
            ratio = energy / DC / light
        total, wall = total + cost.cpu, wall + cost.wall
        yield Figure("performance ratio of the fleet", float(ratio.mean()), "1", note="final over reference yield")
        with Cost() as cost:
            losses = solar_losses(data, options=Options(), price=60.0, by="month")
            tables = [solar_loss_waterfall(losses, group=group) for group in (None, "farm_id", "asset")]
        total, wall = total + cost.cpu, wall + cost.wall
        yield Figure("solar_losses by month and waterfalls of it", cost.cpu, "s CPU")
    yield Figure("quality, expected, PR, waterfall: CPU", total, "s CPU", 120.0)
    yield Figure("quality, expected, PR, waterfall: wall", wall, "s", 120.0)
    yield Figure("memory of it, with the data", peak_memory_mb(), "MB", 6000.0)
    worst = 0.0
    for table in tables:
        step = table.index.get_level_values("step")
        ends = table[step == "potential"]["energy"].to_numpy() - table[step == "actual"]["energy"].to_numpy()
        lost = table[~np.isin(step, ["potential", "actual"])]["energy"]
        summed = -(
            lost.groupby(level=0, sort=False).sum().to_numpy() if table.index.nlevels > 1 else np.array([lost.sum()])
        )
        worst = max(worst, float(np.abs(summed / ends - 1).max()))
    apart = losses["potential_energy"] - losses["actual_energy"] - losses["lost_energy"].sum("category")
    worst = max(worst, float(np.abs(apart / losses["potential_energy"]).max()))
    yield Figure("closing error, worst of portfolio, plants, inverters, months", 100 * worst, "%", 0.1)
    bars = tables[0]["energy"]
    for name, true in truth.items():
        note = f"{-bars[name] / 1000:.0f} MWh found, {true / 1000:.0f} put in"
        yield Figure(f"{name}: found less put in", 100 * abs(-bars[name] / true - 1), "%", note=note)
    yield Figure("unexplained, of the potential", 100 * abs(bars["unexplained"] / bars["potential"]), "%")
    yield Figure(
        "expected power over the truth before losses put in",
        100 * abs(expected / EXPECTED[0] - 1),
        "%",
    )


EXPECTED: list[float] = []


def fleet(seed: int) -> tuple[xr.Dataset, dict[str, float]]:
    """The data, and what was put in [kWh]."""
    import pvlib

    rng = np.random.default_rng(seed)
    times = pd.date_range("2023-01-01", periods=SLOTS, freq="15min", tz="UTC")
    middle = times + pd.Timedelta("7min30s")
    shape = (SLOTS, INVERTERS)
    fields = {name: np.empty(shape, np.float32) for name in ("irradiance_poa", "total_dc_power", "total_ac_power")}
    limits = np.full(shape, AC, np.float32)
    ratio = np.empty(shape, np.float32)
    counter = np.empty(shape)
    states = np.full(shape, 3, np.uint8)
    air = np.empty(shape, np.float32)
    truth = dict.fromkeys(("soiling", "downtime", "curtailment"), 0.0)
    EXPECTED[:] = [0.0]
    per = INVERTERS // len(PLANTS)
    for plant, (latitude, longitude) in enumerate(PLANTS):
        sun = pvlib.solarposition.get_solarposition(middle, latitude, longitude)
        sky = pvlib.location.Location(latitude, longitude).get_clearsky(middle, solar_position=sun)
        facing = 180.0 if latitude > 0 else 0.0
        plane = pvlib.irradiance.get_total_irradiance(
            25.0,
            facing,
            sun["apparent_zenith"],
            sun["azimuth"],
            sky["dni"],
            sky["ghi"],
            sky["dhi"],
            model="isotropic",
            albedo=0.2,
        )
        clear = np.nan_to_num(plane["poa_global"].to_numpy())
        share = np.nan_to_num(plane["poa_direct"].to_numpy() / np.maximum(clear, 1e-6))
        taken = np.nan_to_num(
            pvlib.iam.physical(pvlib.irradiance.aoi(25.0, facing, sun["apparent_zenith"], sun["azimuth"]).to_numpy())
        )
        cloud = np.repeat(np.clip(rng.beta(4, 1.2, SLOTS // 8 + 1), 0.1, 1), 8)[:SLOTS]
        warm = (
            15
            + 10 * np.sin(np.arange(SLOTS) / 96 * 2 * np.pi + 4)
            + 8 * np.sin(np.arange(SLOTS) / SLOTS * 2 * np.pi - 1.5)
        )
        dirt = np.zeros(SLOTS)
        rain = np.sort(rng.choice(365, 25, replace=False)) * 96
        for start, stop in zip([0, *rain], [*rain, SLOTS], strict=True):
            dirt[start:stop] = np.minimum(0.0012 * np.arange(stop - start) / 96, 0.08)
        # a haze takes the beam first: what is left is the more diffuse
        dim = np.clip(share * cloud**1.5, 0, 1)
        let_in = 1 - dim * (1 - taken)
        for k in range(plant * per, (plant + 1) * per):
            poa = clear * cloud * rng.normal(1, 0.01, SLOTS).clip(0.9, 1.1)
            cell = warm + poa * 0.028
            possible = DC * poa / 1000 * let_in * (1 - 0.004 * (cell - 25)) * (1 - 0.0444)
            dirty = possible * (1 - dirt)
            nominal = 0.96
            whole = ac_of(possible, nominal)
            EXPECTED[0] += float(np.minimum(whole, AC).sum()) * HOURS
            free = ac_of(dirty, nominal)
            ac = np.minimum(free, AC)
            # before wiring, where the losses have it
            truth["soiling"] += float((possible - dirty).sum()) * HOURS / (1 - 0.0444)
            limit = np.full(SLOTS, AC)
            for day in rng.choice(365, 12, replace=False):
                start = day * 96 + int(np.argmax(clear[day * 96 : day * 96 + 96])) - 6
                limit[max(start, 0) : start + 12] = 55.0
            held = np.minimum(ac, limit)
            stop = np.zeros(SLOTS, bool)
            for start in rng.integers(0, SLOTS - 400, 5):
                stop[start : start + int(rng.integers(8, 300))] = True
            truth["downtime"] += float(ac[stop].sum()) * HOURS
            truth["curtailment"] += float((ac - held)[~stop].sum()) * HOURS
            made = np.where(stop, 0.0, held)
            efficiency = np.where(free > 0, free / np.maximum(dirty, 1e-9), 1.0)
            counter[:, k] = np.cumsum(made) * HOURS + 1e6
            put_in = np.where(efficiency > 0, made / np.maximum(efficiency, 1e-6), 0.0)
            for start in rng.integers(100, SLOTS - 400, 4):  # the link is gone, the inverter is not
                gap = slice(start, start + int(rng.integers(4, 60)))
                made[gap] = put_in[gap] = np.nan
            fields["irradiance_poa"][:, k], fields["total_ac_power"][:, k], fields["total_dc_power"][:, k] = (
                poa,
                made,
                put_in,
            )
            states[stop, k] = 6
            limits[:, k], ratio[:, k], air[:, k] = limit, 1 - dirt, cell
    dims = ("time", "asset")
    where = np.repeat(np.array(PLANTS), per, axis=0)
    data = xr.Dataset(
        {name: (dims, values, {"units": "W/m2" if "irradiance" in name else "kW"}) for name, values in fields.items()}
        | {
            "power_setpoint": (dims, limits, {"units": "kW"}),
            "soiling_ratio": (dims, ratio, {"units": "1"}),
            "cell_temperature": (dims, air, {"units": "degC"}),
            "energy_lifetime": (dims, counter, {"units": "kWh"}),
            "operating_state": (dims, states),
        },
        coords={
            "time": times.tz_localize(None).as_unit("ns"),
            "asset": [f"I{k:03d}" for k in range(INVERTERS)],
            "farm_id": ("asset", [f"plant {k // per}" for k in range(INVERTERS)]),
            "latitude": ("asset", where[:, 0]),
            "longitude": ("asset", where[:, 1]),
            "tilt": ("asset", np.full(INVERTERS, 25.0)),
            "azimuth": ("asset", np.where(where[:, 0] > 0, 180.0, 0.0)),
            "dc_capacity": ("asset", np.full(INVERTERS, DC)),
            "rated_capacity": ("asset", np.full(INVERTERS, AC)),
            "module_temp_coeff_power": ("asset", np.full(INVERTERS, -0.4)),
        },
        attrs={"asset_type": "inverter", "cadence": "PT15M"},
    )
    return data, truth


def ac_of(dc: np.ndarray, nominal: float) -> np.ndarray:
    """PVWatts' inverter without its limit [kW]."""
    most = AC / nominal
    load = np.clip(dc / most, 1e-6, 1.0)
    return np.clip(nominal / 0.9637 * (-0.0162 * load - 0.0059 / load + 0.9858), 0, 1) * dc
