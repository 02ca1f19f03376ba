"""What a step says of itself before it runs is what it does: fields, units, how far it looks, lazy in and lazy out."""

from __future__ import annotations

import functools
from typing import Any

import dask
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.pipelines.inputs import Opened
from workbench.pipelines.run import works_on
from workbench.steps import Effect, get_step, progress_told, steps
from workbench.transforms.effects import Fields, gives

SLOT = 600 * 10**9
CURVE = '{"wind_speed": [3, 5, 7, 9, 11, 13, 25], "power": [0, 200, 550, 1100, 1700, 2000, 2000]}'
ROWS = 300


def telemetry(seed: int = 1) -> xr.Dataset:
    """Two turbines, ten minutes each, with gaps and flags."""
    rng = np.random.default_rng(seed)
    dims, shape = ("time", "asset"), (ROWS, 2)

    def some(values: Any, units: str) -> Any:
        return dims, np.where(rng.random(shape) < 0.03, np.nan, values), {"units": units}

    wind = 8 + np.cumsum(rng.normal(0, 0.4, shape), axis=0) * 0.3
    wind[40:60] = wind[40]  # long enough to be called stuck
    flags = (rng.random(shape) < 0.02).astype("uint16") * np.uint16(1)
    return xr.Dataset(
        {
            "wind_speed": some(wind, "m/s"),
            "wind_speed_2": some(wind + rng.normal(0, 0.1, shape), "m/s"),
            "wind_speed_min": some(wind - 1, "m/s"),
            "power_output": some(np.clip(wind, 0, 12) * 150, "kW"),
            "curtailment_limit": some(rng.uniform(1500, 2500, shape), "kW"),
            "temperature": some(rng.normal(15, 3, shape), "degC"),
            "nacelle_position": (dims, np.cumsum(wind, axis=0) % 360, {"units": "degree"}),
            "wind_speed_drift": (dims, np.where(wind > 8, 4.0, 0.0), {"units": "%", "flagged_from": 3.0}),
            "nacelle_position_northing_offset": (dims, np.where(wind > 8, 15.0, 0.0), {"units": "degree"}),
            "clock_shift": (dims, np.where(np.arange(ROWS)[:, None] > 200, [60.0, 0.0], 0.0), {"units": "min"}),
            "ready_time": some(rng.uniform(200, 600, shape), "s"),
            "stop_time": some(np.clip(rng.uniform(-300, 450, shape), 0, None), "s"),
            "status": some(rng.choice([0, 4, 9, 12], shape).astype("float64"), "1"),
            "wind_direction": (dims, np.cumsum(np.full(shape, 1.2), axis=0) + 6 * wind, {"units": "degree"}),
            "sample_count": (dims, rng.integers(0, 3, shape).astype("float64")),
            "wind_speed_quality": (dims, flags),
            "temperature_quality": (dims, flags[::-1].copy()),
        },
        coords={
            "time": pd.date_range("2025-01-01", periods=ROWS, freq="10min", unit="ns"),
            "asset": ["T1", "T2"],
            "rated_capacity": ("asset", [2000.0, 1500.0], {"units": "kW"}),
            "hub_height": ("asset", [80.0, 90.0], {"units": "m"}),
            "rotor_diameter": ("asset", [82.0, 92.0], {"units": "m"}),
            "elevation": ("asset", [400.0, 420.0], {"units": "m"}),
            "latitude": ("asset", [48.45, 48.455], {"units": "deg"}),
            "longitude": ("asset", [5.58, 5.581], {"units": "deg"}),
            "manufacturer_power_curve": ("asset", np.array([CURVE, CURVE], dtype=object)),
        },
        attrs={"asset_type": "wind_turbine", "timezone": "Europe/Paris"},
    )


def records() -> pl.LazyFrame:
    """Orders and readings, one in each row."""
    rng = np.random.default_rng(2)
    rows = [
        {
            "id": number // 2,
            "created_at": f"2025-01-{1 + number % 28:02d}T10:30:00Z",
            "total_price": f"${number + 0.5}",
            "currency": "EUR",
            "billing": {"email": f"U{number}@Example.com", "city": "Lyon"},
            "line_items": [{"name": "x", "price": 1.0}] * (number % 3),
            "tags": ["a", "b"],
            "machine_id": f"M{number % 2}",
            "timestamp": f"2025-01-01T{number // 2:02d}:{30 * (number % 2):02d}:00Z",
            "temperature": float(70 + rng.normal(0, 9)),
            "vibration": float(rng.uniform(1, 5)),
            "ssn": "123-45-6789",
        }
        for number in range(40)
    ]
    return pl.from_dicts(rows).lazy()


