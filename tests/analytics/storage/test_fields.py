"""Units, signs and times of batteries are checked, and told in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.analytics.storage import correct_signs, power_of, reversed_signs, round_trip_efficiency
from workbench.analytics.storage.fields import maybe, prepared
from workbench.model.errors import InputError
from workbench.steps import remarks


def test_one_battery_without_the_dimension_asset_is_a_farm_of_one(plain):
    whole = plain(3)
    one = whole.isel(asset=0)
    same, other = round_trip_efficiency(whole), round_trip_efficiency(one)
    assert one.dims == {"time"} or set(one.dims) == {"time"}
    assert other["efficiency"].values == pytest.approx(same["efficiency"].values)
    assert other["asset"].values.tolist() == ["B1"]


@pytest.mark.parametrize("field", ["active_power", "dc_power"])
def test_a_reversed_sign_is_told_and_put_right(plain, field):
    right = plain(3, assets=3)
    wrong = right.copy()
    wrong[field] = right[field] * np.array([1, -1, 1])
    with pytest.raises(InputError, match="sign is reversed") as told:
        power_of(prepared(wrong))
    assert told.value.where == field
    assert told.value.found.startswith("B2")
    with remarks() as said:
        mended = correct_signs(wrong)
    np.testing.assert_allclose(mended[field], right[field])
    assert any(field in one and "B2" in one for one in said)
    assert not reversed_signs(right).to_array().any()


def test_without_state_of_charge_the_voltage_tells_the_sign(field_of):
    data = field_of("frequency", days=(10, 20)).data[["dc_current", "dc_voltage"]]
    assert not reversed_signs(data)["dc_current"].any()
    assert reversed_signs(data.assign(dc_current=-data["dc_current"]))["dc_current"].all()


def test_charging_power_below_zero_is_turned_around(plain):
    data = plain(3)
    other = correct_signs(data.assign(charge_power=-data["charge_power"]))
    np.testing.assert_allclose(other["charge_power"], data["charge_power"])


def test_units_are_converted_and_impossible_ones_told(plain):
    data = plain(3)
    watts = data.assign(active_power=(1000 * data["active_power"]).assign_attrs(units="W"))
    np.testing.assert_allclose(maybe(watts, "active_power"), data["active_power"])
    with pytest.raises(InputError, match="watts taken for kilowatts"):
        maybe(data.assign(active_power=1000 * data["active_power"]), "active_power")
    with pytest.raises(InputError, match="shares of one"):
        maybe(data.assign(state_of_charge=data["state_of_charge"] / 100), "state_of_charge")
    share = (data["state_of_charge"] / 100).assign_attrs(units="1")
    np.testing.assert_allclose(maybe(data.assign(state_of_charge=share), "state_of_charge"), data["state_of_charge"])
    kelvin = data["cell_temperature_max"] + 273.15
    with pytest.raises(InputError, match="cannot be in degC"):
        maybe(data.assign(cell_temperature_max=kelvin), "cell_temperature_max")
    with pytest.raises(InputError, match="cell_voltage_mean"):
        maybe(data.assign(cell_voltage_mean=3300 + 0 * data["dc_power"]), "cell_voltage_mean")


def test_local_times_are_told(plain):
    data = plain(3)
    zoned = data.assign_coords(time=pd.DatetimeIndex(data["time"].values).tz_localize("Europe/Paris"))
    with pytest.raises(InputError, match="not UTC"):
        prepared(zoned)
    local = data["time"].values.copy()
    local[100:] -= np.timedelta64(1, "h")  # as a clock that is set back
    with pytest.raises(InputError, match="go back"):
        prepared(data.assign_coords(time=local))


def test_without_any_power_the_nearest_field_is_named(plain):
    with pytest.raises(InputError, match="active_power"):
        round_trip_efficiency(plain(3)[["state_of_charge"]])
