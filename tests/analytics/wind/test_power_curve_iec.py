from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.power_curve import power_curve
from workbench.analytics.wind.power_curve_iec import Instruments, category_b, completeness, iec_power_curve
from workbench.model.errors import InputError

NAN = np.nan


def farm(dataset, speeds, per_bin=60, **coords):
    """Each speed ``per_bin`` times, and a power rising by 100 kW per m/s from 3 m/s, up to 1,000 kW."""
    speed = np.repeat(np.asarray(speeds, dtype=float), per_bin)[:, None]
    power = np.clip((speed - 3) * 100, 0, 1000)
    return dataset(
        {"wind_speed": speed, "power_output": power}, cut_in_wind_speed=[3.5], rated_capacity=[1000.0], **coords
    )


def test_category_b_combines_each_instrument_by_its_sensitivity(dataset):
    curve = power_curve(farm(dataset, [5.0, 6.0, 7.0]))
    at = {"asset": 0, "wind_speed_bin": 12}  # 6 m/s: 300 kW, 100 kW per m/s
    one = {name: float(category_b(curve, Instruments(**{name: 0.1}))[at]) for name in vars(Instruments())}
    assert one["power"] == pytest.approx(0.1)
    assert one["power_relative"] == pytest.approx(30.0)
    assert one["wind_speed"] == pytest.approx(10.0)
    assert one["wind_speed_relative"] == pytest.approx(60.0)
    # by the wind speed: 100 kW/(m/s) times a third of 6 m/s, for each kelvin in 288.15
    assert one["temperature"] == pytest.approx(0.1 * 200 / 288.15)
    assert one["pressure"] == pytest.approx(0.1 * 200 / 1013.25)
    # of a stall-regulated turbine P_i / 288.15 K and P_i / 1013 hPa: T. Burton et al., Wind Energy Handbook, 4.11.2
    stall = {
        name: float(category_b(curve, Instruments(**{name: 1.0}), control="stall")[at])
        for name in ("temperature", "pressure")
    }
    assert stall["temperature"] == pytest.approx(300 / 288.15)
    assert stall["pressure"] == pytest.approx(300 / 1013, rel=3e-4)
    both = Instruments(power=3.0, wind_speed=0.04)
    assert float(category_b(curve, both)[at]) == pytest.approx(5.0)


def test_category_a_and_b_are_added_as_squares(dataset):
    data = farm(dataset, np.arange(2.5, 25.0, 0.5))
    data["power_output"] += np.where(np.arange(data.sizes["time"]) % 2, 30.0, -30.0)[:, None]
    curve = iec_power_curve(data, Instruments(power=4.0)).isel(asset=0).sel(wind_speed_bin=14.0)
    a = 30 * np.sqrt(60 / 59) / np.sqrt(60)
    assert curve["power_uncertainty"].item() == pytest.approx(a)
    assert curve["category_b"].item() == pytest.approx(4.0)
    assert curve["combined_uncertainty"].item() == pytest.approx(np.hypot(a, 4.0))
    assert curve["combined_uncertainty"].attrs["units"] == "kW"


def test_a_complete_data_base(dataset):
    # 85 % of the rating is reached at 11.5 m/s: from 2.5 to 17.25 m/s
    curve = iec_power_curve(farm(dataset, np.arange(2.5, 18.0, 0.5)), Instruments()).isel(asset=0)
    assert curve["range_low"].item() == 2.5
    assert curve["range_high"].item() == pytest.approx(17.25)
    assert curve["bins_needed"].item() == curve["bins_filled"].item() == 30
    assert curve["complete"].item()
    assert curve["statement"].item() == "complete from 2.5 to 17.2 m/s: 310.0 h"


@pytest.mark.parametrize(
    ("speeds", "per_bin", "said"),
    [
        (np.arange(2.5, 18.0, 0.5), 3, "incomplete from 2.5 to 17.2 m/s: 15.5 h of data, 180 h are needed"),
        (np.arange(3.0, 16.6, 0.5), 60, "incomplete from 2.5 to 17.2 m/s: less than 30 minutes at 2.5, 17 m/s"),
        (
            np.arange(2.5, 9.0, 0.5),
            100,
            "incomplete: the curve does not reach 85 % of the rating, so the range is open",
        ),
    ],
)
def test_what_a_data_base_lacks(dataset, speeds, per_bin, said):
    curve = iec_power_curve(farm(dataset, speeds, per_bin), Instruments()).isel(asset=0)
    assert not curve["complete"].item()
    assert curve["statement"].item() == said


def test_a_turbine_without_data_is_incomplete(dataset):
    data = dataset({"wind_speed": [[NAN]] * 6, "power_output": [[NAN]] * 6})
    curve = iec_power_curve(data, Instruments(power=1.0), cut_in=3.0, rating=100.0).isel(asset=0)
    assert not curve["complete"].item()
    assert "0.0 h" in curve["statement"].item()
    assert curve["category_b"].isnull().all()


def test_bins_need_thirty_minutes_whatever_the_slot(dataset):
    data = farm(dataset, [5.0], per_bin=20)
    data = data.assign_coords(time=data["time"].values[0] + np.arange(20) * np.timedelta64(1, "m"))
    assert iec_power_curve(data, Instruments())["power"].isnull().all()


def test_density_moves_the_power_of_a_stall_regulated_turbine(dataset):
    data = farm(dataset, [6.0])
    rho = xr.full_like(data["power_output"], 1.1)
    curve = iec_power_curve(data, Instruments(), density=rho, control="stall").isel(asset=0)
    assert curve["power"].sel(wind_speed_bin=6.0).item() == pytest.approx(300 * 1.225 / 1.1)


def test_bad_input_is_told(dataset):
    with pytest.raises(InputError, match="below zero"):
        Instruments(power=-1.0)
    with pytest.raises(InputError, match="cut_in_wind_speed is not known"):
        iec_power_curve(farm(dataset, [5.0]).drop_vars("cut_in_wind_speed"), Instruments())
    assert completeness(
        power_curve(farm(dataset, [5.0])),
        cut_in=xr.DataArray([3.0], dims="asset"),
        rating=xr.DataArray([NAN], dims="asset"),
    )["complete"].values.tolist() == [False]