def reanalysis() -> xr.Dataset:
    """Three years of hourly wind of one point."""
    times = pd.date_range("2022-01-01", "2025-01-01", freq="h", inclusive="left", unit="ns")
    rng = np.random.default_rng(3)
    speed = 8 + 2 * np.cos(2 * np.pi * times.day_of_year / 365.25) + np.repeat(rng.normal(0, 2, len(times) // 24), 24)
    angle = np.repeat(rng.uniform(0, 6.28, len(times) // 24), 24)
    variables = {"wind_speed": speed, "wind_u": np.cos(angle), "wind_v": np.sin(angle), "temperature": 5 + 0 * speed}
    variables["air_density"] = 1.2 + 0.02 * np.cos(2 * np.pi * times.day_of_year / 365.25)
    return xr.Dataset({k: ("time", np.clip(v, -20, 20)) for k, v in variables.items()}, coords={"time": times})


def year() -> xr.Dataset:
    """Two turbines and a meter of their own each, hourly, a year: for steps that are about the whole of it."""
    wind = reanalysis().sel(time="2024")["wind_speed"]
    rng = np.random.default_rng(4)
    speed = wind.values[:, None] * rng.normal(1, 0.05, (wind.size, 2))
    power = np.clip(speed / 12, 0, 1) ** 3 * [2000.0, 1500.0]
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "wind_speed": (dims, speed, {"units": "m/s"}),
            "power_output": (dims, power, {"units": "kW"}),
            "net_energy": (dims, 0.95 * power, {"units": "kWh"}),
            "availability_loss": (dims, 0.03 * power, {"units": "kWh"}),
            "curtailment_loss": (dims, 0.02 * power, {"units": "kWh"}),
        },
        coords={
            "time": wind["time"].values,
            "asset": ["T1", "T2"],
            "rated_capacity": ("asset", [2000.0, 1500.0], {"units": "kW"}),
        },
    )


def told() -> xr.Dataset:
    """What the analyses of a year give, of two turbines."""
    fields = {"long_term_energy": [4.5e6, 3.4e6], "long_term_gross_energy": [5.0e6, 3.7e6]}
    fields |= {"electrical_loss": [0.02, 0.02], "long_term_availability_loss": [0.03, 0.01]}
    return year().assign({name: ("asset", np.array(values)) for name, values in fields.items()})


@functools.cache
def farm() -> xr.Dataset:
    """Three turbines in each other's wakes, ten minutes each, forty days."""
    from benchmarks._wake_farm import made_farm

    return made_farm(3, turbines=3, days=40, years=2, terrain=0.003).turbines


def battery() -> xr.Dataset:
    """Two batteries that are charged by day and discharged in the evening, ten minutes, twenty days."""
    times = pd.date_range("2025-01-01", periods=2_880, freq="10min", unit="ns")
    rng = np.random.default_rng(5)
    shape = (len(times), 2)
    hour = np.arange(len(times)) / 6 % 24
    flow = np.where((hour >= 9) & (hour < 13), -200.0, np.where((hour >= 17) & (hour < 21), 200.0, 0.0))[:, None]
    soc = 10.0 - np.cumsum(flow, axis=0) / 60.0
    volt = 3.0 + 0.011 * soc - 0.0002 * flow
    heat = 25 + 0.02 * np.abs(flow)
    values = {
        "charge_power": (np.maximum(-flow, 0) / 0.92, "kW"), "discharge_power": (np.maximum(flow, 0) * 0.92, "kW"),
        "active_power": (np.maximum(flow, 0) * 0.92 - np.maximum(-flow, 0) / 0.92 - 2, "kW"),
        "dc_power": (flow, "kW"), "dc_current": (flow / (0.2 * volt), "A"), "dc_voltage": (200 * volt, "V"),
        "cell_voltage_mean": (volt, "V"), "cell_voltage_min": (volt - 0.01, "V"), "cell_voltage_max": (volt + 0.01, "V"),
        "state_of_charge": (soc, "%"), "cell_temperature_max": (heat + 2, "degC"), "cell_temperature_min": (heat - 2, "degC"),
        "cell_temperature_mean": (heat, "degC"), "ambient_temperature": (15 + 0 * flow, "degC"),
        "state_of_health": (100 - 0.05 * np.arange(len(times))[:, None] / 144, "%"),
        "cycle_count": (100 + 0.8 * np.arange(len(times))[:, None] / 144, "1"), "total_ac_power": (300 + 0 * flow, "kW"),
    }  # fmt: skip
    return xr.Dataset(
        {n: (("time", "asset"), v + 1e-3 * rng.random(shape), {"units": u}) for n, (v, u) in values.items()},
        coords={
            "time": times.to_numpy(),
            "asset": ["B1", "B2"],
            "rated_capacity": ("asset", [250.0, 250.0], {"units": "kW"}),
            "energy_capacity": ("asset", [1000.0, 1000.0], {"units": "kWh"}),
            "chemistry": ("asset", np.array(["NMC", "NMC"], dtype=object)),
        },
    )


def cells() -> xr.Dataset:
    """Six cells of one battery, the last of which holds less."""
    from tests.analytics.storage.test_cells import pack

    return pack()


def sun() -> xr.Dataset:
    """Two inverters with irradiance, a quarter of an hour each, for a month, and what a first look found of them."""
    times = pd.date_range("2024-05-01", periods=30 * 96, freq="15min", unit="ns")
    rng = np.random.default_rng(5)
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60
    clear = np.clip(np.cos((hour - 12) / 14 * 2 * np.pi), 0, None)[:, None] * rng.uniform(0.5, 1, (len(times), 2))
    dims = ("time", "asset")
    power = np.round(clear * [80.0, 100.0], 3)
    return xr.Dataset(
        {
            "total_ac_power": (dims, power, {"units": "kW"}),
            "irradiance_ghi": (dims, 900 * clear - 1, {"units": "W/m2"}),
            "irradiance_dhi": (dims, 150 * clear, {"units": "W/m2"}),
            "irradiance_dni": (dims, 800 * clear, {"units": "W/m2"}),
            "total_ac_power_night_offset": (dims, np.full_like(power, -0.5), {"units": "kW"}),
            "total_ac_power_sign": (dims, np.where(hour[:, None] > 12, 1, [1, -1]).astype("int8"), {"units": "1"}),
            "total_ac_power_level": (dims, np.where(hour[:, None] > 12, [1.0, 1.2], 1.0), {"units": "1"}),
            "total_ac_power_quality": (dims, (power > 60).astype("uint16") * np.uint16(8192)),
        },
        coords={
            "time": times,
            "asset": ["I1", "I2"],
            "latitude": ("asset", [40.0, 40.0], {"units": "deg"}),
            "longitude": ("asset", [0.0, 0.0], {"units": "deg"}),
            "tilt": ("asset", [20.0, 20.0], {"units": "degree"}),
        },
    )


def sunny() -> xr.Dataset:
    """A solar plant by days, two years: for steps that are about the whole of it."""
    times = pd.date_range("2022-01-01", periods=740, freq="D", unit="ns")
    rng = np.random.default_rng(5)
    dims, shape = ("time", "asset"), (len(times), 1)
    index = (1 - 0.002 * (np.arange(len(times)) % 40))[:, None] * rng.normal(0.9, 0.005, shape)
    sun = rng.uniform(3, 7, shape)
    return xr.Dataset(
        {
            "performance_index": (dims, index, {"units": "1"}),
            "insolation": (dims, sun, {"units": "kWh/m2"}),
            "power_output": (dims, 100 * sun * index / 24, {"units": "kW"}),
        },
        coords={"time": times, "asset": ["I1"], "rated_capacity": ("asset", [100.0], {"units": "kW"})},
        attrs={"asset_type": "inverter", "cadence": "P1D"},
    )


def generating() -> xr.Dataset:
    """Two inverters, a quarter of an hour each, for ten days, with all that key figures and a capacity test ask for."""
    times = pd.date_range("2024-05-01", periods=10 * 96, freq="15min", unit="ns")
    rng = np.random.default_rng(6)
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60
    sun = 900 * np.clip(np.cos((hour - 12) / 14 * 2 * np.pi), 0, None)[:, None] * rng.uniform(0.96, 1, (len(times), 2))
    air, wind = rng.uniform(5, 25, sun.shape), rng.uniform(0, 6, sun.shape)
    values = {
        "total_ac_power": (0.09 * sun, "kW"), "total_dc_power": (0.093 * sun, "kW"), "expected_power": (0.1 * sun, "kW"),
        "irradiance_poa": (sun, "W/m2"), "ambient_temperature": (air, "degC"), "wind_speed": (wind, "m/s"),
    }  # fmt: skip
    return xr.Dataset(
        {name: (("time", "asset"), field, {"units": units}) for name, (field, units) in values.items()},
        coords={
            "time": times,
            "asset": ["I1", "I2"],
            "dc_capacity": ("asset", [100.0, 100.0], {"units": "kW"}),
            "rated_capacity": ("asset", [95.0, 95.0], {"units": "kW"}),
        },
        attrs={"timezone": "Europe/Madrid"},
    )


def plant_day() -> xr.Dataset:
    """Two inverters by quarter hours, two days, with irradiance in the plane and what the losses take."""
    times = pd.date_range("2022-06-01", periods=192, freq="15min", unit="ns")
    hour = np.asarray(times.hour + times.minute / 60)[:, None]
    light = np.clip(np.cos((hour - 12) / 7 * np.pi / 2), 0, None) * 900 * np.ones((1, 2))
    light[30:34, 0] = np.nan
    power = 0.08 * np.nan_to_num(light)
    power[50:60, 1] = 0.0
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "irradiance_poa": (dims, light, {"units": "W/m2"}),
            "irradiance_ghi": (dims, 0.9 * np.nan_to_num(light), {"units": "W/m2"}),
            "module_temperature": (dims, 20 + 0.02 * np.nan_to_num(light), {"units": "degC"}),
            "total_ac_power": (dims, power, {"units": "kW"}),
            "total_dc_power": (dims, power / 0.97, {"units": "kW"}),
            "power_setpoint": (dims, np.full(power.shape, 60.0), {"units": "kW"}),
            "soiling_ratio": (dims, np.full(power.shape, 0.98), {"units": "1"}),
        },
        coords={"time": times, "asset": ["I1", "I2"]}
        | {
            name: ("asset", [value, value])
            for name, value in {
                "latitude": 40.0, "longitude": 0.0, "tilt": 20.0, "azimuth": 180.0, "rated_capacity": 90.0,
                "dc_capacity": 100.0, "farm_id": "plant",
            }.items()
        },
        attrs={"asset_type": "inverter", "cadence": "PT15M"},
    )  # fmt: skip


