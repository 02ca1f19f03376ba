from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.sources.recordfiles import read_records
from workbench.steps import get_step, remarks
from workbench.transforms import record_joins as j
from workbench.transforms.other_sources import open_other, others
from workbench.transforms.records import field_calculation

ORDERS = pl.LazyFrame(
    {
        "id": [1, 2, 3, 4],
        "customer": [{"email": "b@x.org"}, {"email": "A@x.org"}, {"email": None}, {"email": "z@x.org"}],
        "email": ["b@x.org", "A@x.org", None, "z@x.org"],
    }
)
CRM = pl.DataFrame({"email": ["a@x.org", "b@x.org", None], "value": [1, 2, 3], "more": [{"city": "Nice"}, None, None]})


# -- beside plain Python ----------------------------------------------------------------------------------

key = st.one_of(st.none(), st.integers(0, 4))
rows = st.lists(st.tuples(key, key), max_size=12)
SCHEMA = {"k": pl.Int64, "m": pl.Int64, "n": pl.Int64}


def numbered(pairs, name="n"):
    return [{"k": k, "m": m, name: number} for number, (k, m) in enumerate(pairs)]


def by_hand(left, right, how, multiple):
    out = []
    for one in left:
        key = (one["k"], one["m"])
        met = [] if None in key else [two for two in right if (two["k"], two["m"]) == key]
        met = met[:1] if multiple == "first" else met
        if how == "semi" or how == "anti":
            out += [one] if bool(met) == (how == "semi") else []
        else:
            out += [{**one, "v": two["v"]} for two in met]
            out += [{**one, "v": None}] if how == "left" and not met else []
    return out


@given(rows, rows, st.sampled_from(["left", "inner", "semi", "anti"]), st.sampled_from(["error", "first", "all"]))
def test_joins_are_those_of_plain_python(pairs, others_, how, multiple):
    left, right = numbered(pairs), numbered(others_, "v")
    frame = pl.DataFrame(left, schema=SCHEMA).lazy()
    other = pl.DataFrame(right, schema={"k": pl.Int64, "m": pl.Int64, "v": pl.Int64})
    keys = [pair for pair in others_ if None not in pair]
    if multiple == "error" and how in ("left", "inner") and len(set(keys)) < len(keys):
        with pytest.raises(InputError, match="several times"):
            j.record_join(frame, source=other, on=["k", "m"], how=how)
        return
    found = j.record_join(frame, source=other, on=["k", "m"], how=how, multiple=multiple).collect()
    assert found.to_dicts() == by_hand(left, right, how, multiple)


@given(rows, rows)
def test_lookups_neither_lose_nor_multiply(pairs, others_):
    left, right = numbered(pairs), numbered(others_, "v")
    other = pl.DataFrame(right, schema={"k": pl.Int64, "m": pl.Int64, "v": pl.Int64})
    with remarks() as told:
        found = j.field_lookup(
            pl.DataFrame(left, schema=SCHEMA).lazy(), source=other, on=["k", "m"], fields="v", default=-1,
            flag_field="unknown", multiple="first",
        ).collect()  # fmt: skip
    expected = by_hand(left, right, "left", "first")
    assert found.to_dicts() == [
        {**one, "v": -1 if one["v"] is None else one["v"], "unknown": one["v"] is None} for one in expected
    ]
    lost = sum(one["v"] is None for one in expected)
    assert told == ([f"field_lookup: {lost} of {len(left)} records have no entry in the other source"] if lost else [])


@given(
    rows,
    st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=12, max_size=12),
    st.sampled_from(["last", "first"]),
)
def test_of_records_with_one_key_the_last_or_first_by_time_stays(pairs, times, keep):
    left = [{**one, "t": time} for one, time in zip(numbered(pairs), times, strict=False)]
    best: dict[object, dict[str, int | None]] = {}
    for one in left:
        key = one["n"] + 100 if None in (one["k"], one["m"]) else (one["k"], one["m"])
        held = best.setdefault(key, one)
        if one["t"] is None:
            wins = keep == "last" and held["t"] is None
        elif held["t"] is None:
            wins = True
        else:
            wins = one["t"] >= held["t"] if keep == "last" else one["t"] < held["t"]
        best[key] = one if wins else held
    frame = pl.DataFrame(left, schema={**SCHEMA, "t": pl.Int64}).lazy()
    with remarks() as told:
        found = j.record_deduplication(frame, key_fields=["k", "m"], time_field="t", keep=keep)
        found = found.collect().to_dicts()
    assert found == [one for one in left if one in list(best.values())]
    gone = len(left) - len(best)
    assert told == ([f"record_deduplication: {gone} records left out, their key has one that is kept"] if gone else [])


# -- joins ------------------------------------------------------------------------------------------------


