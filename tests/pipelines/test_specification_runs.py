"""Configurations of the specification run as they stand, and give what is held here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.ingest import ingest
from workbench.model.assets import load_portfolio
from workbench.model.quality import count_flags
from workbench.pipelines import check_spec, load_pipeline, run
from workbench.steps import remarks
from workbench.store import SiteStore


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


@pytest.fixture
def samples(specs, tmp_path, checkout):
    """The turbine and the inverter of the specification's two samples, as the store has them."""
    portfolio = load_portfolio(checkout / "catalogs" / "portfolio")
    ingest(sorted(specs.glob("0[12]-*.json")), tmp_path, portfolio)
    found = {}
    for site in ("wind_farm_01", "solar_farm_02"):
        if not (tmp_path / site).exists():
            continue
        store = SiteStore(tmp_path, site)
        for info in store.series():
            found[info.key.asset_type] = store.open(info.key).load()
        store.close()
    return found


def test_03_normalizes_a_turbine(specs, samples):
    data = samples["wind_turbine"].assign_coords(rated_capacity=("asset", [2_500.0], {"units": "kW"}))
    data.attrs.setdefault("asset_type", "wind_turbine")
    with remarks() as told:
        found = run(load_pipeline(next(specs.glob("03-*.json"))), data)
    one = found.isel(time=0, asset=0)
    assert one["timestamp_utc"].values.astype("datetime64[s]") == np.datetime64("2025-01-15T10:30:15") or one[
        "timestamp_utc"
    ].values.astype("datetime64[m]") == np.datetime64("2025-01-15T10:30")
    assert float(one["wind_speed_mph"]) == pytest.approx(10.2 * 2.2369362920544, rel=1e-6)
    assert float(one["temperature_f"]) == pytest.approx(59.9, rel=1e-6)
    assert float(one["power_output_mw"]) == pytest.approx(2.8505)
    assert float(one["power_generation_kw"]) == pytest.approx(2850.5)
    assert str(one["unified_asset_id"].values) == "wind_turbine-WIND-FARM-01-T-045"
    assert bool(one["power_out_of_range"])  # 2,850.5 kW of a machine of 2,500 kW
    assert not bool(one["wind_speed_spike"])
    assert count_flags(found)["power_output"]["range"] == 1
    assert any("irradiance_poa" in each for each in told)
    assert any("location.timezone" in each for each in told)


def test_03_says_what_it_cannot_check(specs, samples):
    data = samples["wind_turbine"]
    data.attrs.setdefault("asset_type", "wind_turbine")
    found = run(load_pipeline(next(specs.glob("03-*.json"))), data.drop_vars("rated_capacity", errors="ignore"))
    assert count_flags(found)["power_output"]["not_checked"] == 1


def test_03_normalizes_an_inverter(specs, samples):
    data = samples["inverter"]
    data.attrs.setdefault("asset_type", "inverter")
    with remarks() as told:
        found = run(load_pipeline(next(specs.glob("03-*.json"))), data)
    assert "power_generation_kw" in found
    assert str(found["unified_asset_id"].values[0]).startswith("inverter-")
    assert any("no field 'power_output'" in each for each in told), told


def test_05_makes_its_features_and_indicators(specs):
    checked = check_spec(next(specs.glob("05-*.json")))
    assert checked.errors == []
    assert [error.found for error in checked.missing] == ["failure_mode_scoring", "remaining_useful_life_estimation"]
    import json

    steps = json.loads(next(specs.glob("05-*.json")).read_text())["transformations"][:2]
    rng = np.random.default_rng(1)
    times = pd.date_range("2025-01-01", periods=1_500, freq="10min")
    names = ("gearbox_bearing_temp_de", "gearbox_bearing_temp_nde", "vibration_drivetrain", "gearbox_oil_temp")
    data = xr.Dataset(
        {name: (("time", "asset"), rng.normal(60, 2, (1_500, 2))) for name in names},
        coords={"time": times, "asset": ["A", "B"]},
    )
    from workbench.steps import get_step

    for each in steps:
        each = dict(each)
        data = get_step(each.pop("type"))(data, **each)
    assert {
        f"gearbox_temp_{s}_{w}" for s in ("mean", "max", "min", "stddev", "trend") for w in ("1h", "24h", "7d")
    } <= set(map(str, data.data_vars))
    rms, swing = data["vibration_rms_1h"], data["vibration_peak_to_peak_1h"]
    np.testing.assert_allclose(data["vibration_severity_index"], np.sqrt(rms**2 + swing**2))
    z = data["oil_temp_deviation"].isel(time=slice(200, None))
    assert abs(float(z.mean())) < 0.1
    assert float(z.std()) == pytest.approx(1.0, abs=0.05)