def strings() -> xr.Dataset:
    """Six strings of one inverter, a fortnight by the hour; one is open from the tenth day on."""
    times = pd.date_range("2024-06-01", periods=14 * 24, freq="h", unit="ns")
    rng = np.random.default_rng(5)
    sun = np.clip(np.cos((times.hour.to_numpy() - 12) / 14 * 2 * np.pi), 0, None)[:, None] * rng.uniform(
        0.5, 1, (len(times), 1)
    )
    current = 9 * sun * rng.normal(1, 0.005, (len(times), 6))
    current[9 * 24 :, 2] = 0.0
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "current": (dims, current, {"units": "A"}),
            "voltage": (dims, np.where(sun > 0, 800.0, 0.0) * np.ones((1, 6)), {"units": "V"}),
        },
        coords={"time": times, "asset": [f"S{n}" for n in range(6)], "parent": ("asset", ["I1"] * 6)},
    )


def blocks() -> xr.Dataset:
    """Five inverters on trackers, a fortnight by the half hour: one tracker stands, one inverter loses efficiency."""
    times = pd.date_range("2024-06-01", periods=14 * 48, freq="30min", unit="ns")
    rng = np.random.default_rng(5)
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60
    sun = np.clip(np.cos((hour - 11.75) / 14 * 2 * np.pi), 0, None)[:, None]
    power = 100 * np.sqrt(sun) * rng.normal(1, 0.003, (len(times), 5))
    angle = np.where(sun > 0, np.clip((hour - 11.75) * 12, -60, 60)[:, None], 0.0) * np.ones((1, 5))
    target = angle.copy()
    angle[8 * 48 :, 1] = 40.0
    ac = power * 0.975
    ac[9 * 48 :, 3] *= 0.95
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "total_dc_power": (dims, power, {"units": "kW"}),
            "total_ac_power": (dims, ac, {"units": "kW"}),
            "tracker_position": (dims, angle, {"units": "degree"}),
            "tracker_target": (dims, target, {"units": "degree"}),
        },
        coords={
            "time": times, "asset": [f"I{n}" for n in range(5)],
            "latitude": ("asset", [40.0] * 5), "longitude": ("asset", [0.0] * 5),
        },
    )  # fmt: skip


