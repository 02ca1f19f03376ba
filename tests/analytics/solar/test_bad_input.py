"""Every solar analysis on data that are wrong: a clear error, or the figure of what is left and a word on it.

One plant, one fault at a time. A fault is refused (an InputError that names a place), or it changes nothing, or it is told.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench.analytics.steps  # noqa: F401  registers the steps
from workbench.analytics import solar
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.steps import get_step, remarks

DIMS = ("time", "asset")
DAYS, N, SLOT = 10, 4, 96
FACTS = {
    "latitude": 39.7406, "longitude": -105.1775, "elevation": 1829.0, "tilt": 25.0, "azimuth": 180.0, "rated_capacity": 100.0,
    "dc_capacity": 120.0, "module_temp_coeff_power": -0.4, "string_count": 10.0,
}  # fmt: skip


@functools.cache
def made_plant() -> xr.Dataset:
    import pvlib

    rng = np.random.default_rng(1)
    times = pd.date_range("2023-05-01", periods=DAYS * SLOT, freq="15min", unit="ns", name="time")
    middle = times.tz_localize("UTC") + pd.Timedelta("450s")
    place = pvlib.location.Location(FACTS["latitude"], FACTS["longitude"], altitude=FACTS["elevation"])
    sun, sky = place.get_solarposition(middle), place.get_clearsky(middle, model="ineichen", linke_turbidity=3)
    plane = pvlib.irradiance.get_total_irradiance(
        25.0, 180.0, sun["apparent_zenith"], sun["azimuth"], sky["dni"], sky["ghi"], sky["dhi"]
    )["poa_global"].to_numpy()
    clouds = np.clip(1 - np.repeat(rng.gamma(0.6, 0.3, DAYS * 24), 4), 0.15, 1.0)
    poa, ghi = np.nan_to_num(plane) * clouds, sky["ghi"].to_numpy() * clouds
    air = 14 + 6 * np.sin(2 * np.pi * (np.arange(len(times)) / SLOT - 0.6))
    heat = air + 0.028 * poa
    dc = np.maximum(120 * poa / 1000 * (1 - 0.004 * (heat - 25)) * 0.95 - 0.2, 0)
    own = rng.normal(1, 0.004, (len(times), N))
    dc = dc[:, None] * own
    ac = np.minimum(0.97 * dc, 100.0)
    wide = np.ones((1, N))
    fields = {
        "irradiance_poa": (poa[:, None] * wide, "W/m2"),
        "irradiance_ghi": (ghi[:, None] * wide, "W/m2"),
        "ambient_temperature": (air[:, None] * wide, "degC"),
        "module_temperature": (heat[:, None] * wide, "degC"),
        "wind_speed": (2 + rng.random((len(times), N)), "m/s"),
        "total_ac_power": (ac, "kW"),
        "total_dc_power": (dc, "kW"),
        "total_dc_current": (dc / 0.7, "A"),
        "total_dc_voltage": (np.where(dc > 0, 700.0, 0.0), "V"),
        "expected_power": (ac * 1.02, "kW"),
        "energy_lifetime": (1e5 + np.cumsum(ac, axis=0) / 4, "kWh"),
        "tracker_position": (np.clip(np.degrees(np.arctan(np.tan(np.radians(sun["azimuth"].to_numpy() - 180) / 2))), -55, 55)[:, None] * wide, "degree"),
        "tracker_target": (np.clip(np.degrees(np.arctan(np.tan(np.radians(sun["azimuth"].to_numpy() - 180) / 2))), -55, 55)[:, None] * wide, "degree"),
    }  # fmt: skip
    return xr.Dataset(
        {name: (DIMS, values, {"units": units}) for name, (values, units) in fields.items()},
        coords={
            "time": times,
            "asset": [f"I{n}" for n in range(N)],
            "farm_id": ("asset", ["F"] * N),
            "parent": ("asset", ["F"] * N),
            **{name: ("asset", [value] * N) for name, value in FACTS.items()},
        },
        attrs={"cadence": "15min"},
    )


@functools.cache
def made_years() -> xr.Dataset:
    """By days, two years and a half, as ``daily_performance`` gives them."""
    rng = np.random.default_rng(2)
    count = 900
    day = np.arange(count)
    index = 1 - 0.01 * day[:, None] / 365 + rng.normal(0, 0.01, (count, 2)) - 0.03 * (day[:, None] % 60) / 60
    return xr.Dataset(
        {
            "performance_index": (DIMS, index, {"units": "1"}),
            "insolation": (DIMS, 5 + 2 * np.sin(day[:, None] / 58.0) + np.zeros((1, 2)), {"units": "kWh/m2"}),
            "energy": (DIMS, 500 * index, {"units": "kWh"}),
        },
        coords={"time": pd.date_range("2020-01-01", periods=count, freq="D", unit="ns"), "asset": ["I0", "I1"]},
        attrs={"cadence": "P1D"},
    )


def every(data: xr.Dataset, change: Callable[[xr.DataArray], xr.DataArray], *names: str) -> xr.Dataset:
    """``change`` on the fields ``names`` (of all, where none is given), attributes kept."""
    fields = names or tuple(map(str, data.data_vars))
    return data.assign({n: change(data[n]).assign_attrs(data[n].attrs) for n in fields if n in data})


def scattered(data: xr.Dataset, value: float, *names: str, share: float = 0.02) -> xr.Dataset:
    where = np.random.default_rng(0).random((data.sizes["time"], data.sizes["asset"])) < share
    return every(data, lambda each: each.where(~xr.DataArray(where, dims=DIMS), value), *names)


LIGHT = ("irradiance_poa", "irradiance_ghi")
POWER = ("total_ac_power", "total_dc_power", "expected_power")
HEAT = ("ambient_temperature", "module_temperature")


def local(data: xr.Dataset) -> xr.Dataset:
    """Stamps of the site's clock, in the autumn, without saying so."""
    shift = pd.Timestamp("2023-11-01") - pd.Timestamp(data["time"].values[0])
    stamps = (data.indexes["time"] + shift).tz_localize("UTC").tz_convert("America/Denver").tz_localize(None)
    return data.assign_coords(time=stamps)


