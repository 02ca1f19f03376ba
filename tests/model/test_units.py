"""Units: spellings of devices and data sheets, offsets, dimensions that look alike."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.units import check_unit, convert, same_dimension
from workbench.model.vocabulary import vocabulary


@pytest.mark.parametrize(
    ("value", "start", "end", "expected"),
    [
        (0.0, "celsius", "fahrenheit", 32.0),
        (100.0, "degC", "degF", 212.0),
        (-40.0, "°C", "°F", -40.0),
        (0.0, "degC", "K", 273.15),
        (2850.5, "kW", "MW", 2.8505),
        (10.2, "m/s", "mph", 10.2 / 0.44704),
        (1.0, "m s-1", "km/h", 3.6),
        (1013.25, "hPa", "Pa", 101325.0),
        (2.5, "bar", "kPa", 250.0),
        (950.0, "W/m2", "kW m-2", 0.95),
        (1.225, "kg/m3", "g/L", 1.225),
        (65.0, "%", "1", 0.65),
        (180.0, "degrees", "rad", math.pi),
        (60.0, "rpm", "degree/s", 360.0),
        (125.3, "kvar", "kW", 125.3),
        (4.2, "kWh/kWp", "h", 4.2),
        (3.6, "MJ", "kWh", 1.0),
        (0.0, "mm/s", "m/s", 0.0),
        (50.0, "USD/MWh", "USD/kWh", 0.05),
        (1.0, "Mvar", "kVAr", 1000.0),
        (1.0, "1/s", "Hz", 1.0),
    ],
)
def test_conversions(value, start, end, expected):
    assert convert(value, start, end) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_an_offset_unit_is_exact_in_single_precision():
    celsius = np.array([0, 15.5, 100, -40], dtype="f4")
    fahrenheit = convert(celsius, "celsius", "fahrenheit")
    assert fahrenheit.dtype == np.float32
    np.testing.assert_array_equal(fahrenheit, np.array([32, 59.9, 212, -40], dtype="f4"))


def test_the_values_given_are_left_alone():
    values = np.array([1.0, 2.0])
    assert convert(values, "kW", "W") is not values
    np.testing.assert_array_equal(values, [1.0, 2.0])
    other = convert(values, "kW", "kilowatt")  # nothing to compute, still an array of its own
    other[0] = 5
    assert values[0] == 1.0


def test_integers_and_lists():
    np.testing.assert_allclose(convert(np.array([1500, 2000]), "kW", "MW"), [1.5, 2.0])
    np.testing.assert_allclose(convert([1500, 2000], "kW", "MW"), [1.5, 2.0])


def test_a_dataarray_gets_the_new_unit_and_keeps_the_rest():
    data = xr.DataArray([0.0, np.nan], dims="time", attrs={"units": "degC", "long_name": "air"}, name="temperature")
    changed = convert(data, "degC", "degF")
    assert changed.attrs == {"units": "degF", "long_name": "air"}
    assert changed.name == "temperature"
    assert data.attrs["units"] == "degC"
    np.testing.assert_array_equal(changed, [32.0, np.nan])


def test_a_lazy_array_stays_lazy():
    pytest.importorskip("dask")
    lazy = xr.DataArray(np.zeros(4), dims="time").chunk(2)
    changed = convert(lazy, "degC", "K")
    assert changed.chunks
    np.testing.assert_array_equal(changed, np.full(4, 273.15))


@pytest.mark.parametrize("unit", ["kWx", "foo", "m/", "KW", "3 kW", "power"])
def test_an_unknown_unit_is_an_error_that_names_it(unit):
    with pytest.raises(InputError, match="unknown unit") as error:
        check_unit(unit)
    assert repr(unit) in str(error.value)


def test_the_hint_of_an_unknown_unit():
    with pytest.raises(InputError, match="did you mean Hz"):
        check_unit("HZ")


@pytest.mark.parametrize(("start", "end"), [("kW", "kWh"), ("m/s", "degC"), ("EUR/MWh", "USD/MWh"), ("%", "m")])
def test_what_does_not_fit_is_an_error(start, end):
    assert not same_dimension(start, end)
    with pytest.raises(InputError, match="cannot convert"):
        convert(1.0, start, end)


def test_turns_are_not_taken_for_cycles():
    """A registry in which radians are plain numbers would make 60 rpm 6.28 Hz."""
    assert not same_dimension("rpm", "Hz")
    with pytest.raises(InputError, match="divide rpm by 60"):
        convert(60.0, "rpm", "Hz")


def test_every_unit_of_the_vocabulary_is_a_unit():
    for term in vocabulary().values():
        assert check_unit(term.units) == term.units


def test_importing_units_does_not_import_pint():
    code = "import sys, workbench.model.units; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PAIRS = [("degC", "degF"), ("kW", "MW"), ("m/s", "mph"), ("bar", "Pa"), ("degC", "K"), ("%", "1"), ("rpm", "rad/s")]


@given(st.floats(-1e6, 1e6), st.sampled_from(PAIRS))
def test_there_and_back(value, pair):
    start, end = pair
    assert convert(convert(value, start, end), end, start) == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.sampled_from(PAIRS))
def test_conversion_keeps_order(a, b, pair):
    low, high = sorted((a, b))
    assert convert(low, *pair) <= convert(high, *pair)


def test_decibels_are_no_straight_line():
    assert convert(1.0, "dBm", "mW") == pytest.approx(10**0.1)
    np.testing.assert_allclose(convert(np.array([0.0, 10.0, 20.0]), "dBm", "mW"), [1, 10, 100])
    assert convert(100.0, "mW", "dBm") == pytest.approx(20)


@pytest.mark.parametrize(
    ("value", "start", "end", "expected"),
    [
        (2.0, "kNm", "N*m", 2000),
        (2.0, "Nm", "kN*m", 0.002),
        (3.0, "kvarh", "kvar*h", 3),
        (3.0, "MVArh", "kvar*h", 3000),
        (4.0, "kVAh", "VA*h", 4000),
        (1.0, "VAh", "kvar*h", 0.001),
    ],
)
def test_products_without_a_sign(value, start, end, expected):
    assert convert(value, start, end) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "right"), [("KW", "kW"), ("KWH", "kWh"), ("Kvar", "kvar"), ("DEGC", "degC"), ("KVA", "kVA"), ("HZ", "Hz")]
)
def test_a_wrong_case_is_told_what_it_should_be(wrong, right):
    with pytest.raises(InputError) as error:
        check_unit(wrong)
    assert error.value.hint == f"did you mean {right}?"