#: Steps that want data of their own.
OWN = dict.fromkeys(("plant_yield", "turbine_energy", "electrical_losses"), year)
OWN |= {"yield_gap": told, "direction_offset": farm}
OWN |= dict.fromkeys(
    ("battery_sign_correction", "soc_recount", "battery_health", "battery_efficiency", "battery_cycles", "cell_spread",
     "thermal_alarms", "usable_energy", "battery_remaining_life", "hybrid_flows", "battery_health_trend",
     "battery_warranty_log"), battery,
)  # fmt: skip
OWN |= dict.fromkeys(
    ("irradiance_quality", "orientation_check", "solar_clock_shift_detection", "solar_data_quality",
     "solar_level_correction"), sun,
)  # fmt: skip
OWN |= {"weakest_cells": cells, "string_faults": strings, "tracker_faults": blocks, "inverter_faults": blocks}
OWN |= dict.fromkeys(("degradation_and_soiling", "soiling_cost", "year_on_year_degradation"), sunny)
OWN |= dict.fromkeys(("solar_kpi", "solar_availability", "solar_capacity_test"), generating)
OWN |= dict.fromkeys(("solar_expected_power", "solar_losses", "solar_loss_waterfall"), plant_day)


def data_of(name: str, kind: str = "telemetry") -> Any:
    """What the examples of a step run on."""
    return OWN[name]() if name in OWN else telemetry() if kind == "telemetry" else records()


OTHER = pl.DataFrame({"machine_id": ["M0", "M1"], "hall": ["A", "B"], "made": [{"by": "X"}, {"by": "Y"}]})
ROLL = {"field": "wind_speed", "statistics": ["mean", "trend", "kurtosis", "count", "stddev"], "output_prefix": "ws"}

