from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.wind import dynamic_yaw_error, yaw_loss
from workbench.model.errors import InputError
from workbench.steps import get_step

COS10 = np.cos(np.deg2rad(10.0))


@pytest.fixture
def farm(dataset):
    """Twenty days at 1,000 of 2,000 kW: T1 ten degrees to the right, T2 as often to the left."""
    slots = 20 * 144
    side = np.where(np.arange(slots) % 2, 10.0, -10.0)
    data = dataset(
        {"power_output": np.full((slots, 2), 1000.0), "yaw_error": np.stack([np.full(slots, 10.0), side], axis=1)}
    )
    return data.assign_coords(rated_capacity=("asset", [2000.0, 2000.0]))


def test_what_an_error_costs(farm):
    lost = yaw_loss(farm)
    assert lost.values == pytest.approx(1000 / COS10**2 - 1000)
    assert yaw_loss(farm, exponent=3.0).values == pytest.approx(1000 / COS10**3 - 1000)
    assert lost.attrs["units"] == "kW"


def test_an_error_that_stands_still_is_static_and_one_that_swings_dynamic(farm):
    found = dynamic_yaw_error(farm)
    assert found["loss"].values == pytest.approx(1 - COS10**2)
    assert found["loss_static"].values == pytest.approx([1 - COS10**2, 0.0])
    assert found["loss_dynamic"].values == pytest.approx([0.0, 1 - COS10**2], abs=1e-12)
    assert found["mean"].values == pytest.approx([10.0, 0.0])
    assert found["rms"].values == pytest.approx([10.0, 10.0])
    assert found["energy"].values == pytest.approx(480_000.0)
    # the same days again and again are certain
    assert found["lower"].values == pytest.approx(found["upper"].values)


def test_the_optimum_is_where_there_is_no_error(farm):
    optimum = farm["rated_capacity"].copy(data=[10.0, 0.0])
    found = dynamic_yaw_error(farm, optimum=optimum)
    assert found["loss"].values == pytest.approx([0.0, 1 - COS10**2])


def test_at_the_rating_nothing_is_lost_and_nothing_beyond_it(farm):
    power = farm["power_output"].copy()
    power[:, 0], power[:, 1] = 2000.0, 1990.0
    lost = yaw_loss(farm.assign(power_output=power))
    assert lost[:, 0].values == pytest.approx(0.0)
    assert lost[:, 1].values == pytest.approx(10.0)


def test_what_the_vane_does_within_a_slot_counts(farm):
    inner = farm["yaw_error"].copy(data=np.full(farm["yaw_error"].shape, 6.0))
    found = dynamic_yaw_error(farm.assign(yaw_error=farm["yaw_error"] * 0, yaw_error_std=inner))
    assert found["rms"].values == pytest.approx(6.0)
    assert found["loss"].values == pytest.approx(np.deg2rad(6.0) ** 2, rel=1e-6)
    assert found.attrs["within_slots"] == "yes"


def test_standing_missing_and_turned_away(farm):
    power, vane = farm["power_output"].copy(), farm["yaw_error"].copy()
    power[0], power[1, 0], vane[2, 0], vane[3, 0] = -5.0, np.nan, np.nan, 170.0
    lost = yaw_loss(farm.assign(power_output=power, yaw_error=vane))[:4, 0].values
    assert lost[0] == 0
    assert np.isnan(lost[1:3]).all()
    assert lost[3] == 0
    none = dynamic_yaw_error(farm.assign(power_output=farm["power_output"] * 0))
    assert np.isnan(none["loss"]).all()
    assert "no slot" in none["reason"].values[0]


def test_the_step_takes_the_optimum_from_a_field(farm):
    data = farm.assign(yaw_misalignment=("asset", [10.0, np.nan]))
    found = get_step("dynamic_yaw_error")(data, optimum="yaw_misalignment")["yaw_loss"]
    assert found[:, 0].values == pytest.approx(0.0)
    assert found[:, 1].values == pytest.approx(1000 / COS10**2 - 1000)


def test_wrong_input(farm):
    with pytest.raises(InputError, match="no share"):
        dynamic_yaw_error(farm, level=0.0)
    with pytest.raises(InputError, match="rated capacity"):
        yaw_loss(farm.drop_vars("rated_capacity"))
