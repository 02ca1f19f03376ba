"""The gap in a pipeline: whose figures are whose, and the whole of La Haute Borne in one file."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.gap_analysis import Assessment, Operation, gap_analysis
from workbench.analytics.wind.yield_steps import plant_yield_fields
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

LOSSES = {"availability": 0.062, "electrical": 0.024, "turbine": 0.037, "blade_degradation": 0.011, "wake": 0.087}
#: Of test/regression/eya_gap_analysis.py of OpenOA 3.2, which has them in GWh.
PROMISED = {"net_energy": 467.0, "gross_energy": 597.14, "unit": "GWh", "losses": LOSSES}
BARS = [467.0, -41.441648, 6.59437, 6.230899, 9.61638, 448.0]


def fields(*, farm: bool = True) -> xr.Dataset:
    """Two assets that know what the analyses of a farm of 448 GWh found; of the farm, or one half each."""
    half = np.array([0.5, 0.5])
    given = {"long_term_energy": 448e6, "long_term_gross_energy": 477.8e6}
    shares = {"long_term_availability_loss": 0.0493, "electrical_loss": 0.012}
    found = xr.Dataset(
        {name: ("asset", value * half, {"units": "kWh"}) for name, value in given.items()}
        | {name: ("asset", np.full(2, value), {"units": "1"}) for name, value in shares.items()},
        coords={"asset": ["A", "B"]},
    )
    if farm:
        found["long_term_energy"] = ("asset", np.full(2, 448e6), {"units": "kWh", "farm": 448e6})
    return found


@pytest.mark.parametrize("farm", [True, False])
def test_the_figures_of_openoa_from_fields(farm):
    found = get_step("yield_gap")(fields(farm=farm), **PROMISED, compatibility="openoa-3.2")
    assert found["yield_gap"].values / 1e6 == pytest.approx(BARS, abs=5e-4)
    assert list(found["yield_gap_bar"].values[[0, 1, -1]]) == ["expected", "ideal_energy", "actual"]
    assert found["yield_gap"].attrs["units"] == "kWh"


def test_numbers_where_no_step_tells():
    given = {"availability": 0.0493, "electrical": 0.012, "wake": 0.1}
    found = get_step("yield_gap")(
        fields(), **PROMISED, operation_energy=448, ideal_energy=477.8, operation_losses=given, output_field="gap"
    )
    by_hand = gap_analysis(Assessment(467.0, 597.14, LOSSES), Operation(448.0, 477.8, given)).waterfall
    for ending, column in (("", "value"), ("_start", "start"), ("_end", "end")):
        assert found[f"gap{ending}"].values == pytest.approx(1e6 * by_hand[column].to_numpy()), column
    assert list(found["gap_bar"].values) == list(by_hand.index)


def test_what_is_known_by_itself_is_a_bar_of_its_own():
    more = fields().assign(
        wake_loss_long_term=("asset", [0.08, 0.1], {"farm": 0.095}),
        long_term_curtailment_loss=("asset", [0.01, 0.01]),
    )
    found = get_step("yield_gap")(more, **PROMISED)
    assert list(found["yield_gap_bar"].values[3:-2]) == ["wake", "availability", "electrical", "curtailment"]
    changes = found["yield_gap"].values[1:-1].sum()
    assert found["yield_gap"].values[0] + changes == pytest.approx(found["yield_gap"].values[-1])
    # what OpenOA does not take off the energy is not taken off the gap
    theirs = more.copy()
    theirs["long_term_curtailment_loss"] = more["long_term_curtailment_loss"].assign_attrs(compatibility="openoa-3.2")
    assert "curtailment" not in get_step("yield_gap")(theirs, **PROMISED)["yield_gap_bar"].values


def test_bars_have_ranges_where_earlier_steps_told_deviations():
    told = fields().assign(
        long_term_energy_std=("asset", [20e6, 20e6], {"units": "kWh", "farm": 20e6}),
        electrical_loss_p05=("asset", [0.007, 0.007]),
        electrical_loss_p95=("asset", [0.017, 0.017]),
    )
    found = get_step("yield_gap")(told, **PROMISED)
    bars = {str(name): number for number, name in enumerate(found["yield_gap_bar"].values)}
    half = (found["yield_gap_upper"] - found["yield_gap_lower"]).values / 2e6
    assert half[bars["actual"]] == pytest.approx(1.6449 * 20, rel=0.03)  # of 10,000 normal draws
    # what is left of the ideal energy changes by 1 / (1 - loss) per share of loss
    assert half[bars["electrical"]] == pytest.approx(0.005 * 477.8, rel=0.1)
    assert np.isnan(half[[bars["expected"], bars["ideal_energy"], bars["availability"]]]).all()
    xr.testing.assert_identical(found, get_step("yield_gap")(told, **PROMISED))
    xr.testing.assert_identical(found["yield_gap"], get_step("yield_gap")(fields(), **PROMISED)["yield_gap"])
    assert get_step("yield_gap")(told, **PROMISED, simulations=0)["yield_gap_upper"].isnull().all()
    assert get_step("yield_gap")(fields(), **PROMISED)["yield_gap_upper"].isnull().all()


def test_the_loss_of_a_farm_is_weighted_by_energy():
    uneven = fields(farm=False)
    uneven["long_term_energy"] = ("asset", [348e6, 100e6], {"units": "kWh"})
    uneven["long_term_availability_loss"] = ("asset", [0.02, 0.10])
    found = get_step("yield_gap")(uneven, **PROMISED)
    mean = (348 * 0.02 + 100 * 0.10) / 448
    expected = 477.8e6 * ((1 - mean) - (1 - 0.062)) * (1 - 0.024)
    assert found["yield_gap"].sel(yield_gap_bar="availability").item() == pytest.approx(expected)


def test_what_is_missing_is_named():
    step = get_step("yield_gap")
    with remarks() as told:
        step(fields().drop_vars("electrical_loss"), **PROMISED)
    assert told == ["yield_gap: nothing tells the loss by electrical; it is part of the unexplained"]
    broken = fields(farm=False)
    broken["long_term_gross_energy"][1] = np.nan
    with pytest.raises(InputError, match="not known of every asset") as caught:
        step(broken, **PROMISED)
    assert (caught.value.where, caught.value.found) == ("long_term_gross_energy", "B")
    with pytest.raises(InputError, match="no variable 'long_term_energy'"):
        step(fields().drop_vars("long_term_energy"), **PROMISED)
    by_time = fields().expand_dims(time=2)
    with pytest.raises(InputError, match="not one value for each asset"):
        step(by_time, **PROMISED)
    with pytest.raises(InputError, match="no share") as caught:
        step(fields(), **PROMISED | {"losses": {"availability": 6.2}})
    assert caught.value.hint == "a share, not per cent"


def test_a_meter_beside_its_turbines(example_scada, example_plant, reanalyses):
    """Turbines have the yield of their plant: that of the meter alone, and the attribute that says so."""
    given = {"reanalysis": {"era5": reanalyses["era5"]}, "simulations": 50, "seed": 4}
    alone = plant_yield_fields(example_plant, **given)
    found = plant_yield_fields(example_scada, meter=example_plant, **given)
    for name in ("annual_energy_p90", "long_term_energy", "long_term_availability_loss"):
        assert found[name].values == pytest.approx([alone[name].item()] * 4), name
        assert found[name].attrs["farm"] == alone[name].item()
    assert "farm" not in alone["long_term_energy"].attrs
    # which figures are that tool's is told to the step that holds them against the assessment
    theirs = plant_yield_fields(example_plant, **given, compatibility="openoa-3.2")
    more = theirs.assign(long_term_gross_energy=("asset", [13.6e6]), electrical_loss=("asset", [0.02]))
    bars = get_step("yield_gap")(more, net_energy=13.3e6, gross_energy=15e6, losses=LOSSES)["yield_gap_bar"].values
    assert "curtailment" not in bars
    assert "availability" in bars
    two = xr.concat([example_plant, example_plant.assign_coords(asset=["other"])], "asset")
    with pytest.raises(InputError, match="one meter at a time"):
        plant_yield_fields(example_scada, meter=two, **given)


def test_the_performance_of_la_haute_borne_in_one_file(test_data, checkout, archive, tmp_path, monkeypatch):
    """`workbench run` of the file in the catalogs, end to end: each step takes what those before it made."""
    from workbench.catalog import open_catalog
    from workbench.pipelines import load_pipeline
    from workbench.pipelines.execute import execute

    assert archive.filename
    monkeypatch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    pipeline = load_pipeline(checkout / "catalogs/pipelines/la_haute_borne_performance.yaml")
    report = execute(
        pipeline,
        output=str(tmp_path / "performance.nc"),
        catalog=open_catalog(checkout / "catalogs"),
        start="2014-01-01",
        end="2015-03-01",
    )
    assert [one["type"] for one in report.steps][-1] == "yield_gap"
    with xr.open_dataset(tmp_path / "performance.nc", engine="h5netcdf") as found:
        gap = found["yield_gap"].to_pandas()
        assert gap["expected"] == pytest.approx(13.3e6)
        assert gap["actual"] == pytest.approx(12.28e6, rel=0.01)  # of the meter, all of its time
        assert gap["expected"] + gap.iloc[1:-1].sum() == pytest.approx(gap["actual"])
        assert {"availability", "electrical", "curtailment", "unexplained"} <= set(gap.index)
        assert (found["failures"] > 0).all()
        farm = found["failures"].attrs["farm"]
        assert farm == found["failures"].sum().item()
        bars = found["loss_waterfall"].sum("asset").to_pandas()
        assert bars["potential"] + bars.iloc[1:-1].sum() == pytest.approx(bars["actual"])
        assert bars["actual"] == pytest.approx((found["potential_energy"] - found["lost_energy"]).sum().item())
        assert found["power_curve"].max().item() == pytest.approx(2050, rel=0.03)
        assert found["power_curve_statement"].dtype.kind in "OUT"