#: For each step examples of its parameters; ``(kind, parameters)``.
EXAMPLES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "timestamp_normalization": [("telemetry", {"source_timezone_field": "location.timezone"})],
    "unit_conversion": [
        (
            "telemetry",
            {
                "conversions": [
                    {"field": "wind_speed", "to_unit": "mph", "output_field": "wind_speed_mph"},
                    {"field": "power_output", "to_unit": "MW"},
                    {"field": "temperature", "to_unit": "degF", "output_field": "temperature_f"},
                ]
            },
        )
    ],
    "field_standardization": [
        (
            "telemetry",
            {
                "mappings": [
                    {"source_fields": ["wind_speed", "wind_speed_2"], "destination_field": "wind"},
                    {"source_fields": ["power_output"], "destination_field": "power", "default_unit": "MW"},
                ]
            },
        )
    ],
    "asset_identification": [("telemetry", {"id_field": "turbine_id"})],
    "data_quality_flagging": [
        (
            "telemetry",
            {
                "rules": [
                    {
                        "field": "power_output",
                        "rule": "range_check",
                        "parameters": {"max": "curtailment_limit * 1.05", "flag_name": "too_much"},
                    },
                    {
                        "field": "wind_speed",
                        "rule": "rate_of_change",
                        "parameters": {"max_delta": 1, "time_window": "PT1H"},
                    },
                    {"field": "wind_speed", "rule": "spike", "parameters": {"time_window": "PT2H", "threshold": 2}},
                    {
                        "field": "wind_speed",
                        "rule": "stuck_value",
                        "parameters": {"time_window": "PT1H", "above": "0.1"},
                    },
                    {
                        "field": "wind_speed",
                        "rule": "gap",
                        "parameters": {"time_window": "PT1H", "flag_name": "long_gap"},
                    },
                    {"field": "wind_speed", "rule": "duplicate"},
                    {
                        "field": "temperature",
                        "rule": "cross_check",
                        "parameters": {"other_field": "wind_speed_2", "tolerance": "power_output / 100"},
                    },
                ]
            },
        )
    ],
    "flag_range": [("telemetry", {}), ("telemetry", {"variables": ["wind_speed_min"]})],
    "flag_stuck": [
        ("telemetry", {}),
        ("telemetry", {"after": {"wind_speed": "PT40M"}, "variables": ["wind_speed", "temperature", "wind_speed_2"]}),
    ],
    "mark_gaps": [("telemetry", {}), ("telemetry", {"variables": ["wind_speed"]})],
    "flag_quality": [
        ("telemetry", {}),
        ("telemetry", {"range": False, "gaps": False, "stuck_after": {"wind_speed_2": "PT1H"}}),
        ("telemetry", {"stuck": False, "variables": ["wind_speed"]}),
    ],
    "rolling_statistics": [("telemetry", {"windows": ["PT1H", "PT3H"], "features": [ROLL]})],
    "calculated_health_indicators": [
        (
            "telemetry",
            {
                "indicators": [
                    {"name": "a", "formula": "temperature - temperature_mean_2h", "units": "degC"},
                    {"name": "b", "formula": "IF(a > 0 FOR PT1H, a, -a)"},
                ]
            },
        )
    ],
    "conditional_classification": [
        (
            "telemetry",
            {
                "field_name": "state",
                "conditions": [
                    {"condition": "wind_speed_mean_1h > 9 FOR PT30M", "value": "strong"},
                    {"condition": "temperature > 16", "value": "warm"},
                    {"condition": "DEFAULT", "value": "else"},
                ],
            },
        ),
        (
            "telemetry",
            {"field_name": "state", "conditions": [{"condition": "temperature_max_1h > 15", "value": "warm"}]},
        ),
    ],
    "statistical_aggregation": [
        (
            "telemetry",
            {
                "time_window": "PT3H",
                "group_by": ["asset", "wind_speed_bin"],
                "aggregations": [
                    {"field": "power_output", "function": "mean"},
                    {"field": "power_output", "function": "count"},
                    {"field": "temperature", "function": "p90", "output": "warm"},
                ],
            },
        ),
        (
            "records",
            {
                "time_window": "PT1H",
                "group_by": ["machine_id"],
                "aggregations": [{"field": "temperature", "function": "avg"}],
            },
        ),
    ],
    "anomaly_detection": [
        *(
            ("telemetry", {"field_name": "temperature", "algorithm": algorithm, "baseline_period": "PT6H"})
            for algorithm in ("z_score", "robust_z", "ewma")
        ),
        (
            "telemetry",
            {
                "fields": ["temperature", "wind_speed"],
                "algorithm": "hotelling_t2",
                "baseline_period": "PT12H",
                "retrain_period": "PT6H",
                "output_field": "t2",
            },
        ),
        ("records", {"field_name": "temperature", "baseline_period": "P1D"}),
    ],
    "air_density": [("telemetry", {}), ("telemetry", {"output_field": "rho"})],
    "density_normalization": [
        ("telemetry", {}),
        ("telemetry", {"control": "stall", "reference_density": 1.1, "output_field": "power_standard"}),
        ("telemetry", {"reference_density": "site_mean"}),
    ],
    "ten_minute_means": [("telemetry", {}), ("telemetry", {"least": 0.5})],
    "clock_shift_detection": [
        ("telemetry", {}),
        ("telemetry", {"reference": "wind_speed_2", "flag": False}),
    ],
    "clock_shift_correction": [("telemetry", {})],
    "solar_data_quality": [("telemetry", {}), ("telemetry", {"variables": ["irradiance_ghi"], "level": False})],
    "solar_level_correction": [("telemetry", {}), ("telemetry", {"night_offset": False, "level": True})],
    "solar_clock_shift_detection": [("telemetry", {}), ("telemetry", {"flag": False})],
    "irradiance_quality": [("telemetry", {}), ("telemetry", {"dni": "none", "rare": False})],
    "orientation_check": [("telemetry", {})],
    "northing_jump_detection": [
        ("telemetry", {}),
        ("telemetry", {"reference": "nacelle_position", "flag": False}),
    ],
    "northing_jump_correction": [("telemetry", {})],
    "icing_detection": [("telemetry", {}), ("telemetry", {"freezing": 14.0, "flag": False})],
    "curtailment_detection": [("telemetry", {}), ("telemetry", {"set_point": "curtailment_limit"})],
    "sensor_drift_detection": [
        ("telemetry", {}),
        ("telemetry", {"variable": "temperature", "reference": "wind_speed_2", "flag": False}),
    ],
    "sensor_drift_correction": [("telemetry", {})],
    "static_yaw_misalignment": [
        ("telemetry", {"vane": "temperature", "simulations": 5}),
        ("telemetry", {"vane": "temperature", "nacelle": "wind_speed_2", "compatibility": "openoa-3.2"}),
    ],
    "yaw_settings_sweep": [("telemetry", {"vane": "temperature", "output_field": "sweep"})],
    "dynamic_yaw_error": [("telemetry", {"vane": "temperature", "optimum": 2.0, "output_field": "lost"})],
    "upgrade_uplift": [("telemetry", {"upgraded": ["T1"], "when": "2025-01-02", "direction": "temperature"})],
    "degradation_rate": [("telemetry", {}), ("telemetry", {"reference": "neighbours", "output_field": "rate"})],
    "power_curve_comparison": [
        ("telemetry", {}),
        ("telemetry", {"algorithm": "logistic", "air_density_correction": False, "output_fields": ["expected_power"]}),
        *(
            (
                "telemetry",
                {
                    "algorithm": algorithm,
                    "reference_curve": "historical",
                    "control": control,
                    "baseline_period": "P1D",
                    "retrain_period": "PT6H",
                    "min_history": 60,
                },
            )
            for algorithm, control in (("polynomial_regression", "pitch"), ("method_of_bins", "stall"))
        ),
    ],
    "availability_categories": [
        ("telemetry", {"counters": {"ready_time": "available", "stop_time": "forced_outage"}, "slot": "PT10M"}),
        (
            "telemetry",
            {
                "counters": {"ready_time": "available", "stop_time": "bats"},
                "own": {"bats": "environmental_standby"},
                "status": "status",
                "codes": {"0": "available", "9": "forced_outage"},
                "by_production": True,
                "first": ["scheduled_maintenance"],
                "slot": "PT10M",
                "output_field": "state",
            },
        ),
    ],
    "energy_losses": [
        (
            "telemetry",
            {
                "seconds": {"available": "ready_time", "forced_outage": "stop_time"},
                "expected": "curtailment_limit",
                "slot": "PT10M",
            },
        ),
        (
            "telemetry",
            {
                "seconds": {"forced_outage": "stop_time", "unknown": "ready_time"},
                "expected": "curtailment_limit",
                "price": "wind_speed_2",
                "currency": "GBP",
                "slot": "PT10M",
            },
        ),
    ],
    "loss_waterfall": [
        (
            "telemetry",
            {
                "seconds": {"available": "ready_time", "forced_outage": "stop_time"},
                "expected": "curtailment_limit",
                "slot": "PT10M",
            },
        ),
        (
            "telemetry",
            {
                "seconds": {"available": "ready_time", "bats": "stop_time"},
                "own": {"bats": "environmental_standby"},
                "expected": "curtailment_limit",
                "limit": "power_output",
                "price": "wind_speed_2",
                "stopped_is_zero": True,
                "slot": "PT10M",
                "output_field": "bars",
            },
        ),
    ],
    "reliability": [
        ("telemetry", {"seconds": {"available": "ready_time", "forced_outage": "stop_time"}, "slot": "PT10M"}),
        (
            "telemetry",
            {
                "seconds": {"available": "ready_time", "bats": "stop_time"},
                "own": {"bats": "environmental_standby"},
                "categories": ["environmental_standby"],
                "merge": "PT1H",
                "slot": "PT10M",
            },
        ),
    ],
    "iec_power_curve": [
        ("telemetry", {"instruments": {"power": 10, "wind_speed": 0.2}, "cut_in": 3.5}),
        (
            "telemetry",
            {
                "instruments": {},
                "cut_in": 3.5,
                "rating": 1900,
                "control": "stall",
                "normal": False,
                "bin_width": 1.0,
                "output_field": "curve",
            },
        ),
        ("telemetry", {"instruments": {}, "cut_in": 3.5, "air_density_correction": False}),
    ],
    "plant_yield": [
        ("telemetry", {"reanalysis": {"one": reanalysis()}, "years": (2, 3), "simulations": 50}),
        (
            "telemetry",
            {
                "reanalysis": {"one": reanalysis()},
                "years": (2, 3),
                "simulations": 5,
                "resolution": "day",
                "regression": "spline",
                "temperature": True,
            },
        ),
        (
            "telemetry",
            {"reanalysis": {"one": reanalysis()}, "years": (2, 3), "simulations": 5, "meter": year().isel(asset=[0])},
        ),
    ],
    "yield_gap": [
        ("telemetry", {"net_energy": 8.5e6, "gross_energy": 9.5e6, "losses": {"availability": 0.03, "wake": 0.05}}),
        (
            "telemetry",
            {
                "net_energy": 8.5,
                "gross_energy": 9.5,
                "unit": "GWh",
                "losses": {"availability": 0.03, "electrical": 0.02},
                "ideal_energy": 8.8,
                "operation_losses": {"availability": 0.02, "electrical": "electrical_loss"},
                "compatibility": "openoa-3.2",
                "output_field": "gap",
            },
        ),
    ],
    "turbine_energy": [("telemetry", {"reanalysis": {"one": reanalysis()}, "simulations": 2})],
    "electrical_losses": [
        ("telemetry", {"meter": year()[["net_energy"]].sum("asset", keepdims=True), "simulations": 20})
    ],
    "wake_losses": [
        ("telemetry", {}),
        ("telemetry", {"direction_offset": 15.0, "direction_assets": ["T1"], "simulations": 3}),
    ],
    "modelled_wakes": [
        ("telemetry", {}),
        (
            "telemetry",
            {
                "model": "jensen",
                "curve": {"wind_speed": [3, 12, 25], "power": [0, 2000, 2000]},
                "thrust": {"wind_speed": [3, 12, 25], "coefficient": [0.8, 0.7, 0.1]},
                "output_field": "wakes",
            },
        ),
    ],
    "direction_offset": [("telemetry", {"replicates": 3}), ("telemetry", {"replicates": 3, "output_field": "off"})],
    "energy_ratio_uplift": [
        ("telemetry", {"test": ["T1"], "when": "2025-01-02", "replicates": 20, "block": "PT6H"}),
        (
            "telemetry",
            {"test": ["T2"], "state": "sample_count", "replicates": 20, "block": "PT6H", "output_field": "won"},
        ),
    ],
    "energy_ratio": [
        ("telemetry", {"replicates": 20, "block": "PT6H"}),
        ("telemetry", {"replicates": 20, "block": "PT6H", "reference": ["T1"], "directions": (300, 90)}),
    ],
    "battery_sign_correction": [("telemetry", {})],
    "soc_recount": [("telemetry", {}), ("telemetry", {"threshold": 3.0, "window": 12.0, "reference_days": 5.0})],
    "battery_health": [("telemetry", {}), ("telemetry", {"output_field": "soh"})],
    "battery_efficiency": [("telemetry", {})],
    "battery_cycles": [("telemetry", {}), ("telemetry", {"least": 5.0})],
    "cell_spread": [("telemetry", {}), ("telemetry", {"output_field": "spread"})],
    "thermal_alarms": [("telemetry", {}), ("telemetry", {"hot": 28.0, "hold": 30.0, "baseline_days": 3.0})],
    "usable_energy": [("telemetry", {"least_share": 0.7})],
    "battery_remaining_life": [("telemetry", {"simulations": 50})],
    "battery_health_trend": [("telemetry", {}), ("telemetry", {"timezone": "Europe/Paris", "output_field": "fall"})],
    "battery_warranty_log": [("telemetry", {}), ("telemetry", {"by": "day", "terms": {"cycles_per_year": 200.0}})],
    "weakest_cells": [("telemetry", {})],
    "hybrid_flows": [("telemetry", {"kinds": {"inverter": ["B1"], "battery": ["B2"]}})],
    "solar_expected_power": [("telemetry", {}), ("telemetry", {"irradiance": "nothing", "output_field": "should"})],
    "solar_losses": [("telemetry", {}), ("telemetry", {"price": 50.0, "currency": "GBP", "spectral": "none"})],
    "solar_loss_waterfall": [
        ("telemetry", {}),
        ("telemetry", {"price": 50.0, "by": "day", "group": "farm_id", "output_field": "fall"}),
    ],
    "string_faults": [("telemetry", {}), ("telemetry", {"least_loss": 0.1})],
    "tracker_faults": [("telemetry", {}), ("telemetry", {"power": "total_ac_power", "least_angle": 15.0})],
    "inverter_faults": [("telemetry", {}), ("telemetry", {"least_efficiency": 0.02})],
    "degradation_and_soiling": [("telemetry", {"simulations": 20})],
    "soiling_cost": [
        ("telemetry", {"price": 0.1, "cleaning_cost": 20.0}),
        ("telemetry", {"price": 0.1, "currency": "GBP"}),
    ],
    "solar_kpi": [
        ("telemetry", {}),
        ("telemetry", {"irradiance": "irradiance_ghi", "weather": sun()[["irradiance_ghi"]].isel(asset=[0])}),
        ("telemetry", {"by": "day", "temperature_coefficient": -0.003}),
    ],
    "solar_availability": [
        ("telemetry", {}),
        (
            "telemetry",
            {
                "meter": generating()[["total_ac_power"]].sum("asset").rename(total_ac_power="active_power"),
                "price": 0.1,
                "currency": "GBP",
            },
        ),
    ],
    "solar_capacity_test": [
        ("telemetry", {}),
        ("telemetry", {"method": "expected", "clipping": False, "output_field": "tested"}),
    ],
    "year_on_year_degradation": [
        ("telemetry", {"simulations": 50}),
        ("telemetry", {"compatibility": "rdtools-3.2", "output_field": "rate"}),
    ],
    "conditional_alert": [
        ("telemetry", {"condition": "temperature > 17 FOR PT20M", "alert_type": "hot", "severity": "high"}),
        ("records", {"condition": "temperature > 75", "alert_type": "hot", "severity": "high"}),
        ("records", {"condition": "nothing > 75", "alert_type": "hot", "severity": "high"}),
    ],
    "field_mapping": [
        (
            "records",
            {
                "mappings": [
                    {"source": "billing.email", "destination": "email"},
                    {"source": "id", "destination": "number"},
                ]
            },
        )
    ],
    "field_operation": [
        ("records", {"field_name": "billing.email", "operation": "lowercase", "output_field": "mail"}),
        ("records", {"field_name": "total_price", "operation": "number"}),
    ],
    "field_calculation": [
        ("records", {"field_name": "load", "formula": "temperature * vibration"}),
        (
            "records",
            {
                "field_name": "usd",
                "operation": "convert_currency",
                "source_field": "total_price",
                "target_currency": "USD",
                "date_field": "created_at",
                "rates_source": pl.DataFrame(
                    {"date": ["2025-01-01"], "currency": ["USD"], "rate": [1.1], "base": ["EUR"]}
                ),
                "rates_max_age": "P40D",
            },
        ),
    ],
    "field_addition": [
        ("records", {"field_name": "level", "value": "clinical"}),
        ("records", {"field_name": "key", "template": "{machine_id}_{billing.city}"}),
        ("records", {"field_name": "hot", "formula": "temperature > 80"}),
    ],
    "field_selection": [("records", {"field_names": ["id", "billing.email", "temperature"]})],
    "platform_identification": [
        ("records", {"platforms": {"shopify": ["created_at", "total_price"], "woo": ["date_created"]}})
    ],
    "record_join": [
        ("records", {"source": OTHER, "on": "machine_id"}),
        ("records", {"source": OTHER, "on": "machine_id", "fields": "hall", "prefix": "m_"}),
        ("records", {"source": OTHER, "on": ["machine_id"], "fields": ["made.by", "hall"]}),
        ("records", {"source": OTHER, "on": "machine_id", "how": "semi"}),
    ],
    "field_lookup": [
        (
            "records",
            {
                "source": OTHER,
                "left_on": "machine_id",
                "right_on": "machine_id",
                "fields": {"made.by": "maker"},
                "flag_field": "unknown",
            },
        )
    ],
    "record_deduplication": [("records", {"key_fields": "id", "time_field": "created_at"})],
    "field_removal": [("records", {"field_names": ["ssn", "tags"]})],
    "record_expansion": [
        ("records", {"source_field": "line_items", "output_prefix": "item_"}),
        ("records", {"source_field": "line_items"}),
        ("records", {"source_field": "tags", "output_prefix": "one_"}),
    ],
    "record_filter": [("records", {"condition": "temperature > 70"})],
    "field_validation": [("records", {"field_name": "temperature", "validation_type": "range", "max": 80})],
    "field_masking": [("records", {"field_name": "ssn"})],
}
CASES = [(name, *one) for name, found in EXAMPLES.items() for one in found]
TELEMETRY = [(name, given) for name, kind, given in CASES if kind == "telemetry"]
ids = pytest.mark.parametrize(
    ("name", "given_"), TELEMETRY, ids=[f"{name}-{i}" for i, (name, _) in enumerate(TELEMETRY)]
)