def zoned(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(time=data.indexes["time"].tz_localize("UTC").tz_convert("America/Denver"))


def flagged(data: xr.Dataset) -> xr.Dataset:
    bad = {f"{n}_quality": (DIMS, np.full(a.shape, int(Quality.BAD), "uint16")) for n, a in data.data_vars.items()}
    return data.assign(bad)


def stated(data: xr.Dataset, **facts: Any) -> xr.Dataset:
    return data.assign_coords({n: ("asset", np.full(data.sizes["asset"], v)) for n, v in facts.items()})


def night(data: xr.Dataset) -> xr.Dataset:
    """The first hours after midnight of the sun alone."""
    hour = data["time"].dt.hour
    return data.isel(time=np.flatnonzero((hour >= 5) & (hour < 10)))


#: Faults of the whole record, which every analysis meets.
RECORD: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "one asset empty": lambda d: every(d, lambda a: a.where(xr.DataArray(d["asset"].values != d["asset"].values[0], dims="asset"))),
    "all missing": lambda d: every(d, lambda a: a.where(False)),
    "no times": lambda d: d.isel(time=slice(0)),
    "no assets": lambda d: d.isel(asset=slice(0)),
    "one slot": lambda d: d.isel(time=[50]),
    "two slots": lambda d: d.isel(time=[50, 51]),
    "one asset": lambda d: d.isel(asset=[0]),
    "no asset dimension": lambda d: d.isel(asset=0, drop=True),
    "night": night,
    "one day": lambda d: d.isel(time=slice(SLOT)),
    "zeros": lambda d: every(d, lambda a: a * 0),
    "codes": lambda d: scattered(d, -9999.0),
    "infinite": lambda d: scattered(d, np.inf),
    "flagged": flagged,
    "gap of months": lambda d: d.assign_coords(time=np.r_[d["time"].values[:400], d["time"].values[400:] + np.timedelta64(90, "D")]),
    "local time": local,
    "zone": zoned,
    "backwards": lambda d: d.isel(time=slice(None, None, -1)),
    "twice": lambda d: d.isel(time=np.r_[0:50, 49 : d.sizes["time"]]),
    "no time": lambda d: d.assign_coords(time=np.r_[d["time"].values[:5], [np.datetime64("NaT")], d["time"].values[6:]]),
    "numbers for times": lambda d: d.assign_coords(time=np.arange(d.sizes["time"])),
    "two of a name": lambda d: d.assign_coords(asset=[d["asset"].values[0]] * d.sizes["asset"]),
    "texts": lambda d: every(d, lambda a: a.astype(str)),
    "rating of 0": lambda d: stated(d, rated_capacity=0.0, dc_capacity=0.0),
    "rating below 0": lambda d: stated(d, rated_capacity=-100.0, dc_capacity=-120.0),
    "rating of text": lambda d: stated(d, rated_capacity="big", dc_capacity="big"),
    "no rating": lambda d: d.drop_vars(["rated_capacity", "dc_capacity"], errors="ignore"),
    "no place": lambda d: d.drop_vars(["latitude", "longitude"], errors="ignore"),
    "place of text": lambda d: stated(d, latitude="here", longitude="there"),
    "place beyond the poles": lambda d: stated(d, latitude=397.4, longitude=-1051.0),
    "no parents": lambda d: d.drop_vars(["parent", "farm_id"], errors="ignore"),
    "reversed": lambda d: every(d, lambda a: -a),
    "fields swapped round": lambda d: every(d, lambda a: a.transpose(*reversed(a.dims))),
}  # fmt: skip
#: Faults of some fields: those are what an analysis may read.
FIELDS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "irradiance below 0 at night": lambda d: every(d, lambda a: a.where(a > 0, -3.0), *LIGHT),
    "irradiance reversed": lambda d: every(d, lambda a: -a, *LIGHT),
    "irradiance in kW": lambda d: every(d, lambda a: a / 1000, *LIGHT),
    "power in W": lambda d: every(d, lambda a: a * 1000, *POWER),
    "power in MW": lambda d: every(d, lambda a: a / 1000, *POWER),
    "power reversed": lambda d: every(d, lambda a: -a, *POWER),
    "DC power in W": lambda d: every(d, lambda a: a * 1000, "total_dc_power"),
    "Fahrenheit": lambda d: every(d, lambda a: a * 1.8 + 32, *HEAT),
    "Kelvin": lambda d: every(d, lambda a: a + 273.15, *HEAT),
    "no plane": lambda d: d.drop_vars("irradiance_poa", errors="ignore"),
    "no irradiance": lambda d: d.drop_vars(LIGHT, errors="ignore"),
    "no temperature": lambda d: d.drop_vars(HEAT, errors="ignore"),
    "no power": lambda d: d.drop_vars(POWER, errors="ignore"),
    "coefficient in 1/K": lambda d: stated(d, module_temp_coeff_power=-0.004),
    "tilt of 1000": lambda d: stated(d, tilt=1000.0),
    "unknown module": lambda d: stated(d, cec_module="No Such Module 5000"),
}
#: Forms of the same data: nothing may change but the last digits.
FORMS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    # a counter has more digits than single precision
    "float32": lambda d: every(d, lambda a: a.astype(np.float32), *(n for n in d.data_vars if n != "energy_lifetime")),
    "lazy": lambda d: d.chunk({"time": 200}),
    "units named": lambda d: d.assign(
        {n: (d[n] / 1000).assign_attrs(units="MW") for n in POWER if n in d}
        | {n: (d[n] / 1000).assign_attrs(units="kW/m2") for n in LIGHT if n in d}
        | {n: (d[n] * 1.8 + 32).assign_attrs(units="degF") for n in HEAT if n in d}
    ),
    "transposed": RECORD["fields swapped round"],
}


