"""A wake model in a pipeline: beside farms whose wakes are that model's."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks._wake_farm import CURVE, THRUST
from workbench.analytics.wind.wake_comparison import modelled_wakes
from workbench.analytics.wind.wakes import wake_losses
from workbench.model.assets import PowerCurve
from workbench.model.errors import InputError
from workbench.steps import get_step

GIVEN = {
    "curve": {"wind_speed": CURVE[0].tolist(), "power": CURVE[1].tolist()},
    "thrust": {"wind_speed": THRUST[0].tolist(), "coefficient": THRUST[1].tolist()},
}
WIND = [[3, 5, 8, 25], [0, 200, 900, 2500]]


def sheet(speeds, powers) -> str:
    return PowerCurve(wind_speed=speeds, power=powers).as_text()


def test_the_wakes_of_a_farm_made_by_the_model(made_farm):
    """In the wind of the period: what was lost is known, stops and terrain beside it."""
    found = get_step("modelled_wakes")(made_farm.turbines, **GIVEN, direction_spread=2.0)
    loss = found["modelled_wake_loss"]
    assert loss.attrs["farm"] == pytest.approx(made_farm.period[-1], abs=0.01)
    assert np.corrcoef(loss.values, made_farm.period[:-1])[0, 1] > 0.9
    measured = get_step("wake_losses")(made_farm.turbines)["wake_loss"]
    assert found["modelled_wake_loss_difference"].values == pytest.approx(measured.values - loss.values)
    assert found["modelled_wake_loss_difference"].attrs["farm"] == pytest.approx(
        measured.attrs["farm"] - loss.attrs["farm"]
    )
    assert loss.attrs["model"] == "gaussian wakes growing by 0.04, averaged over 2 degrees"
    by_direction = found["modelled_wake_loss_by_direction"]
    assert by_direction.dims == ("asset", "modelled_wake_loss_direction")
    assert by_direction.sizes["modelled_wake_loss_direction"] == 72


def test_the_long_term_as_the_function_has_it(made_farm):
    found = get_step("modelled_wakes")(
        made_farm.turbines, **GIVEN, reanalysis=dict(made_farm.reanalysis), years=2, model="jensen", output_field="park"
    )
    losses = wake_losses(made_farm.turbines, made_farm.reanalysis, years=2)
    by_hand = modelled_wakes(made_farm.turbines, losses, CURVE, THRUST, model="jensen")
    assert found["park"].values == pytest.approx(by_hand.summary["model"].to_numpy()[:-1])
    assert found["park_difference"].attrs["farm"] == pytest.approx(by_hand.summary.loc["plant", "difference"])
    np.testing.assert_allclose(
        found["park_by_direction"].values, by_hand.by_direction["model"].values.T[:-1], equal_nan=True
    )


def test_the_curve_of_the_data_sheet(made_farm):
    step = get_step("modelled_wakes")

    def known(*texts: str):
        return made_farm.turbines.assign_coords(manufacturer_power_curve=("asset", np.array(texts, dtype=object)))

    one = sheet(*WIND)
    by_sheet = step(known(one, one, one, one))["modelled_wake_loss"]
    given = step(made_farm.turbines, curve={"wind_speed": WIND[0], "power": WIND[1]})["modelled_wake_loss"]
    assert by_sheet.values.tolist() == given.values.tolist()
    with pytest.raises(InputError, match="no power curve in common") as caught:
        step(known(one, one, one, ""))
    assert caught.value.found == "no manufacturer_power_curve of T4"
    with pytest.raises(InputError, match="no power curve in common") as caught:
        step(known(one, one, one, sheet([3, 25], [0, 2500])))
    assert caught.value.found == "2 curves"
    with pytest.raises(InputError, match="no power curve in common"):
        step(made_farm.turbines)


def test_what_is_wrong_is_named(made_farm, monkeypatch):
    step = get_step("modelled_wakes")
    with pytest.raises(InputError, match="rotor diameter"):
        step(made_farm.turbines.drop_vars("rotor_diameter"), **GIVEN)
    for thrust, text in (
        ({"wind_speed": [3, 25], "coefficient": [0.8]}, "2 wind speeds but 1 coefficients"),
        ({"wind_speed": [25, 3], "coefficient": [0.8, 0.1]}, "must rise"),
        ({"wind_speed": [3, 25], "coefficient": [0.8, 0.1], "density": 1}, "density"),
    ):
        with pytest.raises(ValidationError, match=text):
            step.check({"thrust": thrust})
    monkeypatch.setitem(sys.modules, "py_wake", None)  # so that it cannot be imported, be it installed or not
    with pytest.raises(InputError, match="PyWake is not installed"):
        step(made_farm.turbines, **GIVEN, engine="pywake")


def test_one_turbine_has_no_wakes(made_farm):
    found = get_step("modelled_wakes")(made_farm.turbines.isel(asset=[0]), **GIVEN)
    assert found["modelled_wake_loss"].item() == pytest.approx(0.0, abs=1e-12)
    assert found["modelled_wake_loss_difference"].item() == pytest.approx(0.0, abs=1e-12)