def effect_of(name: str, data: Any, parameters: dict[str, Any]) -> tuple[Effect, dict[str, Any], Fields]:
    step = get_step(name)
    checked = step.check(parameters)
    known = Opened("x", "file", data).fields
    effect = step.effect(checked, known)
    assert effect is not None
    return effect, checked, known


def same(one: xr.DataArray, other: xr.DataArray, message: str) -> None:
    if one.dtype.kind == "f":
        np.testing.assert_allclose(one.values, other.values, rtol=1e-9, atol=1e-9, err_msg=message)
    else:
        np.testing.assert_array_equal(one.values, other.values, err_msg=message)


def test_every_step_has_an_example_for_each_kind_of_data_it_works_on():
    for name, step in steps().items():
        kinds = {kind for kind, _ in EXAMPLES.get(name, [])}
        assert kinds == set(works_on(step.function)), f"{name}: give an example here, and its @effect"


@pytest.mark.parametrize(("name", "kind", "given_"), CASES, ids=[f"{one[0]}-{i}" for i, one in enumerate(CASES)])
def test_fields_and_units_are_those_told(name, kind, given_):
    data = data_of(name, kind)
    effect, checked, known = effect_of(name, data, given_)
    made = get_step(name).function(data, **checked)
    if kind == "telemetry":
        before, after = set(map(str, data.variables)), set(map(str, made.variables))
        for field, unit in effect.adds.items():
            found = made[field].attrs.get("units")
            assert unit is None or found is None or unit == found, (field, unit, found)
    else:
        before, after = set(data.collect_schema()), set(made.collect().columns)
    exact = {field for field in effect.adds if not field.endswith("*")}
    wild = [field[:-1] for field in effect.adds if field.endswith("*")]
    assert exact <= after
    assert {field for field in after - before - exact if not field.startswith(tuple(wild))} == set()
    assert all(any(field.startswith(prefix) for field in after - before) for prefix in wild)
    assert not after & set(effect.removes)
    assert before - set(effect.removes) <= after
    assert all(gives(field, known) for field in effect.needs)
    assert not effect.reads or any(gives(field, known) for field in effect.reads)
    # Without the data nothing falls over, and no field it needs is forgotten.
    blind = get_step(name).effect(checked, {})
    assert blind is not None
    assert set(blind.needs) <= set(effect.needs) | set(effect.reads)