def of_days(work: Callable[[xr.Dataset], Any]) -> Callable[[xr.Dataset], Any]:
    work.daily = True  # type: ignore[attr-defined]
    return work


FUNCTIONS: dict[str, Callable[[xr.Dataset], Any]] = {
    "array_facts": lambda d: solar.array_facts(d).numbers["dc_capacity"],
    "expected_power": solar.expected_power,
    "expected_power_ghi": lambda d: solar.expected_power(d.drop_vars("irradiance_poa", errors="ignore")),
    "solar_losses": solar.solar_losses,
    "solar_loss_waterfall": lambda d: solar.solar_loss_waterfall(solar.solar_losses(d)),
    "performance_indicators": lambda d: solar.performance_indicators(d, by="day"),
    "solar_availability": lambda d: solar.solar_availability(d, by="day"),
    "capacity_test": lambda d: solar.capacity_test(d, target=90.0),
    "capacity_test_iec": lambda d: solar.capacity_test(d, method="iec_61724_2"),
    "capacity_test_expected": lambda d: solar.capacity_test(d, method="expected"),
    "daily_performance": lambda d: solar.daily_performance(d, power="total_ac_power"),
    "irradiance_quality": solar.irradiance_quality,
    "clipped_values": solar.clipped_values,
    "stale_values": solar.stale_values,
    "interpolated_values": solar.interpolated_values,
    "outlier_values": solar.outlier_values,
    "signs": solar.signs,
    "night_offsets": solar.night_offsets,
    "level_shifts": solar.level_shifts,
    "solar_data_quality": solar.solar_data_quality,
    "solar_level_correction": lambda d: solar.solar_level_correction(solar.solar_data_quality(d)),
    "solar_quality_table": lambda d: solar.solar_quality_table(solar.solar_data_quality(d)),
    "solar_clock_shifts": solar.solar_clock_shifts,
    "solar_clock_shift_detection": solar.solar_clock_shift_detection,
    "infer_orientation": solar.infer_orientation,
    "orientation_check": solar.orientation_check,
    "string_faults": solar.string_faults,
    "inverter_faults": solar.inverter_faults,
    "tracker_faults": solar.tracker_faults,
    "tracker_faults_power": lambda d: solar.tracker_faults(d.drop_vars(["tracker_position", "tracker_target"]), power="total_ac_power"),
    "year_on_year": of_days(lambda d: solar.year_on_year(d, simulations=20)),
    "degradation_and_soiling": of_days(lambda d: solar.degradation_and_soiling(d, simulations=3)),
    "soiling_cost": of_days(lambda d: solar.soiling_cost(solar.degradation_and_soiling(d, simulations=0), d["energy"], price=0.1, cleaning_cost=10.0)),
}  # fmt: skip
STEPS = {
    "solar_expected_power": {}, "solar_losses": {}, "solar_loss_waterfall": {}, "solar_kpi": {}, "solar_availability": {},
    "solar_capacity_test": {"target": 90.0}, "string_faults": {}, "inverter_faults": {}, "tracker_faults": {},
    "year_on_year_degradation": {"power": "total_ac_power"}, "degradation_and_soiling": {"power": "total_ac_power"},
    "soiling_cost": {"power": "total_ac_power", "price": 0.1},
}  # fmt: skip
FUNCTIONS |= {
    f"step {n}": functools.partial(lambda d, n, how: get_step(n)(d, **how), n=n, how=how) for n, how in STEPS.items()
}

