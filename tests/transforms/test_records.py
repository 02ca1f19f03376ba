from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from workbench.model.errors import InputError
from workbench.steps import remarks
from workbench.transforms import record_checks as c
from workbench.transforms import records as r

SHOPIFY = {
    "id": 1,
    "email": "Customer@Example.com",
    "created_at": "2025-01-15T10:30:00Z",
    "total_price": "29.99",
    "currency": "USD",
    "line_items": [
        {"name": "Headphones", "quantity": 1, "price": "29.99"},
        {"name": "Cable", "quantity": 2, "price": "5"},
    ],
    "customer": {"id": 9, "email": "customer@example.com"},
}
WOO = {
    "id": 2,
    "date_created": "2025-01-18T11:45:00+01:00",
    "total": "19.99",
    "currency": "EUR",
    "billing": {"email": "jane@example.com"},
    "line_items": [],
}


@pytest.fixture
def orders():
    return pl.from_dicts([SHOPIFY, WOO], infer_schema_length=None).lazy()


MAPPINGS = [
    {"source": "email", "destination": "customer_email", "platforms": ["shopify", "woocommerce"]},
    {"source": "billing.email", "destination": "customer_email", "platforms": ["woocommerce"]},
    {"source": "created_at", "destination": "order_date", "platforms": ["shopify"]},
    {"source": "date_created", "destination": "order_date", "platforms": ["woocommerce"]},
]


def test_fields_are_mapped_by_platform_out_of_what_is_nested(orders):
    with remarks() as told:
        found = r.field_mapping(orders, mappings=[*MAPPINGS, {"source": "nothing", "destination": "x"}]).collect()
    assert found["customer_email"].to_list() == ["Customer@Example.com", "jane@example.com"]
    assert found["order_date"].to_list() == [SHOPIFY["created_at"], WOO["date_created"]]
    assert len(told) == 2
    assert "say no platform" in told[0]
    assert "no field 'nothing'" in told[1]
    named = orders.with_columns(pl.Series("platform", ["woocommerce", "woocommerce"]))
    found = r.field_mapping(named, mappings=MAPPINGS).collect()
    assert found["order_date"].to_list() == [None, WOO["date_created"]]
    with pytest.raises(InputError, match=r"did you mean 'billing\.email'"):
        r.field_mapping(orders, mappings=[{"source": "biling.email", "destination": "x"}])


def test_a_record_is_of_the_platform_whose_fields_it_has(orders):
    names = {"shopify": ["total_price", "customer.id"], "woocommerce": ["date_created"], "magento": ["increment_id"]}
    found = r.platform_identification(orders, platforms=names).collect()
    assert found["platform"].to_list() == ["shopify", "woocommerce"]
    named = orders.with_columns(pl.Series("platform", ["own", None]))
    with remarks() as told:
        found = r.platform_identification(named, platforms={"magento": ["increment_id"]}).collect()
    assert found["platform"].to_list() == ["own", None]
    assert told == ["platform_identification: 1 of 2 records are of no platform that is named"]
    with pytest.raises(InputError, match="the fields of no platform"):
        r.platform_identification(orders, platforms={"magento": ["increment_id"]})
    with pytest.raises(InputError, match=r"platforms\.x: a platform without fields"):
        r.platform_identification(orders, platforms={"x": []})


def test_texts_are_made_by_a_template():
    data = pl.LazyFrame({"id": [1, 2, None], "who": [{"a": "Jo", "b": "Do"}, {"a": None, "b": "Do"}, {}]})
    filled = r.field_addition(data, field_name="x", template="#{id}: {who.b}").collect()["x"]
    assert filled.to_list() == ["#1: Do", "#2: Do", None]
    strict = r.field_addition(data, field_name="x", template="{who.a} {who.b}").collect()["x"]
    assert strict.to_list() == ["Jo Do", None, None]
    with remarks() as told:
        loose = r.field_addition(data, field_name="x", template="{who.a} {none} {who.b}", ignore_missing=True)
    assert loose.collect()["x"].to_list() == ["Jo Do", "Do", None]
    assert told == ["field_addition: no field 'none' in the records"]
    with pytest.raises(InputError, match="template: no such field"):
        r.field_addition(data, field_name="x", template="{none}")
    with pytest.raises(InputError, match="no field in the template"):
        r.field_addition(data, field_name="x", template="none")