@pytest.mark.parametrize(("name", "kind", "given_"), CASES, ids=[f"{one[0]}-{i}" for i, one in enumerate(CASES)])
def test_what_is_not_read_does_not_matter(name, kind, given_):
    data = data_of(name, kind)
    effect, checked, _ = effect_of(name, data, given_)
    used = {field.split(".")[0] for field in (*effect.reads, *effect.needs)}
    if effect.every or not used or effect.removes:
        return
    run = get_step(name).function
    if kind == "telemetry":
        less = data.drop_vars(
            [v for v in data.data_vars if str(v) not in used and str(v).removesuffix("_quality") not in used]
        )
        whole, part = run(data, **checked), run(less, **checked)
        for field in effect.adds:
            same(whole[field], part[field], field)
        return
    kept = [field for field in data.collect_schema() if field in used]
    whole, part = run(data, **checked).collect(), run(data.select(kept), **checked).collect()
    for field in effect.adds:
        if not field.endswith("*"):
            assert whole[field].to_list() == part[field].to_list(), field


def _no_computing(*_: Any, **__: Any) -> Any:
    raise AssertionError("the step computed its lazy data")


@ids
def test_lazy_in_lazy_out(name, given_):
    data = data_of(name)
    effect, checked, _ = effect_of(name, data, given_)
    eager = get_step(name).function(data, **checked)
    chunked = data.chunk({"time": 70})
    if "sample_count" in chunked:
        chunked["sample_count"] = chunked["sample_count"].chunk({"time": 110})
    facts = {name: array for name, array in data.coords.items() if array.dims == ("asset",)}
    chunked = chunked.assign_coords(facts)  # facts of assets are never lazy
    with dask.config.set(scheduler=_no_computing if effect.lazy else None):
        lazy = get_step(name).function(chunked, **checked)
    for field in effect.adds:
        made = lazy[field]
        if effect.lazy and field not in ("timestamp_utc", "unified_asset_id"):  # of the times, and of the assets
            assert made.chunks, field
        same(made.compute(), eager[field], field)
        assert made.dtype == eager[field].dtype, field
        assert made.dims == eager[field].dims, field


