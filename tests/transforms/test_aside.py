"""What a check kept aside is lost by no later step, and counts for none."""

from __future__ import annotations

import json

import polars as pl
import pytest

from workbench.steps import get_step
from workbench.transforms.record_checks import split_rejected

ROWS = [
    {"id": 1, "shop": "a", "amount": 5.0, "at": "2026-01-01T10:00:00", "items": [{"n": 1}, {"n": 2}]},
    {"id": 1, "shop": "a", "amount": -1.0, "at": "2026-01-01T11:00:00", "items": [{"n": 3}]},
    {"id": 2, "shop": "b", "amount": 7.0, "at": "2026-01-02T10:00:00", "items": []},
]
STEPS = {
    "filter": ("record_filter", {"condition": "shop = 'a' AND amount > 0"}, 1),
    "deduplication": ("record_deduplication", {"key_fields": ["id"], "time_field": "at"}, 2),
    "selection": ("field_selection", {"field_names": ["id"]}, 2),
    "expansion": ("record_expansion", {"source_field": "items", "output_prefix": "item_"}, 3),
    "aggregation": (
        "statistical_aggregation",
        {
            "group_by": ["shop"],
            "time_window": "P1D",
            "time_field": "at",
            "aggregations": [{"field": "amount", "function": "min"}],
        },
        2,
    ),
}


def checked() -> pl.LazyFrame:
    frame = pl.from_dicts(ROWS, infer_schema_length=None).lazy()
    return get_step("field_validation")(
        frame, field_name="amount", validation_type="range", min=0, error_message="negative"
    )


@pytest.mark.parametrize("name", STEPS)
def test_it_stays_aside(name):
    kind, parameters, height = STEPS[name]
    good, bad = (each.collect() for each in split_rejected(get_step(kind)(checked(), **parameters)))
    assert bad["_rejected"].to_list() == [["negative"]] * bad.height
    assert bad.height >= 1
    assert good.height == height
    assert not {"_rejected", "_record"} & set(good.columns)
    if "_record" in bad.columns:  # whole, though the records have another form now
        assert json.loads(bad["_record"][0])["amount"] == -1.0
    if "amount_min" in good.columns:
        assert sorted(good["amount_min"].to_list()) == [5.0, 7.0]
    if name == "deduplication":
        assert sorted(good["amount"].to_list()) == [5.0, 7.0]  # the later one of its key was aside


def test_a_later_check_adds_its_reasons_to_what_still_has_its_fields():
    selected = get_step("field_selection")(checked(), field_names=["id"])
    again = get_step("field_validation")(selected, field_name="id", validation_type="required")
    _, bad = split_rejected(again)
    assert bad.collect()["_rejected"].to_list() == [["negative"]]
    more = get_step("field_validation")(checked(), field_name="shop", validation_type="format", regex="^b$")
    assert [len(each) for each in split_rejected(more)[1].collect()["_rejected"].to_list()] == [1, 2]


def test_what_nothing_was_checked_of_is_as_it_was():
    frame = pl.from_dicts(ROWS, infer_schema_length=None).lazy()
    assert "_rejected" not in get_step("field_selection")(frame, field_names=["id"]).collect_schema()