def test_a_selection_has_these_fields_in_this_order(orders):
    found = r.field_selection(orders, field_names=["total_price", "id"]).collect()
    assert found.columns == ["total_price", "id"]
    with pytest.raises(InputError, match="did you mean 'total_price'"):
        r.field_selection(orders, field_names=["totalprice"])


@pytest.mark.parametrize(
    ("operation", "given", "expected"),
    [
        ("lowercase", ["AB", None], ["ab", None]),
        ("trim", [" a ", ""], ["a", ""]),
        ("number", ["$1,234.50", "29.99", "-3", "n/a", None], [1234.5, 29.99, -3.0, None, None]),
        ("uppercase", ["ab"], ["AB"]),
    ],
)
def test_operations(operation, given, expected):
    found = r.field_operation(pl.LazyFrame({"x": given}), field_name="x", operation=operation).collect()
    assert found["x"].to_list() == expected


def test_dates_are_read_as_iso_or_by_their_format():
    texts = ["2025-01-15T10:30:00Z", "2025-01-15T11:30:00+01:00", "2025-01-15", "2025-01-15 10:30:00", "soon"]
    found = r.field_operation(pl.LazyFrame({"x": texts}), field_name="x", operation="date").collect()["x"]
    assert [None if each is None else each.strftime("%d %H:%M") for each in found] == [
        "15 10:30", "15 10:30", "15 00:00", "15 10:30", None,
    ]  # fmt: skip


def test_amounts_in_another_currency_by_dated_rates(orders, tmp_path):
    rates = tmp_path / "rates.csv"
    rates.write_text("Date,USD,GBP,\n2025-01-17,1.03,0.84,\n2025-01-15,1.02,0.85,\n2025-01-20,1.50,N/A,\n")
    more = pl.concat(
        [orders.collect(), pl.from_dicts([{**WOO, "currency": "XXX", "total": "5"}], schema=orders.collect_schema())],
        how="diagonal_relaxed",
    ).lazy()
    mapped = r.field_mapping(more, mappings=MAPPINGS)
    found = r.field_calculation(
        mapped, field_name="order_value", operation="convert_currency", source_field="total_price",
        target_currency="USD", rates=str(rates),
    ).collect()  # fmt: skip
    # 18 January 2025 was a Saturday: Friday's rate.
    assert found["order_value"].to_list() == pytest.approx([29.99, 19.99 * 1.03, None])
    assert found["order_value_note"].to_list() == [None, None, "no rate for XXX"]
    assert found["id"].to_list() == [1, 2, 2]
    alone = r.field_calculation(
        mapped, field_name="v", operation="convert_currency", source_field="total_price", target_currency="USD"
    ).collect()
    assert alone["v"].to_list() == [29.99, None, None]
    assert alone["v_note"].to_list() == [None, "no rates for EUR", "no rates for XXX"]


def test_lists_become_rows_and_no_record_is_lost(orders):
    found = r.record_expansion(orders, source_field="line_items", output_prefix="item_").collect()
    assert found["id"].to_list() == [1, 1, 2]
    assert found["item_name"].to_list() == ["Headphones", "Cable", None]
    assert "line_items" not in found.columns
    with pytest.raises(InputError, match="not a list"):
        r.record_expansion(orders, source_field="id")
    with pytest.raises(InputError, match="would hide"):
        r.record_expansion(orders.with_columns(item_name=pl.lit("x")), source_field="line_items", output_prefix="item_")


