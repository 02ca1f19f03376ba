from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.plant_yield import plant_yield
from workbench.analytics.wind.yield_steps import (
    electrical_losses_fields,
    plant_yield_fields,
    turbine_energy_fields,
)
from workbench.model.errors import InputError
from workbench.steps import remarks
from workbench.transforms.other_sources import others

SHORT = {"simulations": 30}


def nothing(name: str):
    raise InputError("no such data", found=name)


def test_what_the_function_says_in_fields(example_plant, reanalyses):
    found = plant_yield_fields(example_plant, reanalysis=dict(reanalyses), simulations=500, seed=2)
    table = plant_yield(example_plant, reanalyses, simulations=500, seed=2).summary
    assert found["annual_energy_p90"].dims == ("asset",)
    assert found["annual_energy_p90"].item() == table.loc["annual_energy", "p90"]
    assert found["long_term_energy"].item() == table.loc["long_term_energy", "mean"]
    assert found["annual_energy"].attrs["units"] == "kWh"
    assert set(example_plant.data_vars) < set(found.data_vars)


def test_other_sources_by_name(example_plant, reanalyses):
    with others(nothing, lambda name: reanalyses[name.partition(".")[2]]):
        found = plant_yield_fields(example_plant, reanalysis=["site.era5", "site.merra2"], **SHORT)
        with pytest.raises(InputError, match=r"reanalysis\.nowhere"), others(nothing, nothing):
            plant_yield_fields(example_plant, reanalysis=["site.nowhere"], **SHORT)
    assert np.isfinite(found["annual_energy_p99"].item())
    with pytest.raises(InputError, match="nothing here opens names"):
        plant_yield_fields(example_plant, reanalysis=["site.era5"], **SHORT)
    with pytest.raises(InputError, match="no reanalysis"):
        plant_yield_fields(example_plant, reanalysis=[], **SHORT)


def test_without_losses_it_is_the_plant_as_it_ran(example_plant, reanalyses):
    with remarks() as told:
        found = plant_yield_fields(example_plant[["net_energy"]], reanalysis=dict(reanalyses), **SHORT)
    assert found["long_term_availability_loss"].item() == 0.0
    assert any("availability_loss" in one for one in told)


def test_an_error_names_the_meter(example_plant, reanalyses):
    with pytest.raises(InputError, match=r"LHB-GRID.*year"):
        plant_yield_fields(example_plant.isel(time=slice(0, 20_000)), reanalysis=dict(reanalyses), **SHORT)


def test_a_turbine_without_data_is_said(example_scada, reanalyses):
    broken = example_scada.copy()
    first = str(broken["asset"].values[0])
    broken["power_output"] = broken["power_output"].where(broken["asset"] != first)
    with remarks() as told:
        found = turbine_energy_fields(broken, reanalysis={"era5": reanalyses["era5"]}, simulations=2)
    energy = found["long_term_gross_energy"]
    assert np.isnan(energy.values[0])
    assert energy.values[1:] == pytest.approx([3.4e6] * 3, rel=0.15)
    assert any(first in one for one in told)
    one = example_scada.isel(asset=[1])  # a farm of one
    alone = turbine_energy_fields(one, reanalysis={"era5": reanalyses["era5"]}, simulations=2)
    assert alone["long_term_gross_energy"].item() == pytest.approx(energy.values[1], rel=0.03)
    none = broken.isel(asset=[0])
    with pytest.raises(InputError, match="no turbine has data"):
        turbine_energy_fields(none, reanalysis={"era5": reanalyses["era5"]}, simulations=2)
    zero = example_scada.assign_coords(rated_capacity=("asset", [2050.0, 0.0, 2050.0, 2050.0]))
    with pytest.raises(InputError, match="rated capacity is not positive"):
        turbine_energy_fields(zero, reanalysis={"era5": reanalyses["era5"]}, simulations=2)


def test_electrical_losses(example_scada, example_plant):
    """0.019994645742960393 by OpenOA 3.2; of each turbine that of the farm."""
    found = electrical_losses_fields(example_scada, meter=example_plant)
    assert found["electrical_loss"].values == pytest.approx([0.019994645742960393] * 4, rel=1e-4)
    assert (found["electrical_loss_p05"] < found["electrical_loss"]).all()
    two = xr.concat([example_plant, example_plant.assign_coords(asset=["other"])], "asset")
    with pytest.raises(InputError, match="one meter at a time"):
        electrical_losses_fields(example_scada, meter=two)


def test_a_pipeline_with_the_catalogs_reanalyses(test_data, checkout, archive, tmp_path, monkeypatch):
    """`workbench run` of the file in the catalogs: other sources are found, and noted in the lineage."""
    from workbench.catalog import open_catalog
    from workbench.pipelines import load_pipeline
    from workbench.pipelines.execute import execute, records_of

    assert archive.filename
    monkeypatch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    catalog = open_catalog(checkout / "catalogs")
    pipeline = load_pipeline(checkout / "catalogs/pipelines/la_haute_borne_yield.yaml")
    report = execute(pipeline, output=str(tmp_path / "yield.nc"), catalog=catalog)
    with xr.open_dataset(tmp_path / "yield.nc", engine="h5netcdf") as found:
        assert found["annual_energy_p50"].item() == pytest.approx(12.28e6, rel=0.01)
    records = records_of(catalog)
    try:
        run = records.runs(limit=1).to_dicts()[0]
    finally:
        records.close()
    assert run["id"] == report.run
    for name in ("plant", "era5", "merra2"):
        assert f"la_haute_borne.{name}" in str(run["detail"])
