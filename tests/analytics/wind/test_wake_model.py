from __future__ import annotations

import sys

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.wake_comparison import modelled_wakes
from workbench.analytics.wind.wake_model import (
    gaussian_deficit,
    jensen_deficit,
    thrust_from_power,
    wind_at_turbines,
)
from workbench.analytics.wind.wakes import wake_losses
from workbench.model.errors import InputError

THRUST = (np.array([3.0, 5, 10, 12, 15, 25]), np.array([0.85, 0.82, 0.8, 0.6, 0.3, 0.1]))


@pytest.fixture
def haute_borne_layout() -> xr.Dataset:
    facts = {"latitude": [48.4569, 48.4497, 48.4461, 48.4536], "longitude": [5.5847, 5.5869, 5.5925, 5.5875]}
    facts |= {"rotor_diameter": [82.0] * 4, "hub_height": [80.0] * 4}
    layout = xr.Dataset(coords={"asset": ["R80711", "R80721", "R80736", "R80790"]})
    return layout.assign_coords({name: ("asset", values) for name, values in facts.items()})


def test_a_single_jensen_wake():
    """Jensen 1983, in closed form: (1 - sqrt(1 - 0.8)) / (1 + 2 * 0.075 * 5)^2 = 0.55279 / 3.0625 = 0.180502."""
    behind, across = np.array([500.0, 500.0, -1.0]), np.array([0.0, 200.0, 0.0])
    found = jensen_deficit(behind, across, 100.0, np.full(3, 50.0), np.full(3, 0.8), 0.075)
    assert found == pytest.approx([0.5527864045 / 3.0625, 0.0, 0.0])
    # a rotor half in the cone, whose edge is nearly straight across it: a little less than half of the deficit
    half = jensen_deficit(np.array([500.0]), np.array([87.5]), 100.0, np.array([5.0]), np.array([0.8]), 0.075)
    assert 0.48 < half[0] / found[0] < 0.5


def test_a_single_gaussian_wake():
    """Bastankhah and Porté-Agel 2014, equation 23 with Ct 0.8, k* 0.04, 5 diameters, by hand.

    beta = (1 + 0.447214) / (2 * 0.447214) = 1.618034; sigma/D = 0.2 + 0.2 * 1.272020 = 0.454404;
    1 - sqrt(1 - 0.8 / (8 * 0.206483)) = 1 - sqrt(0.515699) = 0.281878;
    at one sigma across times exp(-1/2).
    """
    across = np.array([0.0, 45.4404])
    found = gaussian_deficit(np.full(2, 500.0), across, 100.0, np.full(2, 0.8), 0.04)
    assert found[0] == pytest.approx(0.281878, abs=2e-6)
    assert found[1] / found[0] == pytest.approx(np.exp(-0.5), rel=1e-5)


@pytest.mark.parametrize(
    ("model", "growth", "expected"),
    [
        # four turbines at 150 and 335 degrees by PyWake 2.6.20: PropagateDownwind, NOJDeficit or BastankhahGaussianDeficit, ct2a_mom1d, SquaredSum [m/s]
        ("jensen", 0.075, [6.5122106, 8.0, 8.0, 7.5861101, 8.0, 8.0, 7.2567264, 6.5685662]),
        ("gaussian", 0.04, [5.8067335, 7.9981051, 8.0, 7.7890375, 8.0, 7.9984929, 7.0289717, 6.4810072]),
    ],
)
def test_the_figures_of_pywake(haute_borne_layout, model, growth, expected):
    found = wind_at_turbines(haute_borne_layout, [150.0, 335.0], [8.0], THRUST, model=model, growth=growth)
    assert found.isel(free_wind_speed=0).values.ravel().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["jensen", "gaussian"])
def test_pywake_itself(haute_borne_layout, model):
    pytest.importorskip("py_wake", reason="PyWake, the extra wake-model, is not installed")
    winds = (np.arange(0.0, 360.0, 15.0), [6.0, 8.0, 13.0])
    ours, theirs = (
        wind_at_turbines(haute_borne_layout, *winds, THRUST, model=model, engine=engine)
        for engine in ("workbench", "pywake")
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_pywake_missing_is_said(haute_borne_layout, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_wake", None)  # so that it cannot be imported, be it installed or not
    with pytest.raises(InputError, match="PyWake is not installed"):
        wind_at_turbines(haute_borne_layout, [0.0], [8.0], THRUST, engine="pywake")


def test_thrust_from_power_is_momentum_theory():
    """A rotor with a = 1/3 has Cp 16/27 and Ct 8/9; a third of that Cp has a = 0.0553, Ct 0.2091."""
    speed = np.array([0.0, 8.0, 8.0001])
    most = 0.5 * 1.225 * np.pi * 50**2 * 8**3 * 16 / 27 / 1e3
    _, thrust = thrust_from_power((speed, [0.0, most, most / 3]), 100.0, efficiency=1.0)
    assert thrust[1] == pytest.approx(8 / 9, abs=2e-3)
    assert thrust[2] == pytest.approx(0.2091, abs=1e-4)
    assert thrust[0] == 0


def test_measured_beside_modelled(made_farm):
    """The model that made the farm, with its own curves: its loss is the true one to a tenth of it; the measured too."""
    from benchmarks._wake_farm import CURVE
    from benchmarks._wake_farm import THRUST as ITS_THRUST

    losses = wake_losses(made_farm.turbines, made_farm.reanalysis, years=2)
    found = modelled_wakes(made_farm.turbines, losses, CURVE, ITS_THRUST, growth=0.045)
    truth = made_farm.long_term[-1]
    assert found.summary.loc["plant", "model"] == pytest.approx(truth, rel=0.2)
    assert found.summary.loc["plant", "measured"] == losses.summary.loc["plant", "long_term"]
    assert found.by_direction["difference"].dims == ("wind_direction", "asset")
    worst = found.by_direction["model"].sel(asset="plant").max()
    assert float(worst) > 2 * found.summary.loc["plant", "model"]
    assert "gaussian" in found.statement
    alone = modelled_wakes(made_farm.turbines, losses.wind, CURVE, ITS_THRUST, growth=0.045)
    assert alone.summary["model"].equals(found.summary["model"])
    with pytest.raises(InputError, match="no long-term wind"):
        modelled_wakes(made_farm.turbines, wake_losses(made_farm.turbines), CURVE)


def test_one_turbine_loses_nothing_in_the_model(haute_borne_layout):
    found = wind_at_turbines(haute_borne_layout.isel(asset=[0]), [0.0, 90.0], [8.0], THRUST)
    assert (found == 8.0).all()


def test_bad_input(haute_borne_layout):
    with pytest.raises(InputError, match="model"):
        wind_at_turbines(haute_borne_layout, [0.0], [8.0], THRUST, model="other")
    with pytest.raises(InputError, match="engine"):
        wind_at_turbines(haute_borne_layout, [0.0], [8.0], THRUST, engine="other")
    with pytest.raises(InputError, match="rotor"):
        wind_at_turbines(haute_borne_layout.drop_vars("rotor_diameter"), [0.0], [8.0], THRUST)
