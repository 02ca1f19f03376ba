"""Configurations of the specification run as they stand, and give what is held here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from workbench.ingest import ingest
from workbench.model.assets import load_portfolio
from workbench.model.errors import InputError
from workbench.model.jsonfile import without_comments
from workbench.model.quality import count_flags
from workbench.pipelines import check_spec, load_pipeline, run
from workbench.steps import get_step, remarks
from workbench.store import SiteStore
from workbench.transforms.record_checks import split_rejected


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
    assert one["timestamp_utc"].values == np.datetime64("2025-01-15T10:30:15", "ns")  # the slot of 15.234 s
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
    steps = json.loads(next(specs.glob("05-*.json")).read_text())["transformations"][:2]
    rng = np.random.default_rng(1)
    times = pd.date_range("2025-01-01", periods=1_500, freq="10min")
    names = ("gearbox_bearing_temp_de", "gearbox_bearing_temp_nde", "vibration_drivetrain", "gearbox_oil_temp")
    data = xr.Dataset(
        {name: (("time", "asset"), rng.normal(60, 2, (1_500, 2))) for name in names},
        coords={"time": times, "asset": ["A", "B"]},
    )
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


def read(specs, name):
    return json.loads(without_comments(next(specs.glob(name)).read_text()))


def test_18_unifies_orders_of_two_shops(specs):
    orders = [*read(specs, "16-*.json"), *read(specs, "17-*.json")]
    frame = pl.from_dicts(orders, infer_schema_length=None).lazy()
    with remarks() as told:
        found = run(load_pipeline(next(specs.glob("18-*.json"))), frame).collect()
    rows = found.select(
        "customer_email", "order_date", "order_value", "item_name", "item_quantity", "item_price"
    ).to_dicts()
    assert rows == [
        {
            "customer_email": "customer@example.com",
            "order_date": "2025-01-15T10:30:00Z",
            "order_value": 29.99,
            "item_name": "Wireless Headphones",
            "item_quantity": 1,
            "item_price": "29.99",
        },
        {
            "customer_email": "jane@example.com",
            "order_date": "2025-01-15T11:45:00Z",
            "order_value": 19.99,
            "item_name": "Bluetooth Speaker",
            "item_quantity": 1,
            "item_price": "19.99",
        },
    ]
    # The list was expanded, so that there is nothing left to remove.
    assert "field_removal: no field 'line_items' in the records" in told


def test_20_keeps_what_is_wrong_aside(specs):
    frame = pl.LazyFrame(
        {
            "security_identifier": ["037833100", "37833100", "17275R102", "17275R102"],
            "transaction_amount": [100.0, 5.0, 2e7, -3.0],
            "transaction_date": ["2025-01-31", "2025-01-02", "2025-01-03", "2025-02-01"],
        }
    )
    good, bad = split_rejected(run(load_pipeline(next(specs.glob("20-*.json"))), frame))
    assert good.collect()["security_identifier"].to_list() == ["037833100"]
    assert bad.collect()["_rejected"].to_list() == [
        ["Invalid CUSIP format"],
        ["Transaction amount outside acceptable range"],
    ]


def test_22_masks_what_must_not_be_seen(specs):
    frame = pl.LazyFrame({"patient_id": [1], "patient_ssn": ["123-45-6789"], "patient_notes": ["private"]})
    found = run(load_pipeline(next(specs.glob("22-*.json"))), frame).collect()
    assert found.to_dicts() == [{"patient_id": 1, "patient_ssn": "XXX-XX-6789", "access_level": "clinical_staff"}]


def test_a_step_for_records_refuses_telemetry_and_says_where(specs):
    with pytest.raises(InputError, match=r"step 1 \(field_masking\).*works on records"):
        run(load_pipeline(next(specs.glob("22-*.json"))), xr.Dataset())
