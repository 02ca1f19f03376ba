"""Limits and closure after Long and Shi (2008)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import irradiance_quality
from workbench.analytics.solar.irradiance import Check, sun_position
from workbench.model.errors import InputError
from workbench.model.quality import Quality, count_flags
from workbench.steps import remarks

from .conftest import GOLDEN


@pytest.fixture
def day() -> xr.Dataset:
    """A clear summer day at Golden, 30 min."""
    import pvlib

    times = pd.date_range("2020-06-21 07:00", periods=48, freq="30min", tz="UTC")
    place = pvlib.location.Location(GOLDEN["latitude"], GOLDEN["longitude"], altitude=GOLDEN["elevation"])
    sky = place.get_clearsky(times + pd.Timedelta("15min"), model="ineichen", linke_turbidity=3)
    return xr.Dataset(
        {
            f"irradiance_{kind}": (("time", "asset"), sky[kind].to_numpy()[:, None], {"units": "W/m2"})
            for kind in ("ghi", "dhi", "dni")
        },
        coords={
            "time": times.tz_localize(None).as_unit("ns").to_numpy(),
            "asset": ["M"],
            **{name: ("asset", [value]) for name, value in GOLDEN.items()},
        },
    )


def test_a_clear_day_passes(day):
    found = irradiance_quality(day)
    assert count_flags(found) == {"irradiance_ghi": {}, "irradiance_dhi": {}, "irradiance_dni": {}}
    bright = day["irradiance_ghi"].values > 200
    assert (found["irradiance_check"].values[bright] == Check.CLOSED).all()
    np.testing.assert_allclose(found["irradiance_closure"].values[bright], 1.0, atol=0.03)


def test_the_limits_are_those_of_the_paper(day):
    """At each slot values on either side of a limit, computed here from the sun's position."""
    zenith, extra = sun_position(day)
    cosine = np.maximum(np.cos(np.radians(zenith)), 0)
    limits = {
        "irradiance_ghi": (1.5 * extra * cosine**1.2 + 100, 1.2 * extra * cosine**1.2 + 50),
        "irradiance_dhi": (0.95 * extra * cosine**1.2 + 50, 0.75 * extra * cosine**1.2 + 30),
        "irradiance_dni": (extra + 0 * cosine, 0.95 * extra * cosine**0.2 + 10),
    }
    for name, (possible, rare) in limits.items():
        for limit, flag in ((possible, Quality.RANGE), (rare, Quality.UNCERTAIN)):
            over = np.arange(len(limit))[:, None] % 2 == 1
            one = day.assign({name: (("time", "asset"), limit + np.where(over, 0.5, -0.5))})
            bits = irradiance_quality(one)[f"{name}_quality"].values & int(flag)
            np.testing.assert_array_equal(bits > 0, over, err_msg=f"{name} {flag}")
        lows = np.resize([-4.1, -3.9, -2.1, -1.9], limit.shape[0])[:, None]
        bits = irradiance_quality(day.assign({name: (("time", "asset"), lows)}))[f"{name}_quality"].values
        np.testing.assert_array_equal((bits & int(Quality.RANGE)) > 0, lows < -4)
        np.testing.assert_array_equal((bits & int(Quality.UNCERTAIN)) > 0, lows < -2)


def test_what_does_not_close_is_flagged_in_all_and_a_shade_that_is_off_not_in_the_beam(day):
    wrong = day.copy(deep=True)
    noon = 24
    wrong["irradiance_ghi"][noon] *= 1.1
    found = irradiance_quality(wrong)
    assert found["irradiance_check"].values[noon, 0] == Check.NOT_CLOSED
    assert all(
        found[f"irradiance_{kind}_quality"].values[noon, 0] & Quality.INCONSISTENT for kind in ("ghi", "dhi", "dni")
    )
    wrong = day.copy(deep=True)
    wrong["irradiance_dhi"][noon] = wrong["irradiance_ghi"][noon] * 1.06
    found = irradiance_quality(wrong)
    assert found["irradiance_check"].values[noon, 0] == Check.RATIO
    assert found["irradiance_dhi_quality"].values[noon, 0] & Quality.INCONSISTENT
    assert not found["irradiance_dni_quality"].values[noon, 0] & Quality.INCONSISTENT


def test_a_real_day_of_the_solar_radiation_laboratory(pvanalytics):
    """Global CMP22 of the NREL BMS, 2022-01-20: a thermopile's night is rare but possible, its day is in order."""
    table = pd.read_csv(pvanalytics / "midc_bms_ghi_20220120.csv", index_col=0)
    times = pd.to_datetime(table.index, utc=True).tz_localize(None).as_unit("ns")
    data = xr.Dataset(
        {"irradiance_ghi": (("time", "asset"), table.to_numpy())},
        coords={"time": times.to_numpy(), "asset": ["M"], **{k: ("asset", [v]) for k, v in GOLDEN.items()}},
    )
    bits = irradiance_quality(data)["irradiance_ghi_quality"].values
    assert not (bits & Quality.RANGE).any()
    assert not bits[table.to_numpy() > 5].any()


def test_without_components_or_coordinates(day):
    with remarks() as told:
        found = irradiance_quality(day[["irradiance_ghi"]])
    assert "irradiance_closure" not in found
    assert any("no closure" in text for text in told)
    with pytest.raises(InputError, match="place of each asset"):
        irradiance_quality(day.drop_vars("longitude"))
    with pytest.raises(InputError, match="no irradiance"):
        irradiance_quality(day[[]])