def test_a_join_brings_what_is_asked_for_under_the_names_asked_for():
    found = j.record_join(
        ORDERS, source=CRM, left_on="customer.email", right_on="email", fields={"value": "ltv", "more.city": "city"},
        prefix="crm_", ignore_case=True,
    ).collect()  # fmt: skip
    assert found.columns == ["id", "customer", "email", "crm_ltv", "crm_city"]
    assert found["crm_ltv"].to_list() == [2, 1, None, None]
    assert found["crm_city"].to_list() == [None, "Nice", None, None]
    assert found["email"].to_list() == ORDERS.collect()["email"].to_list()
    all_of_it = j.record_join(ORDERS, source=CRM.lazy(), on="email").collect()
    assert all_of_it.columns == ["id", "customer", "email", "value", "more"]
    listed = j.record_join(ORDERS, source=CRM, on="email", fields=["more.city"], how="inner").collect()
    assert listed.select("id", "city").to_dicts() == [{"id": 1, "city": None}]


def test_keys_of_two_kinds_of_number_are_compared_exactly():
    big = 2**53
    left = pl.LazyFrame({"k": [big, big + 1]})
    right = pl.DataFrame({"k": pl.Series([big + 1], dtype=pl.UInt64), "v": ["x"]})
    assert j.record_join(left, source=right, on="k").collect()["v"].to_list() == [None, "x"]
    floats = pl.DataFrame({"k": [1.0], "v": ["x"]})
    assert j.record_join(pl.LazyFrame({"k": [1, 2]}), source=floats, on="k").collect()["v"].to_list() == ["x", None]
    assert j.record_join(pl.LazyFrame({"k": [None]}), source=floats, on="k").collect()["v"].to_list() == [None]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "the key is missing"),
        ({"on": "email", "left_on": "email"}, "stands twice"),
        ({"left_on": ["email", "id"], "right_on": "email"}, "different numbers of fields"),
        ({"on": "emial"}, "did you mean 'email'"),
        ({"left_on": "email", "right_on": "emial"}, r"right_on: no such field in the other source(.|\n)*'email'"),
        ({"left_on": "id", "right_on": "email"}, r"cannot be compared(.|\n)*id: Int64, email: String"),
        ({"on": "email", "fields": "valu"}, "did you mean 'value'"),
        ({"on": "email", "fields": {"value": "id"}}, "would hide one"),
        ({"on": "email", "fields": {"value": "a", "more": "a"}}, "two fields of the same name"),
        ({"on": "email", "how": "semi", "fields": "value"}, "fields: semi joins bring no fields"),
        ({"on": "email", "how": "anti", "prefix": "x"}, "prefix: anti joins bring no fields"),
    ],
)
def test_what_is_wrong_with_a_join_is_told(more, message):
    with pytest.raises(InputError, match=message):
        j.record_join(ORDERS, source=CRM, **more)


def test_a_key_that_is_there_several_times_is_named():
    twice = pl.DataFrame({"email": ["a", "b", "b", "b", "c", "c"], "n": range(6)})
    with pytest.raises(InputError, match=r"found:    email 'b', 3 times, and 1 more keys(.|\n)*first"):
        j.record_join(ORDERS, source=twice, on="email")
    with pytest.raises(InputError, match="several times"):
        j.field_lookup(ORDERS, source=twice, on="email", fields="n")
    assert j.record_join(ORDERS, source=twice, on="email", how="anti").collect().height == 4


# -- lookups ----------------------------------------------------------------------------------------------


def test_a_default_is_for_records_without_an_entry():
    with remarks() as told:
        lazy = j.field_lookup(
            ORDERS, source=CRM, on="email", fields={"value": "ltv", "more": "more"}, default={"ltv": 0},
            flag_field="not_in_crm", ignore_case=True,
        )  # fmt: skip
        assert told == []  # nothing is computed yet
        found = lazy.collect()
        lazy.filter(pl.col("id") < 3).collect()
    assert found["ltv"].to_list() == [2, 1, 0, 0]
    assert found["more"].to_list() == [None, {"city": "Nice"}, None, None]
    assert found["not_in_crm"].to_list() == [False, False, True, True]
    # Told once, and of all records whatever is kept later.
    assert told == ["field_lookup: 2 of 4 records have no entry in the other source"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"fields": []}, "no field to bring"),
        ({"fields": "value", "flag_field": "id"}, "flag_field: a new field would hide"),
        ({"fields": "value", "default": "none"}, r"another type(.|\n)*value: Int64"),
        ({"fields": "value", "default": 0.5}, "another type"),
        ({"fields": "value", "default": True}, "another type"),
        ({"fields": {"value": "ltv"}, "default": {"value": 1}}, "not brought"),
    ],
)
def test_what_is_wrong_with_a_lookup_is_told(more, message):
    with pytest.raises(InputError, match=message):
        j.field_lookup(ORDERS, source=CRM, on="email", **more)


# -- duplicates -------------------------------------------------------------------------------------------