#: Refused by every analysis, whatever it is about.
REFUSED = {
    "no times", "no assets", "no asset dimension", "zone", "backwards", "twice", "no time", "numbers for times",
    "two of a name", "local time", "place of text", "place beyond the poles",
}  # fmt: skip
#: Of an hour and a day, which days have none of; of times, which facts do not have.
SUBDAILY = {"local time"}
TIMES = {"no times", "zone", "backwards", "twice", "no time", "numbers for times", "local time"}
#: Less data, and no fault of theirs: figures change without a word, unless one is missing.
LESS = {"one asset", "one slot", "two slots", "one day", "night", "zeros", "gap of months", "no parents", "no place"}
#: What they find is the word on it: they judge values by their course, in any unit, and flag those of no plant.
JUDGES = {
    "irradiance_quality", "clipped_values", "stale_values", "interpolated_values", "outlier_values", "signs", "night_offsets",
    "level_shifts", "solar_data_quality", "solar_level_correction", "solar_quality_table", "solar_clock_shifts",
    "solar_clock_shift_detection", "infer_orientation", "orientation_check",
}  # fmt: skip
#: Of those, of the steps, and of the cost of soiling, whose functions meet all the others.
FEW = REFUSED | {"all missing", "one asset", "one asset empty", "codes", "texts"}
OWN_UNITS = {"irradiance_quality", "solar_data_quality", "solar_level_correction"}


