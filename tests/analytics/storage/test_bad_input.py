"""Every storage analysis on data that are wrong: a clear error, or the figure of what is left and a word on it.

One battery or two, one fault at a time. A fault is refused (an InputError that names a place), or it changes nothing, or it is told.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench.analytics.steps  # noqa: F401  registers the steps
from tests.analytics.storage.conftest import battery
from workbench.analytics import storage
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.steps import get_step, remarks

DAYS = 6
POWER = ("active_power", "charge_power", "discharge_power", "dc_power")
SIGNED = ("active_power", "dc_power", "dc_current")
HEAT = ("cell_temperature_max", "cell_temperature_mean", "cell_temperature_min", "ambient_temperature")
CELLS = ("cell_voltage_mean", "cell_voltage_min", "cell_voltage_max")


@functools.cache
def made() -> xr.Dataset:
    """Two batteries of iron phosphate with all that an analysis may read."""
    data = battery(DAYS, assets=2, slot="30min")
    curve = storage.CURVES["LFP"]
    cell = curve.at(data["state_of_charge"].values) - 0.0002 * data["dc_power"].values
    dims = ("time", "asset")
    volts = data["dc_voltage"] * 0 + 200 * cell
    return data.assign(
        dc_voltage=volts,
        dc_current=1000 * data["dc_power"] / volts,
        cell_voltage_mean=(dims, cell),
        cell_voltage_min=(dims, cell - 0.005),
        cell_voltage_max=(dims, cell + 0.005),
    ).assign_coords(
        chemistry=("asset", np.array(["LFP", "LFP"], dtype=object)),
        charge_capacity=("asset", np.full(2, 1000 / (0.2 * curve.mean_voltage)), {"units": "A h"}),
        cells_in_series=("asset", [200.0, 200.0]),
    )


def cells_of(data: xr.Dataset) -> xr.Dataset:
    """Three cells of the first battery, where it has voltages."""
    if "cell_voltage_mean" not in data:
        return data
    one = data["cell_voltage_mean"].isel(asset=[0] * 3) if "asset" in data.dims else data["cell_voltage_mean"]
    found = xr.Dataset({"voltage": one.drop_vars([c for c in one.coords if c not in ("time", "asset")])})
    if "asset" not in found.dims:
        return found
    return found.assign_coords(asset=["C1", "C2", "C3"], parent=("asset", ["B1"] * 3))


def months() -> xr.Dataset:
    return xr.Dataset(
        {
            "state_of_health": (("period", "asset"), (100 - 0.2 * np.arange(12.0))[:, None], {"units": "%"}),
            "cycles": (("period", "asset"), np.arange(12.0)[:, None] * 30),
            "age": (("period", "asset"), np.arange(12.0)[:, None] / 12),
        },
        coords={"period": pd.date_range("2024-01-01", periods=12, freq="MS", unit="ns"), "asset": ["B1"]},
    )


def every(data: xr.Dataset, change: Callable[[xr.DataArray], xr.DataArray], *names: str) -> xr.Dataset:
    fields = names or tuple(map(str, data.data_vars))
    return data.assign({n: change(data[n]).assign_attrs(data[n].attrs) for n in fields if n in data})


def local(data: xr.Dataset) -> xr.Dataset:
    """Stamps of the site's clock without saying so, over the night it is set back."""
    shift = pd.Timestamp("2025-10-31") - pd.Timestamp(data["time"].values[0])
    stamps = (data.indexes["time"] + shift).tz_localize("UTC").tz_convert("America/Denver").tz_localize(None)
    return data.assign_coords(time=stamps)