def test_the_latest_state_of_each_record_stays_in_its_place():
    data = pl.LazyFrame(
        {
            "order": [{"id": 1}, {"id": 2}, {"id": 1}, {"id": None}, {"id": None}],
            "updated": ["2025-01-02T00:00:00Z", "2025-01-01", "2025-01-02T01:00:00+02:00", None, None],
            "n": range(5),
        }
    )
    # 01:00 at +02:00 is 23:00 of the day before.
    last = j.record_deduplication(data, key_fields="order.id", time_field="updated").collect()
    assert last["n"].to_list() == [0, 1, 3, 4]
    assert last.columns == ["order", "updated", "n"]
    first = j.record_deduplication(data, key_fields="order.id", time_field="updated", keep="first").collect()
    assert first["n"].to_list() == [1, 2, 3, 4]
    assert j.record_deduplication(data, key_fields="order.id").collect()["n"].to_list() == [1, 2, 3, 4]
    with pytest.raises(InputError, match="neither a time nor a number"):
        j.record_deduplication(data, key_fields="n", time_field="order")
    with pytest.raises(InputError, match="no field"):
        j.record_deduplication(data, key_fields=[])


# -- names of other sources -------------------------------------------------------------------------------


def test_a_name_is_opened_by_whom_the_runner_says(tmp_path: Path):
    (tmp_path / "crm.csv").write_text("email,value\nb@x.org,2\n")
    step = get_step("field_lookup")
    parameters = {"source": "crm.csv", "on": "email", "fields": ["value"]}
    with pytest.raises(InputError, match=r"source: another source is given by its name(.|\n)*give the frame itself"):
        step(ORDERS, **parameters)
    with others(lambda name: read_records(tmp_path / name)):
        with remarks() as told:
            assert step(ORDERS, **parameters).collect()["value"].to_list() == [2, None, None, None]
        assert told == ["field_lookup: 3 of 4 records have no entry in crm.csv"]
        with pytest.raises(InputError, match=r"none\.csv: source: no such file"):
            step(ORDERS, **{**parameters, "source": "none.csv"})
    assert step(ORDERS, **{**parameters, "source": CRM}).collect()["value"].to_list() == [2, None, None, None]
    with pytest.raises(InputError, match="nothing here opens names"):
        open_other("crm.csv")


# -- rates of another source ------------------------------------------------------------------------------

RATES = pl.DataFrame(
    {
        "date": ["2025-01-17", "2025-01-17", "2025-01-15", "2025-01-20"],
        "currency": ["USD", "gbp", "USD", "USD"],
        "rate": ["1.03", "0.84", "1.02", "N/A"],
        "base": ["EUR"] * 4,
    }
)


def converted(data, source=RATES, **more):
    return field_calculation(
        data, field_name="usd", operation="convert_currency", source_field="total", target_currency="USD",
        rates_source=source, date_field="day", **more,
    )  # fmt: skip


def test_amounts_by_dated_rates_of_another_source():
    data = pl.LazyFrame(
        {
            "total": ["10", "10", "10", "10", "10", "10", None, "10"],
            "currency": ["eur", "GBP", "USD", "EUR", "XXX", "EUR", "XXX", None],
            "day": ["2025-01-18", "2025-01-19", None, "2025-01-20", "2025-01-20", "2025-01-14", None, "2025-01-20"],
        }
    )
    with remarks() as told:
        found = converted(data).collect()
    # Saturday and Sunday take Friday's rate, and so does the Monday whose rate is none; none is before the 15th.
    expected = [10.3, 10 / 0.84 * 1.03, 10.0, 10.3, None, None, None, None]
    assert found["usd"].to_list() == pytest.approx(expected)
    assert found["usd_note"].to_list() == [
        None, None, None, None, "no rate for XXX", "no rate for EUR", None, "no rate for an amount without a currency",
    ]  # fmt: skip
    assert found["currency"].to_list()[0] == "eur"  # what the record says of itself stays
    assert told == ["field_calculation: 3 of 8 amounts of usd have no rate and are missing"]


def test_a_rate_does_not_hold_for_ever():
    data = pl.LazyFrame({"total": [10.0], "currency": ["EUR"], "day": [date(2025, 2, 1)]})
    assert converted(data).collect()["usd"].to_list() == [None]
    assert converted(data, rates_max_age="P31D").collect()["usd"].to_list() == [10.3]


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        (RATES, {"rates": "a.csv"}, "one of them"),
        (RATES.drop("base"), {}, "base_currency: it is not said"),
        (RATES.with_columns(pl.Series("base", ["EUR", "EUR", "EUR", "CHF"])), {}, r"several bases"),
        (RATES, {"rates_field": "rat"}, "did you mean 'rate'"),
        (RATES.with_columns(date=pl.lit("2025-01-17")), {}, "two rates of one day(.|\n)*USD on 2025-01-17"),
        (RATES, {"rates_max_age": "soon"}, "not a duration"),
    ],
)
def test_what_is_wrong_with_rates_is_told(source, more, message):
    data = pl.LazyFrame({"total": [10.0], "currency": ["EUR"], "day": [date(2025, 1, 18)]})
    with pytest.raises(InputError, match=message):
        converted(data, source, **more)