@ids
@settings(max_examples=5, derandomize=True)
@given(row=st.integers(0, ROWS - 1), seed=st.integers(0, 99))
def test_nothing_beyond_its_reach_changes_a_value(name, given_, row, seed):
    if name in OWN:  # what they give has no time, and reaches all there is
        return
    data = telemetry()
    effect, checked, _ = effect_of(name, data, given_)
    reach = (effect.before, effect.after)
    if row == 0 and None in reach:
        return
    times = data["time"].values.astype("int64")
    keep = np.ones(ROWS, dtype=bool)
    if effect.before is not None:
        keep &= times >= times[row] - effect.before
    if effect.after is not None:
        keep &= times <= times[row] + effect.after
    other = telemetry(seed + 1_000)
    other["temperature"] = other["temperature"] * 3 - 7
    inside = xr.DataArray(keep, dims="time")
    changed = data.copy()
    for field in data.data_vars:
        changed[field] = data[field].where(inside, other[field]).astype(data[field].dtype)
    run = get_step(name).function
    whole, partly = run(data, **checked), run(changed, **checked)
    for field in effect.adds:
        if "time" in whole[field].dims:
            same(whole[field].isel(time=row), partly[field].isel(time=row), f"{field} at row {row}")
    # Cut off as well, which is how a result is kept up to date day by day.
    if name in ("flag_stuck", "flag_quality") and keep.sum() < 3:
        return
    cut = run(data.isel(time=keep), **checked)
    at = int(keep[:row].sum())
    for field in effect.adds:
        if "time" in whole[field].dims:
            same(whole[field].isel(time=row), cut[field].isel(time=at), f"{field} at row {row}, cut")


def test_a_column_by_its_bin_and_an_average_by_another_name_are_found():
    aggregated = get_step("statistical_aggregation")
    one = {"time_window": "PT1H", "aggregations": [{"field": "x", "function": "mean"}], "group_by": ["wind_bin"]}
    assert aggregated.effect(aggregated.check(one), {"x": None, "wind_bin": None}).needs == ("wind_bin",)
    assert aggregated.effect(aggregated.check(one), {"x": None, "wind": None}).needs == ("wind",)
    alert = get_step("conditional_alert")
    asked = alert.check({"condition": "temperature > 5", "alert_type": "a", "severity": "low"})
    assert alert.effect(asked, {"temperature_avg": None}).reads == ("temperature_avg",)
    assert alert.effect(asked, {"temperature_avg": None, "temperature_mean": None}).reads == ("temperature",)


#: Steps that may take seconds of a real farm, plant or battery; beside them all with draws.
LONG = {
    "battery_remaining_life", "clock_shift_detection", "curtailment_detection", "degradation_and_soiling",
    "degradation_rate", "direction_offset", "electrical_losses", "energy_ratio",
    "energy_ratio_uplift", "icing_detection", "modelled_wakes", "northing_jump_detection", "plant_yield",
    "power_curve_comparison", "sensor_drift_detection", "solar_clock_shift_detection", "static_yaw_misalignment",
    "turbine_energy", "upgrade_uplift", "wake_losses", "yaw_settings_sweep", "yield_gap", "year_on_year_degradation",
}  # fmt: skip


def test_every_step_with_draws_is_among_those_that_tell_how_far_they_are():
    drawing = {
        name for name, one in steps().items() if {"simulations", "replicates"} & set(one.parameters.model_fields)
    }
    assert drawing <= LONG


@pytest.mark.parametrize("name", sorted(LONG))
def test_a_long_step_tells_how_far_it_is(name):
    told: list[float] = []

    def listen(done: int, of: int, what: str) -> None:
        assert 0 <= done <= of, what
        told.append(done / of)

    kind, given = EXAMPLES[name][-1]
    if name == "power_curve_comparison":  # by the manufacturer's curve there is nothing to wait for
        given = {"reference_curve": "historical", "baseline_period": "PT6H", "retrain_period": "PT1H"}
    data = data_of(name, kind)  # what makes a farm tells how far it is, too
    with progress_told(listen):
        get_step(name).function(data, **get_step(name).check(given))
    assert told, "nothing was told"
    assert told == sorted(told)
    assert told[-1] == 1.0
