"""The specification's comparison of a turbine with its manufacturer's power curve, whole, on a real turbine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from workbench.catalog import open_catalog
from workbench.pipelines import check_spec, load_pipeline, run
from workbench.pipelines.spec import Pipeline
from workbench.steps import remarks

TURBINE = "R80790"


@pytest.fixture(scope="module")
def spec(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return next(folder.glob("04-*.json"))


@pytest.fixture(scope="module")
def turbine(checkout, test_data, require):
    """A month of a turbine as the catalog reads it, with the facts of the portfolio."""
    require((test_data / "wind" / "la_haute_borne.zip").is_file(), "la_haute_borne.zip is not among the test data")
    entry = open_catalog(checkout / "catalogs")["la_haute_borne.scada"]
    names = ["wind_speed", "power_output", "temperature"]
    data = entry.read(time=slice("2015-01-28", "2015-03-01"), assets=[TURBINE], variables=names).load()
    # No state was recorded: well above cut-in, a turbine that gives nothing stands still.
    wind, power = data["wind_speed"], data["power_output"]
    state = xr.where((wind > data["cut_in_wind_speed"] + 1.5) & (power <= 0), "forced_outage", "generating")
    state = state.where(wind.notnull() & power.notnull(), "unknown").transpose("time", "asset")
    return data.assign(availability_status=state)


def test_04_passes_the_check(spec):
    checked = check_spec(spec)
    assert checked.errors == []
    assert checked.missing == []


@pytest.fixture(scope="module")
def ran(spec, turbine):
    with remarks() as told:
        return run(load_pipeline(spec), turbine), told


def test_04_runs_whole(ran, turbine):
    found, told = ran
    assert told == [
        "power_curve_comparison: humidity is not measured; 50 % is taken (IEC 61400-12-1)",
        "power_curve_comparison: pressure is not measured; that of the standard atmosphere at the hub is taken (ISO 2533)",
    ]
    for name in ("expected_power", "power_deviation", "power_deviation_percentage", "performance_index"):
        assert found[name].dims == ("time", "asset")
    index, running = found["performance_index"], (turbine["wind_speed"] > 6) & (turbine["power_output"] > 0)
    # By nacelle wind speed the turbine gives more than its table: the rotor slows the wind that the anemometer sees, and
    # the table holds approximate values. From week to week the median goes from 1.03 to 1.19.
    assert float(index.where(running).median()) == pytest.approx(1.115, abs=0.01)
    np.testing.assert_allclose(found["power_deviation_percentage"], (index - 1) * 100, atol=1e-9)
    np.testing.assert_allclose(found["power_deviation"], turbine["power_output"] - found["expected_power"])
    # No temperature, no density, no expectation; and no percentage of less than 2 % of 2,050 kW.
    inputs = turbine["wind_speed"].notnull() & turbine["temperature"].notnull()
    assert bool((found["expected_power"].notnull() == inputs).all())
    assert float(found["expected_power"].where(index.notnull()).min()) >= 41.0
    assert float(found["expected_power"].max()) <= 2050.0


def test_04_tells_what_calls_for_somebody(ran):
    found, _ = ran
    classes = Counter(found["turbine_health_status"].values.ravel().tolist())
    assert sum(classes.values()) == 32 * 144
    assert set(classes) <= {"normal", "requires_investigation", "underperforming", "reliability_concern"}
    assert classes["normal"] > 0.8 * 32 * 144
    wanted = (found["performance_anomaly_score"] > 0.8) & (found["availability"] < 0.95)
    assert int(wanted.sum()) == classes["requires_investigation"] > 100


def test_04_more_is_expected_in_cold_air(spec, turbine):
    first = load_pipeline(spec).steps[0]
    with_, without = (
        first.step.function(turbine, **(dict(first.parameters) | {"air_density_correction": on}))
        for on in (True, False)
    )
    windy = (turbine["wind_speed"] > 6) & (turbine["wind_speed"] < 9)
    ratio = (with_["expected_power"] / without["expected_power"]).where(windy)
    # At 491 m above the sea the standard pressure is 955.7 hPa: 1.225 kg/m3 at -2 degC, 1.18 at +9. Power goes with it.
    warm, cold = turbine["temperature"] > 5, turbine["temperature"] < -3
    assert 0.94 < float(ratio.where(warm).mean()) < 0.985
    assert 1.0 < float(ratio.where(cold).mean()) < 1.03


def test_04_starts_lazily_with_the_same_result(spec, turbine, ran):
    steps = load_pipeline(spec).steps[:1]
    lazy = turbine.chunk({"time": 1000}).assign_coords(turbine.coords)
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("computed")):
        found = run(Pipeline("first", steps), lazy)
    assert found["performance_index"].chunks
    np.testing.assert_allclose(found["performance_index"].compute(), ran[0]["performance_index"])