#: Faults that every analysis refuses.
REFUSED: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "two of a name": (lambda d: d.assign_coords(asset=["B1", "B1"]), "asset is there twice"),
    "no batteries": (lambda d: d.isel(asset=slice(0)), "no asset"),
    "a time is missing": (
        lambda d: d.assign_coords(time=np.r_[d["time"].values[:5], [np.datetime64("NaT")], d["time"].values[6:]]),
        "a time is missing",
    ),
    "backwards": (lambda d: d.isel(time=slice(None, None, -1)), "repeat or go back"),
    "twice": (lambda d: d.isel(time=np.r_[0:50, 49 : d.sizes["time"]]), "repeat or go back"),
    "local time": (local, "repeat or go back"),
    "numbers": (lambda d: d.assign_coords(time=np.arange(d.sizes["time"])), "UTC without a zone"),
    "no time": (lambda d: d.isel(time=0, drop=True), "no dimension 'time'"),
}
#: Faults that are refused with a place, told, or of no matter.
BORNE: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "all missing": lambda d: every(d, lambda a: a.where(False)),
    "one asset empty": lambda d: every(d, lambda a: a.where(xr.DataArray([False, True], dims="asset"))),
    "no times": lambda d: d.isel(time=slice(0)),
    "one slot": lambda d: d.isel(time=[50]),
    "two slots": lambda d: d.isel(time=[50, 51]),
    "no asset dimension": lambda d: d.isel(asset=0, drop=True),
    "zeros": lambda d: every(d, lambda a: a * 0),
    "infinite": lambda d: every(d, lambda a: a.where(np.arange(a.sizes["time"]) % 50 != 7, np.inf) if a.dims[0] != "time" else a.where(xr.DataArray(np.arange(a.sizes["time"]) % 50 != 7, dims="time"), np.inf)),
    "flagged": lambda d: d.assign({f"{n}_quality": (a.dims, np.full(a.shape, int(Quality.BAD), "uint16")) for n, a in d.data_vars.items()}),
    "no cells": lambda d: d.drop_vars((*CELLS, "dc_voltage", "cells_in_series"), errors="ignore"),
    "no power": lambda d: d.drop_vars(POWER, errors="ignore"),
    "no current": lambda d: d.drop_vars(("dc_current", "dc_power"), errors="ignore"),
    "no charge": lambda d: d.drop_vars(("state_of_charge", "stored_energy"), errors="ignore"),
    "no temperature": lambda d: d.drop_vars(HEAT, errors="ignore"),
    "no facts": lambda d: d.drop_vars([c for c in d.coords if c not in ("time", "asset")]),
    "kelvin": lambda d: every(d, lambda a: a + 273.15, *HEAT),
    "reversed": lambda d: every(d, lambda a: -a, *SIGNED),
    "W for kW": lambda d: every(d, lambda a: a * 1000, *POWER),
    "shares for per cent": lambda d: every(d, lambda a: a / 100, "state_of_charge"),
    "texts": lambda d: every(d, lambda a: a.astype(str)),
}  # fmt: skip
#: Faults of a unit or a sign, by the fields an analysis reads: the error names the field.
UNITS = {"kelvin": HEAT, "reversed": SIGNED, "W for kW": POWER, "shares for per cent": ("state_of_charge",)}
FORMS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "lazy": lambda d: d.chunk({"time": 100}),
    "turned": lambda d: d.transpose("asset", "time"),
    "units named": lambda d: d.assign({n: (d[n] * 1000).assign_attrs(units="W") for n in POWER if n in d}),
}


def rained(data: xr.Dataset) -> Any:
    return storage.rainflow(data["state_of_charge"].transpose("time", "asset").values[:, 0])


FUNCTIONS: dict[str, Callable[[xr.Dataset], Any]] = {
    "reversed_signs": storage.reversed_signs,
    "correct_signs": storage.correct_signs,
    "power_of": lambda d: storage.power_of(storage.fields.prepared(d)).charge,
    "recount": storage.recount,
    "soc_drift": storage.soc_drift,
    "state_of_health": storage.state_of_health,
    "learn_curve": lambda d: {k: v.voltage for k, v in storage.learn_curve(d).items()},
    "round_trip_efficiency": storage.round_trip_efficiency,
    "cycle_summary": storage.cycle_summary,
    "cycle_table": storage.cycle_table,
    "cell_spread": storage.cell_spread,
    "cell_voltage_spread": storage.cell_voltage_spread,
    "weakest_cells": lambda d: storage.weakest_cells(cells_of(d)),
    "thermal_alarms": storage.thermal_alarms,
    "thermal_events": lambda d: storage.thermal_events(storage.thermal_alarms(d), d),
    "usable_energy": storage.usable_energy,
    "usable_energy_tests": storage.usable_energy_tests,
    "warranty_log": storage.warranty_log,
    "warranty_breaches": lambda d: storage.warranty_breaches(storage.warranty_log(d), {"cycles_per_year": 365}),
}
STEPS = (
    "battery_sign_correction", "soc_recount", "battery_health", "battery_efficiency", "battery_cycles", "cell_spread",
    "thermal_alarms", "usable_energy",
)  # fmt: skip
WORKS = FUNCTIONS | {f"step {n}": get_step(n).function for n in STEPS}


