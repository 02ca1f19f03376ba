from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.wake_simulation import simulate_wake_losses
from workbench.analytics.wind.wakes import ALONE, wake_losses
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks


def test_losses_as_fields(made_farm):
    found = get_step("wake_losses")(made_farm.turbines, direction_assets=["T1", "T2"])
    whole = wake_losses(made_farm.turbines, direction_assets=["T1", "T2"]).summary["period"]
    assert found["wake_loss"].values.tolist() == whole.iloc[:-1].tolist()
    assert found["wake_loss"].attrs["farm"] == whole["plant"]
    free, made = found["wake_free_power"], found["power_output"]
    assert free.dims == ("time", "asset")
    both = np.isfinite(free) & np.isfinite(made)
    lost = 1 - float(made.where(both).sum() / free.where(both).sum())
    assert lost == pytest.approx(whole["plant"], abs=1e-9)


def test_the_long_term_and_the_range_as_the_functions_have_them(made_farm):
    step = get_step("wake_losses")
    checked = step.check({"reanalysis": dict(made_farm.reanalysis), "years": 2, "simulations": 5, "seed": 3})
    found = step.function(made_farm.turbines, **checked)
    whole = wake_losses(made_farm.turbines, made_farm.reanalysis, years=2).summary
    assert found["wake_loss_long_term"].values == pytest.approx(whole["long_term"].to_numpy()[:-1])
    assert found["wake_loss_long_term"].attrs["farm"] == pytest.approx(whole.loc["plant", "long_term"])
    drawn = simulate_wake_losses(made_farm.turbines, made_farm.reanalysis, simulations=5, seed=3, years=(2, 2)).summary
    for name, source in (("wake_loss", "period"), ("wake_loss_long_term", "long_term")):
        for ending in ("mean", "std", "p5", "p95"):
            one = found[f"{name}_{ending}"]
            assert one.values == pytest.approx(drawn[source, ending].to_numpy()[:-1]), (name, ending)
            assert one.attrs["farm"] == pytest.approx(drawn.loc["plant", (source, ending)])
    # what the step says before is what it gave
    effect = step.effect(checked, {"wind_speed": "m/s", "wind_direction": "degree", "power_output": "kW"})
    assert set(effect.adds) == set(found.data_vars) - set(made_farm.turbines.data_vars)


def test_an_offset_found_by_one_step_is_taken_by_the_next(made_farm):
    """Directions turned by -25 degrees: the wakes tell, and the losses are those of directions that were right."""
    turned = made_farm.turbines.copy()
    turned["wind_direction"] = (made_farm.turbines["wind_direction"] - 25.0) % 360
    with remarks() as told:
        there = get_step("direction_offset")(turned, replicates=5)
    offset = there["wind_direction_offset"]
    straight = get_step("direction_offset")(made_farm.turbines, replicates=5)["wind_direction_offset"]
    assert offset.values == pytest.approx(straight.values + 25.0, abs=0.5)
    assert offset.values == pytest.approx([25.0] * 4, abs=4)  # of sensors that are off by some degrees themselves
    assert offset.attrs["farm"] == offset.values[0]
    low, high, std = (there[f"wind_direction_offset_{one}"].values[0] for one in ("low", "high", "std"))
    assert low < offset.values[0] < high
    assert std > 0
    assert told[0].startswith("direction_offset: Add +2")
    step = get_step("wake_losses")
    by_field = step(there, direction_offset="wind_direction_offset")
    by_number = step(turned, direction_offset=offset.attrs["farm"])
    assert by_field["wake_loss"].values.tolist() == by_number["wake_loss"].values.tolist()
    # as if the directions had been measured right
    north = turned.assign(wind_direction=(turned["wind_direction"] + offset.attrs["farm"]) % 360)
    assert by_field["wake_loss"].values == pytest.approx(step(north)["wake_loss"].values, abs=1e-9)
    assert np.abs(by_field["wake_loss"].values - step(turned)["wake_loss"].values).max() > 1e-4


def test_a_field_that_is_no_offset(made_farm):
    step = get_step("wake_losses")
    with pytest.raises(InputError, match="not one offset for each turbine"):
        step(made_farm.turbines, direction_offset="wind_speed")
    gone = made_farm.turbines.assign(off=("asset", [1.0, np.nan, 1.0, 1.0]))
    with pytest.raises(InputError, match="none missing"):
        step(gone, direction_offset="off")
    with pytest.raises(InputError, match="no variable 'of'"):
        step(gone, direction_offset="of")


def test_one_turbine(made_farm):
    alone = made_farm.turbines.isel(asset=[0])
    with remarks() as told:
        found = get_step("wake_losses")(alone)
    assert found["wake_loss"].item() == 0.0
    assert ALONE in told
    with pytest.raises(InputError, match="one turbine: no wakes"):
        get_step("direction_offset")(alone)


def test_the_wakes_of_la_haute_borne_in_one_file(test_data, checkout, archive, tmp_path, monkeypatch):
    """`workbench run` of the file in the catalogs, end to end."""
    from workbench.catalog import open_catalog
    from workbench.pipelines import load_pipeline
    from workbench.pipelines.execute import execute

    assert archive.filename
    monkeypatch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    pipeline = load_pipeline(checkout / "catalogs/pipelines/la_haute_borne_wakes.yaml")
    output = str(tmp_path / "wakes.nc")
    catalog = open_catalog(checkout / "catalogs")
    report = execute(pipeline, output=output, catalog=catalog, start="2014-09-01", end="2015-05-01")
    assert len(report.steps) == 5
    with xr.open_dataset(output, engine="h5netcdf") as found:
        # OpenOA's example takes 15.85 degrees of UTM's grid north, 1.9 degrees from true north
        assert found["wind_direction_offset"].attrs["farm"] == pytest.approx(15.85, abs=6)
        assert found["wake_loss_long_term"].attrs["farm"] == pytest.approx(0.00373, abs=0.006)
        model, off = found["modelled_wake_loss"], found["modelled_wake_loss_difference"]
        assert model.attrs["farm"] + off.attrs["farm"] == pytest.approx(found["wake_loss_long_term"].attrs["farm"])
        assert (model > 0).all()
        assert "gaussian" in model.attrs["model"]
        deepest = found["modelled_wake_loss_by_direction"].max("modelled_wake_loss_direction")
        assert (deepest > 0.2).all()  # in the middle of a wake
        assert found["energy_ratio_uplift"].notnull().values.tolist() == [False, False, False, True]
