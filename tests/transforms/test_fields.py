from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.steps import remarks
from workbench.transforms.fields import (
    asset_identification,
    field_standardization,
    timestamp_normalization,
    unit_conversion,
)


def telemetry(**fields):
    times = np.datetime64("2025-03-30T00:00", "ns") + np.arange(3) * np.timedelta64(1, "h")
    units = {"wind_speed": "m s-1", "temperature": "degC", "power_output": "kW", "active_power": "kW"}
    return xr.Dataset(
        {
            name: (("time", "asset"), np.array(values, dtype=float), {"units": units[name]} if name in units else {})
            for name, values in fields.items()
        },
        coords={"time": times, "asset": ["T1", "T2"]},
        attrs={"asset_type": "wind_turbine"},
    )


@pytest.fixture
def data():
    return telemetry(
        wind_speed=[[10, 0], [5, np.nan], [1, 2]],
        temperature=[[15, -40], [0, 1], [2, 3]],
        power_output=[[2850, np.nan], [1, 2], [3, 4]],
        active_power=[[2850, 7], [1, 5], [3, 4]],
    )


def test_units_are_converted_offsets_included(data):
    found = unit_conversion(
        data,
        conversions=[
            {"field": "wind_speed", "from_unit": "m/s", "to_unit": "mph", "output_field": "wind_speed_mph"},
            {"field": "temperature", "from_unit": "celsius", "to_unit": "fahrenheit", "output_field": "temperature_f"},
            {"field": "power_output", "from_unit": "kW", "to_unit": "MW"},
        ],
    )
    np.testing.assert_allclose(found["wind_speed_mph"].values[0], [22.369363, 0], rtol=1e-7)
    np.testing.assert_allclose(found["temperature_f"].values[0], [59, -40])
    assert found["power_output"].values[0, 0] == 2.85
    assert found["power_output"].attrs["units"] == "MW"
    assert data["power_output"].values[0, 0] == 2850


def test_what_the_data_says_of_its_unit_counts(data):
    with remarks() as told:
        found = unit_conversion(
            data,
            conversions=[
                {"field": "power_output", "from_unit": "MW", "to_unit": "MW", "output_field": "mw"},
                {"field": "irradiance_poa", "from_unit": "W/m2", "to_unit": "kW/m2"},
            ],
        )
    assert found["mw"].values[0, 0] == 2.85
    assert told == [
        "unit_conversion: no field 'irradiance_poa' in the data; what is said of it is left out",
        "unit_conversion: power_output is in kW, as the data says, not in MW",
    ]


@pytest.mark.parametrize(
    ("conversion", "message"),
    [
        ({"field": "wind_sped", "to_unit": "mph"}, "did you mean 'wind_speed'"),
        ({"field": "wind_speed", "to_unit": "furlong/fortnite"}, "unknown unit"),
        ({"field": "wind_speed", "to_unit": "kW"}, "cannot convert"),
        ({"field": "wind_speed", "to": "mph"}, "Field required"),
    ],
)
def test_wrong_conversions_are_told(data, conversion, message):
    with pytest.raises(InputError, match=message):
        unit_conversion(data, conversions=[conversion])


def test_the_first_present_of_several_is_taken_and_conflicts_are_told(data):
    mapping = {
        "source_fields": ["power_output", "active_power", "total_ac_power"],
        "destination_field": "power_generation_kw",
        "default_unit": "kW",
    }
    other = {"source_fields": ["energy_today"], "destination_field": "daily_energy_kwh", "default_unit": "kWh"}
    with remarks() as told:
        found = field_standardization(data, mappings=[mapping, other])
    np.testing.assert_array_equal(found["power_generation_kw"].values, [[2850, 7], [1, 2], [3, 4]])
    assert "daily_energy_kwh" not in found
    assert told == [
        "field_standardization: power_generation_kw is power_output; active_power differs from it in 1 of 5 values",
        "field_standardization: none of energy_today is in the data; no daily_energy_kwh",
    ]
    in_mw = field_standardization(data, mappings=[{**mapping, "default_unit": "MW"}])
    assert in_mw["power_generation_kw"].values[0, 0] == 2.85
    with pytest.raises(InputError, match="none of the fields is in the data"):
        field_standardization(data, mappings=[other])


def test_assets_get_an_id_of_their_own(data):
    with remarks() as told:
        found = asset_identification(data, prefix_field="asset_type", id_field="turbine_id")
    assert list(found["unified_asset_id"].values) == ["wind_turbine-T1", "wind_turbine-T2"]
    assert told == ["asset_identification: no field 'turbine_id' in the data; the asset's own name is taken"]
    own = data.assign_coords(turbine_id=("asset", ["X", "X"]))
    with pytest.raises(InputError, match="an id is not unique"):
        asset_identification(own, id_field="turbine_id")
    with pytest.raises(InputError, match="did you mean 'asset_type'"):
        asset_identification(data, prefix_field="asset_typ")


def test_times_that_say_their_offset_are_utc_whatever_zone_is_named(data):
    with remarks() as told:
        found = timestamp_normalization(data, source_timezone_field="location.timezone")
    np.testing.assert_array_equal(found["timestamp_utc"].values, data["time"].values)
    assert len(told) == 1
    assert "carry their offset" in told[0]
    zoned = timestamp_normalization(data, source_timezone="America/Denver")
    np.testing.assert_array_equal(zoned["timestamp_utc"].values, data["time"].values)


def test_local_times_go_to_utc_over_both_edges_of_daylight_saving():
    hours = ["2025-03-30T01:30", "2025-03-30T03:30", "2025-10-26T02:30", "2025-10-26T02:30", "2025-10-26T03:30"]
    data = xr.Dataset(
        {"x": ("time", np.arange(5.0))},
        coords={"time": ("time", np.array(hours, "datetime64[ns]"), {"time_zone": "local"})},
        attrs={"timezone": "Europe/Berlin"},
    )
    found = timestamp_normalization(data, source_timezone_field="location.timezone")
    expected = ["2025-03-30T00:30", "2025-03-30T01:30", "2025-10-26T00:30", "2025-10-26T01:30", "2025-10-26T02:30"]
    np.testing.assert_array_equal(found["time"].values, np.array(expected, "datetime64[ns]"))
    assert "time_zone" not in found["time"].attrs
    with pytest.raises(InputError, match="no time zone is known"):
        timestamp_normalization(data.drop_attrs().assign_coords(time=data["time"]), source_timezone_field="zone")
    gap = data.assign_coords(time=("time", np.array(["2025-03-30T02:30"] * 5, "datetime64[ns]"), data["time"].attrs))
    with pytest.raises(InputError):
        timestamp_normalization(gap, source_timezone="Europe/Berlin")
