"""The project's own pipelines do what the specification's do, step by step, and give its results."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from workbench.catalog import open_catalog
from workbench.model.jsonfile import load_plain
from workbench.pipelines import check_spec, load_pipeline, run
from workbench.sources.recordfiles import read_records, write_records
from workbench.steps import remarks, steps
from workbench.transforms.other_sources import others

#: Our file, the specification's, and whether ours has steps of its own beside.
PAIRS = [
    ("renewable_normalization", "03", False),
    ("turbine_performance", "04", False),
    ("ecommerce_orders", "18", True),
    ("finance_validation", "20", False),
    ("healthcare_privacy", "22", False),
    ("manufacturing_stream", "25", False),
]


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


def plain(step):
    return {key: value for key, value in step.items() if key not in ("name", "description")}


@pytest.mark.parametrize(("ours", "number", "more"), PAIRS)
def test_our_pipelines_have_the_steps_of_the_specification(specs, checkout, ours, number, more):
    own = load_plain(checkout / "catalogs" / "pipelines" / f"{ours}.json").data
    given = load_plain(next(specs.glob(f"{number}-*.json"))).data
    for key in ("transformation_id", "pipeline_id"):
        if key in given:
            assert own[key] == given[key]
    assert all(own[key] for key in ("transformation_id", "name", "description"))
    left, wanted = [plain(each) for each in own["transformations"]], [plain(each) for each in given["transformations"]]
    if more:
        # Ours has steps between; those of the specification are among them, in their order.
        left = [each for each in left if each in wanted]
    assert left == wanted


@pytest.mark.parametrize("ours", [pair[0] for pair in PAIRS])
def test_our_pipelines_can_be_run(checkout, ours):
    checked = check_spec(checkout / "catalogs" / "pipelines" / f"{ours}.json")
    assert checked.errors == []
    assert {error.found for error in checked.missing}.isdisjoint(steps())
    if ours != "manufacturing_stream":
        assert checked.pipeline is not None


@pytest.fixture
def unified(checkout):
    """A file or frame of orders through our pipeline, as the columns of a row are written: in order."""
    pipeline = load_pipeline(checkout / "catalogs" / "pipelines" / "ecommerce_orders.json")

    def work(orders):
        with others(lambda name: open_catalog(checkout / "catalogs")[name].records()):
            return run(pipeline, orders)

    return work


def test_the_shopify_sample_gives_the_specifications_order_key_for_key(specs, unified, tmp_path):
    expected = json.loads(next(specs.glob("19-*.json")).read_text())
    found = unified(read_records(next(specs.glob("16-*.json")))).collect()
    (row,) = found.to_dicts()
    assert list(row.items()) == list(expected.items())
    assert [type(value) for value in row.values()] == [type(value) for value in expected.values()]
    # and so it is written
    write_records(found, tmp_path / "a.json")
    (written,) = json.loads((tmp_path / "a.json").read_text())
    assert json.dumps(written) == json.dumps(expected)


WOO = {
    "order_id": "woocommerce_987",
    "customer_email": "jane@example.com",
    "customer_name": "Jane Smith",
    "order_date": "2025-01-15T11:45:00Z",
    "order_value": 19.99,
    "platform": "woocommerce",
    "item_name": "Bluetooth Speaker",
    "item_quantity": 1,
    "item_price": 19.99,
    "customer_ltv": 312.4,
}


def test_the_woocommerce_sample_has_the_same_form(specs, unified):
    (row,) = unified(read_records(next(specs.glob("17-*.json")))).collect().to_dicts()
    assert list(row.items()) == list(WOO.items())


def test_orders_of_both_shops_in_one_table(specs, unified):
    both = [each for number in ("16", "17") for each in load_plain(next(specs.glob(f"{number}-*.json"))).data]
    expected = [json.loads(next(specs.glob("19-*.json")).read_text()), WOO]
    frame = pl.from_dicts(both, infer_schema_length=None).lazy()
    assert [list(row.items()) for row in unified(frame).collect().to_dicts()] == [list(e.items()) for e in expected]


def test_what_came_twice_or_is_not_known_is_told(specs, unified):
    (order,) = load_plain(next(specs.glob("16-*.json"))).data
    guest = {
        **order,
        "id": 5,
        "email": "X@Y.org",
        "currency": "CHF",
        "customer": {**order["customer"], "first_name": None},
    }
    changed = {**order, "email": "Customer@Example.com", "line_items": []}
    with remarks() as told:
        found = unified(pl.from_dicts([order, guest, changed], infer_schema_length=None).lazy()).collect()
    rows = found.select("order_id", "customer_email", "customer_name", "order_value", "customer_ltv", "item_name")
    assert rows.rows() == [
        ("shopify_5", "x@y.org", "Doe", None, None, "Wireless Headphones"),
        ("shopify_123456789", "customer@example.com", "John Doe", 29.99, 1450.75, None),
    ]
    assert "record_deduplication: 1 records left out, their key has one that is kept" in told
    assert "field_calculation: 1 of 2 amounts of order_value have no rate and are missing" in told
    assert any(each.startswith("field_lookup: 1 of 2 records have no entry in crm.customers") for each in told)