def leaves(found: Any, place: str = "") -> Any:
    """Every array and text of a result with its place."""
    if isinstance(found, xr.Dataset):
        for name, each in found.data_vars.items():
            yield from leaves(each, f"{place}.{name}")
    elif isinstance(found, xr.DataArray):  # in whatever order its dims are
        yield place, np.asarray(found.transpose(*sorted(found.dims, key=str)).values)
    elif isinstance(found, pd.DataFrame):
        for name in found:
            yield f"{place}.{name}", np.asarray(found[name].values)
    elif hasattr(found, "to_dicts"):
        yield from leaves(pd.DataFrame(found.to_dicts()), place)
    elif dataclasses.is_dataclass(found):
        for each in dataclasses.fields(found):
            yield from leaves(getattr(found, each.name), f"{place}.{each.name}")
    elif isinstance(found, dict):
        for key, each in found.items():
            yield from leaves(each, f"{place}.{key}")
    elif isinstance(found, list | tuple):
        for number, each in enumerate(found):
            yield from leaves(each, f"{place}[{number}]")
    elif found is not None:
        yield place, np.asarray(found)


@dataclasses.dataclass(frozen=True)
class Outcome:
    refusal: InputError | None
    figures: dict[str, np.ndarray]
    words: set[str]

    @property
    def empty(self) -> bool:
        return bool(self.figures) and not any(np.isfinite(each).any() for each in self.figures.values())


def outcome(name: str, data: xr.Dataset) -> Outcome:
    with warnings.catch_warnings(), remarks() as told:
        warnings.simplefilter("error", RuntimeWarning)
        try:
            found = FUNCTIONS[name](data)
        except InputError as error:
            return Outcome(error, {}, set())
    figures, words = {}, set(told)
    passes = name in JUDGES or name.startswith("step ")  # what was given comes back with what is added
    for place, values in leaves(found):
        if values.dtype.kind in "OUST":
            words |= {str(one) for one in values.ravel() if one}
        elif values.dtype.kind == "f" and not (passes and place.removeprefix(".") in base_of(name)):
            figures[place] = values
    return Outcome(None, figures, words)


@functools.cache
def base_of(name: str) -> xr.Dataset:
    if getattr(FUNCTIONS[name], "daily", False):
        return made_years()
    return made_plant().isel(asset=[0, 1]) if name in JUDGES else made_plant()


@functools.cache
def clean(name: str) -> Outcome:
    return outcome(name, base_of(name))


def same(one: Outcome, other: Outcome, **how: float) -> bool:
    return one.figures.keys() == other.figures.keys() and all(
        a.shape == other.figures[key].shape and np.allclose(a, other.figures[key], equal_nan=True, **how)
        for key, a in one.figures.items()
    )


def wrong(name: str, fault: str, found: Outcome) -> str | None:
    """What is wrong with the outcome of a fault; None where nothing is."""
    if found.refusal is not None:
        if not (found.refusal.where or found.refusal.expected or found.refusal.found):
            return f"names no place: {found.refusal}"
        return f"one asset is enough: {found.refusal}" if fault == "one asset" else None
    if fault in REFUSED:
        return "is not refused"
    told = found.words - clean(name).words
    if found.empty and not clean(name).empty and not told:
        return "gives nothing without a word"
    if fault in LESS or name in JUDGES or told or same(found, clean(name), rtol=2e-3, atol=1e-6):
        return None
    return "changes figures without a word"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_input_is_refused_or_told(name):
    assert clean(name).refusal is None, str(clean(name).refusal)
    base, odd = base_of(name), []
    daily = base is made_years()
    for fault, spoil in {**RECORD, **FIELDS}.items():
        if (daily and fault in (*SUBDAILY, *FIELDS)) or (name == "array_facts" and fault in TIMES):
            continue
        if (name in JUDGES or name.startswith("step ") or name == "soiling_cost") and fault not in FEW:
            continue
        try:
            text = wrong(name, fault, outcome(name, spoil(base)))
        except Exception as error:  # whatever it is, it is told with all the others
            text = f"{type(error).__name__}: {error}"
        if text:
            odd.append(f"{fault}: {text}")
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_data_does_not_matter(form):
    odd = []
    for name in FUNCTIONS:
        if (form == "units named" and name in OWN_UNITS) or (
            form == "float32" and getattr(FUNCTIONS[name], "daily", False)
        ):
            continue
        found = outcome(name, FORMS[form](base_of(name)))
        if found.refusal is not None or not same(found, clean(name), rtol=1e-4, atol=1e-3):
            odd.append(f"{name}: {found.refusal or 'other figures'}")
    assert not odd, "\n".join(odd)
