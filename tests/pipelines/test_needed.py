"""Reading only what a pipeline needs gives what reading everything gives."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.catalog import open_catalog
from workbench.model.errors import InputError
from workbench.pipelines import load_pipeline, run
from workbench.pipelines.needed import needed_fields
from workbench.sources.recordfiles import SAMPLE, read_records
from workbench.steps import remarks
from workbench.transforms.other_sources import others


@pytest.fixture
def orders(checkout):
    return load_pipeline(checkout / "catalogs" / "pipelines" / "ecommerce_orders.json")


ORDER = {
    "id": 1, "email": "A@B.org", "created_at": "2025-01-15T10:30:00Z", "total_price": "5", "currency": "USD",
    "tags": "x", "line_items": [{"name": "n", "quantity": 1, "price": "5", "sku": "s", "tax": [{"rate": 1}]}],
    "customer": {"id": 2, "first_name": "A", "last_name": "B", "email": "a@b.org", "address": {"city": "c"}},
}  # fmt: skip


def write(path: Path, records) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


def test_an_order_is_read_without_what_nobody_asks_for(orders, tmp_path):
    need = needed_fields(orders)
    assert need is not None
    assert {"line_items.name", "customer.first_name", "billing.email", "platform", "total"} <= need
    found = read_records(write(tmp_path / "a.ndjson", [ORDER]), fields=need).collect_schema()
    assert list(found) == ["id", "email", "created_at", "total_price", "currency", "line_items", "customer"]
    assert found["line_items"] == pl.List(pl.Struct({"name": pl.String, "quantity": pl.Int64, "price": pl.String}))


LATE = [
    {**ORDER, "id": 2.5},
    {**ORDER, "platform": "woocommerce", "billing": {"email": "w@x.org"}, "date_created": "2025-01-01", "total": "1"},
    {**ORDER, "currency": None, "email": None, "line_items": []},
    {**ORDER, "email": 5, "line_items": [{"name": None, "quantity": 1.5, "price": 3}]},
    {**ORDER, "customer": "gone"},
    {"id": 7},
]


@pytest.mark.parametrize("late", LATE)
def test_a_late_line_that_differs_is_not_lost(orders, checkout, tmp_path, late):
    file = write(tmp_path / "a.ndjson", [*({**ORDER, "id": n} for n in range(SAMPLE + 5)), late])

    def work(data):
        with others(lambda name: open_catalog(checkout / "catalogs")[name].records()), remarks() as told:
            return run(orders, data).collect(), told

    if late.get("customer") == "gone":  # neither way takes a text for an object
        assert read_records(file, fields=needed_fields(orders)).collect().height == SAMPLE + 6
        return
    pruned, whole = work(read_records(file, fields=needed_fields(orders))), work(read_records(file))
    assert pruned[0].to_dicts() == whole[0].to_dicts()
    assert pruned[1] == whole[1]


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.sampled_from(["", "x", "é"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
    max_leaves=4,
)
records = st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), min_size=1, max_size=4)


@given(records, st.sets(st.sampled_from(["a", "b", "a.b", "a.b.c", "c.a"]), min_size=1))
def test_a_field_asked_for_is_the_same_as_in_all_of_them(tmp_path_factory, given_, fields):
    file = write(tmp_path_factory.mktemp("a") / "a.ndjson", given_)
    try:
        whole = read_records(file).collect()
    except InputError:
        return  # what is wrong may be in a field that nobody asks for
    part = read_records(file, fields=fields).collect()
    assert part.height == whole.height == len(given_)
    for name in fields:
        if "." not in name and name in whole.columns:
            assert part[name].dtype == whole[name].dtype
            assert part[name].to_list() == whole[name].to_list()


@pytest.mark.parametrize(
    "steps",
    [
        [{"type": "field_removal", "field_names": ["a"]}],
        [
            {"type": "record_filter", "condition": "a > 1 FOR PT1H"},
            {"type": "field_selection", "field_names": ["b"]},
        ],
        [
            {"type": "statistical_aggregation", "time_window": "PT1H", "aggregations": [{"field": "a", "function": "avg"}]},
            {"type": "field_selection", "field_names": ["b"]},
        ],
    ],
)  # fmt: skip
def test_where_it_is_not_told_everything_is_needed(tmp_path, steps):
    (tmp_path / "p.json").write_text(json.dumps({"transformations": steps}))
    assert needed_fields(load_pipeline(tmp_path / "p.json")) is None


def test_fields_stand_in_the_order_of_the_records(tmp_path):
    file = write(tmp_path / "a.ndjson", [{"z": 1, "b": {"y": 1}}, {"z": 1, "c": 2, "b": {"x": 2, "y": 1}, "a": 4}])
    schema = read_records(file).collect_schema()
    assert list(schema) == ["z", "b", "c", "a"]
    assert schema["b"] == pl.Struct({"y": pl.Int64, "x": pl.Int64})