def tried(name: str, data: xr.Dataset) -> tuple[Any, str, list[str]]:
    """What an analysis gives, what it refuses, and what it remarks; any other error, and any warning, is a fault of it."""
    with warnings.catch_warnings(), remarks() as said:
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return WORKS[name](data), "", said
        except InputError as error:
            refused = error
    assert refused.message
    assert refused.where, f"{name}: no place: {refused.message}"
    return None, f"{refused.where}: {refused.message}", said


def numbers(found: Any) -> dict[str, np.ndarray]:
    if isinstance(found, xr.DataArray):
        return {"": np.asarray(found.values)}
    if isinstance(found, xr.Dataset):
        return {
            str(n): np.asarray(a.transpose(*sorted(map(str, a.dims))).values)
            for n, a in found.data_vars.items()
            if a.dtype.kind in "fib"
        }
    if isinstance(found, pd.DataFrame):
        return {str(n): found[n].to_numpy() for n in found if found[n].dtype.kind in "fib"}
    if isinstance(found, dict):
        return {str(n): np.asarray(v) for n, v in found.items()}
    return {"": np.asarray(found)}


@pytest.mark.parametrize("fault", REFUSED)
def test_times_and_batteries_that_are_none_are_refused(fault):
    spoil, says = REFUSED[fault]
    data = spoil(made())
    for name in WORKS:
        if name == "weakest_cells" and fault in ("two of a name", "no batteries", "no time"):
            continue  # its assets are the cells, which are others here
        _, refused, _ = tried(name, data)
        assert says in refused, f"{name}: {refused or 'nothing refused'}"


@pytest.mark.parametrize("fault", BORNE)
def test_what_is_wrong_is_refused_or_told(fault):
    data = BORNE[fault](made())
    for name in WORKS:
        found, refused, _ = tried(name, data)
        if refused or found is None:
            continue
        for field, values in numbers(found).items():
            if field in data and fault == "infinite":
                continue  # given back as it was
            assert not (values.dtype.kind == "f" and np.isinf(values).any()), f"{name}: {field} is infinite"


@pytest.mark.parametrize("fault", UNITS)
def test_another_unit_or_sign_is_an_error_that_names_the_field(fault):
    """Of each field that an analysis reads: without it the analysis says something else, or nothing."""
    data = BORNE[fault](made())
    told = [name for name in WORKS if any(f in tried(name, data)[1] for f in UNITS[fault])]
    wanted = {
        "kelvin": {"thermal_alarms", "step thermal_alarms"},
        "reversed": {"recount", "soc_drift", "state_of_health", "round_trip_efficiency", "step soc_recount", "step battery_health"},
        "W for kW": {"round_trip_efficiency", "usable_energy", "warranty_log", "step battery_efficiency"},
        "shares for per cent": {"recount", "cycle_summary", "soc_drift", "usable_energy", "step battery_cycles"},
    }  # fmt: skip
    assert wanted[fault] <= set(told)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_data_in_another_form_give_the_same(form):
    data = FORMS[form](made())
    for name in WORKS:
        if name in ("correct_signs", "step battery_sign_correction", "power_of"):
            continue  # what they give back is what was given
        here, there = numbers(WORKS[name](made())), numbers(WORKS[name](data))
        for field in here.keys() - set(map(str, made().data_vars)):
            np.testing.assert_allclose(there[field], here[field], rtol=1e-6, atol=1e-6, err_msg=f"{name}: {field}")


def test_months_that_are_none():
    good = months()
    for spoil in (
        lambda d: d.isel(period=slice(0)),
        lambda d: d.isel(period=[0]),
        lambda d: d.where(False),
        lambda d: d.isel(period=slice(None, None, -1)),
        lambda d: d.drop_vars("state_of_health"),
    ):
        for work in (storage.health_trend, lambda d: storage.remaining_life(d, simulations=20).life):
            try:
                found = work(spoil(good))
            except InputError as error:
                where = str(error.where)
            else:
                where = "reasons" if all(found["reason"].values) or "state_of_health" not in found else ""
                where = where or str(np.isfinite(found.get("state_of_health", np.nan)).all().item())
            assert where not in ("", "None", "False")
