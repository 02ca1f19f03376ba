"""Raw values to the vocabulary and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.samples import SeriesKey
from workbench.model.tags import MqttTag
from workbench.sources.scaling import Variables

KEY = SeriesKey("wind_turbine", "1s")


def variables(**tags: dict) -> Variables:
    return Variables(KEY, {name: MqttTag.model_validate(tag) for name, tag in tags.items()}, "site.entry")


def one(made: Variables, raw: float) -> float:
    values, _ = made.scale(np.array([raw]))
    return float(values[0])


def test_units_scale_and_offset():
    assert one(variables(power_output={"units": "MW"}), 1.5) == 1500.0
    assert one(variables(power_output={"units": "W", "scale": 100, "offset": -1000}), 50) == pytest.approx(4.0)
    assert one(variables(ambient_temperature={"units": "degF"}), 59.0) == pytest.approx(15.0, abs=1e-7)
    assert one(variables(ambient_temperature={"units": "kelvin", "scale": 0.1}), 2881.5) == pytest.approx(15.0)
    assert one(variables(wind_speed={}), 7.3) == 7.3


def test_same_units_are_not_rounded():
    """raw * scale + offset exactly, bit by bit: nothing else may touch the value."""
    made = variables(wind_speed={"units": "m/s", "scale": 0.01, "offset": 0.3})
    raw = np.arange(-500.0, 500.0)
    assert all(one(made, value) == value * 0.01 + 0.3 for value in raw)


@given(st.floats(-1e6, 1e6))
def test_writing_is_the_inverse(value):
    made = variables(
        power_output={"units": "W", "scale": 100, "offset": 5}, ambient_temperature={"units": "degF", "scale": 0.1}
    )
    for i, name in enumerate(made.names):
        raw = np.zeros(2)
        raw[i] = made.raw(name, value)
        assert made.scale(raw)[0][i] == pytest.approx(value, rel=1e-9, abs=1e-6)


def test_states_by_code_and_name():
    made = variables(turbine_status={"states": {10: "generating", 20: "fault"}}, operational_mode={})
    values, quality = made.scale(np.array([20.0, 3.0]))
    assert values.tolist() == [7.0, 3.0]
    assert quality is None
    assert made.raw("turbine_status", "generating") == 10
    assert made.raw("turbine_status", 7) == 20
    assert made.raw("operational_mode", "storm") == 3
    for name, value in (("turbine_status", "flying"), ("turbine_status", 3), ("wind", 1), ("operational_mode", np.nan)):
        with pytest.raises(ValueError, match=name):
            made.raw(name, value)


@pytest.mark.parametrize("raw", [np.nan, np.inf, -np.inf, 1e39])
def test_what_is_no_number_is_invalid(raw):
    values, quality = variables(wind_speed={}).scale(np.array([raw]))
    assert np.isnan(values[0])
    assert quality is not None
    assert quality[0] == Quality.INVALID


def test_what_was_not_sent_is_not_invalid():
    made = variables(wind_speed={}, power_output={"units": "W"})
    values, quality = made.scale(np.array([np.nan, 1000.0]), sent=np.array([False, True]))
    assert np.isnan(values[0])
    assert values[1] == 1.0
    assert quality is None


def test_bad_stays_bad_and_its_value_stays():
    made = variables(wind_speed={}, power_output={}, turbine_status={"states": {10: "fault"}})
    flags = np.array([Quality.BAD, Quality.UNCERTAIN, Quality.BAD], dtype=np.uint16)
    values, quality = made.scale(np.array([99.0, np.nan, np.nan]), flags)
    assert values[0] == 99.0
    assert quality is not None
    assert quality.tolist() == [Quality.BAD, Quality.UNCERTAIN | Quality.INVALID, Quality.BAD]


def test_many_rows_at_once():
    made = variables(power_output={"units": "W"}, turbine_status={"states": {10: "fault"}})
    values, quality = made.scale(np.array([[1000.0, 10.0], [2000.0, 11.0]]))
    np.testing.assert_array_equal(values, [[1.0, 7.0], [2.0, np.nan]])
    assert quality is not None
    assert quality.tolist() == [[0, 0], [0, Quality.INVALID]]


@pytest.mark.parametrize(
    ("tags", "place"),
    [
        ({"power_output": {"units": "m/s"}}, r"site\.entry\.tags\.power_output\.units"),
        ({"turbine_status": {"states": {1: "generatin"}}}, r"tags\.turbine_status\.states\.1.*\n.*generatin"),
        ({"wind_speed": {"states": {1: "on"}}}, r"tags\.wind_speed\.states\.1"),
    ],
)
def test_wrong_units_and_states_name_their_place(tags, place):
    with pytest.raises(InputError, match=place):
        variables(**tags)