def test_formulas_constants_filters_and_removal():
    data = pl.LazyFrame(
        {"a": [1.0, None, 3.0], "b": [2, 2, 2], "day": ["2025-01-01", "2025-01-31T23:00:00", "2025-02-01"]}
    )
    found = r.field_addition(data, field_name="sum", formula="COALESCE(a, 0) + b").collect()
    assert found["sum"].to_list() == [3.0, 2.0, 5.0]
    assert r.field_addition(data, field_name="k", value="x").collect()["k"].to_list() == ["x"] * 3
    kept = r.record_filter(data, condition="a > 0 AND b = 2").collect()
    assert kept["a"].to_list() == [1.0, 3.0]
    january = {
        "field": "day",
        "operator": "within_date_range",
        "parameters": {"start_date": "2025-01-01", "end_date": "2025-01-31"},
    }
    assert r.record_filter(data, condition=january).collect().height == 2
    with remarks() as told:
        assert r.field_removal(data, field_names=["a", "z"]).collect().columns == ["b", "day"]
    assert told == ["field_removal: no field 'z' in the records"]
    with pytest.raises(InputError, match="one of them"):
        r.field_addition(data, field_name="k")


def test_what_does_not_pass_is_kept_aside_with_every_reason():
    data = pl.LazyFrame(
        {"cusip": ["037833100", "03783310", None, "037833101"], "amount": ["5", "2e9", "7", "x"], "n": [1, 2, 3, 4]}
    )
    checked = c.field_validation(
        data, field_name="cusip", validation_type="format", regex="^[A-Z0-9]{9}$", error_message="Invalid CUSIP format"
    )
    checked = c.field_validation(checked, field_name="amount", validation_type="range", min=-1e7, max=1e7)
    checked = c.field_validation(checked, field_name="cusip", validation_type="required")
    checked = c.field_validation(checked, field_name="cusip", validation_type="checksum", algorithm="cusip")
    good, bad = c.split_rejected(checked)
    assert good.collect()["n"].to_list() == [1]
    told = dict(bad.select("n", c.REJECTED).collect().iter_rows())
    assert told[2][0] == "Invalid CUSIP format"
    assert len(told[2]) == 3
    assert told[3] == ["cusip is missing"]
    assert told[4] == ["amount is not between -10000000.0 and 10000000.0", "cusip has a wrong check digit (cusip)"]
    assert good.collect().height + bad.collect().height == 4
    untouched, none = c.split_rejected(data)
    assert_frame_equal(untouched, data)
    assert none.collect().height == 0


@pytest.mark.parametrize(
    ("text", "shown", "position", "expected"),
    [
        ("123-45-6789", 4, "prefix", "XXX-XX-6789"),
        ("123-45-6789", 3, "suffix", "123-XX-XXXX"),
        ("12", 4, "prefix", "XX"),
        ("1234", 0, "prefix", "XXXX"),
        ("1234", 4, "prefix", "XXXX"),
    ],
)
def test_masking_shows_no_more_than_it_should(text, shown, position, expected):
    found = c.field_masking(
        pl.LazyFrame({"ssn": [text, None]}), field_name="ssn", display_chars=shown, mask_position=position
    )
    assert found.collect()["ssn"].to_list() == [expected, None]


@pytest.mark.parametrize(
    ("text", "right"),
    [("037833100", True), ("17275R102", True), ("037833101", False), ("38259P508", True), ("x", False)],
)
def test_check_digits_of_cusips(text, right):
    """Apple, Cisco and Google (class A), as their filings give them."""
    assert c.cusip_is_right(text) is right


def test_check_digits_after_luhn():
    """79927398713, the example of ISO/IEC 7812-1 that many texts repeat."""
    assert c.luhn_is_right("79927398713")
    assert not c.luhn_is_right("79927398710")
    assert not c.luhn_is_right("7992739871x")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: r.field_operation(d, field_name="emial", operation="trim"), "did you mean 'email'"),
        (lambda d: c.field_validation(d, field_name="email", validation_type="format"), "lacks its regex"),
        (lambda d: c.field_validation(d, field_name="email", validation_type="range"), "lacks min and max"),
        (lambda d: r.field_calculation(d, field_name="x"), "the formula is missing"),
        (lambda d: r.field_calculation(d, field_name="x", operation="convert_currency"), "needs source_field"),
        (
            lambda d: r.field_calculation(
                d,
                field_name="x",
                operation="convert_currency",
                source_field="id",
                target_currency="USD",
                rates="none.csv",
                date_field="created_at",
            ),
            "rates cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_told(orders, call, message):
    with pytest.raises(InputError, match=message):
        call(orders)
