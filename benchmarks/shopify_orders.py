"""Orders as Shopify's REST API gives them, out of a file or out of memory, to a row for each item.

20,000 orders, nested as they come (customer, addresses, taxes, one to five items), by the steps that unify orders of
several shops. The rival is what people write by hand: ``json.loads`` a line and ``pandas.json_normalize`` with
``record_path``. Both sides give the same rows, which is checked before anything is measured.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from benchmarks.figures import Cost, Figure

if TYPE_CHECKING:
    from workbench.pipelines import Pipeline

ORDERS = max(200, round(20_000 * float(os.environ.get("SCALE_OF_LOAD", "1"))))
PIPELINE = """{"transformations": [
  {"type": "field_mapping", "mappings": [
    {"source": "email", "destination": "customer_email", "platforms": ["shopify", "woocommerce"]},
    {"source": "billing.email", "destination": "customer_email", "platforms": ["woocommerce"]},
    {"source": "customer.email", "destination": "customer_email", "platforms": ["shopify"]},
    {"source": "created_at", "destination": "order_date", "platforms": ["shopify"]},
    {"source": "date_created", "destination": "order_date", "platforms": ["woocommerce"]}]},
  {"type": "field_operation", "field_name": "customer_email", "operation": "lowercase"},
  {"type": "field_calculation", "field_name": "order_value", "operation": "convert_currency",
   "parameters": {"source_field": "total_price", "target_currency": "USD"}},
  {"type": "record_expansion", "source_field": "line_items", "output_prefix": "item_"},
  {"type": "field_removal", "field_names": ["line_items"]}%s
]}"""
#: What whoever unifies orders wants to have of them.
WANTED = ("id", "customer_email", "order_date", "order_value", "item_name", "item_quantity", "item_price")
TOWNS = (("Paris", "FR"), ("Denver", "US"), ("Kiel", "DE"), ("Porto", "PT"), ("Osaka", "JP"))
THINGS = ("Wireless Headphones", "Bluetooth Speaker", "Phone Case", "USB-C Cable", "Desk Lamp", "Coffee Grinder")


def address(rng: random.Random, first: str, last: str) -> dict[str, Any]:
    town, country = rng.choice(TOWNS)
    return {
        "first_name": first, "last_name": last, "name": f"{first} {last}", "company": None,
        "address1": f"{rng.randrange(1, 300)} Main Street", "address2": rng.choice([None, "", "Apt 4"]), "city": town,
        "zip": f"{rng.randrange(10_000, 99_999)}", "province": None, "province_code": None, "country": country,
        "country_code": country, "phone": f"+1555{rng.randrange(10**6, 10**7)}",
        "latitude": round(rng.uniform(-60, 60), 6), "longitude": round(rng.uniform(-180, 180), 6),
    }  # fmt: skip


def money(amount: float) -> dict[str, Any]:
    both = {"amount": f"{amount:.2f}", "currency_code": "USD"}
    return {"shop_money": both, "presentment_money": both}


def item(rng: random.Random, number: int) -> dict[str, Any]:
    price, count = rng.randrange(300, 30_000) / 100, rng.randrange(1, 5)
    name, variant = rng.choice(THINGS), rng.choice(["black", "white", "red"])
    tax = price * count * 0.08
    return {
        "id": 11_000_000_000 + number, "admin_graphql_api_id": f"gid://shopify/LineItem/{11_000_000_000 + number}",
        "fulfillable_quantity": count, "fulfillment_service": "manual", "fulfillment_status": None,
        "gift_card": False, "grams": rng.randrange(50, 3_000), "name": f"{name} - {variant}", "price": f"{price:.2f}",
        "price_set": money(price), "product_exists": True, "product_id": rng.randrange(10**9), "properties": [],
        "quantity": count, "requires_shipping": True, "sku": f"SKU-{rng.randrange(10_000):04}", "taxable": True,
        "title": name, "total_discount": "0.00", "total_discount_set": money(0), "variant_id": rng.randrange(10**9),
        "variant_inventory_management": "shopify", "variant_title": variant, "vendor": "Example Goods",
        "tax_lines": [{"channel_liable": False, "price": f"{tax:.2f}", "price_set": money(tax), "rate": 0.08,
                       "title": "State Tax"}],
        "duties": [], "discount_allocations": [],
    }  # fmt: skip


def order(rng: random.Random, number: int) -> dict[str, Any]:
    first, last = rng.choice(["John", "Jane", "Ana", "Kenji"]), rng.choice(["Doe", "Smith", "Silva", "Sato"])
    who = rng.randrange(5_000)
    mail = f"{first}.{last}{who}@Example.com"
    at = (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=40 * number)).isoformat()
    items = [item(rng, 10 * number + each) for each in range(rng.randrange(1, 6))]
    total = sum(float(each["price"]) * each["quantity"] for each in items)
    lives = address(rng, first, last)
    return {
        "id": 450_000_000 + number, "admin_graphql_api_id": f"gid://shopify/Order/{450_000_000 + number}",
        "app_id": 580_111, "browser_ip": "203.0.113.7", "buyer_accepts_marketing": rng.random() < 0.5,
        "cancel_reason": None, "cancelled_at": None, "cart_token": f"{rng.getrandbits(128):032x}",
        "checkout_id": rng.randrange(10**9), "closed_at": None, "confirmed": True, "contact_email": mail,
        "created_at": at, "currency": "USD", "current_subtotal_price": f"{total:.2f}",
        "current_subtotal_price_set": money(total), "current_total_price": f"{total * 1.08:.2f}",
        "current_total_price_set": money(total * 1.08), "customer_locale": "en", "discount_codes": [], "email": mail,
        "estimated_taxes": False, "financial_status": "paid", "fulfillment_status": None, "landing_site": "/",
        "name": f"#{1_000 + number}", "note": None, "note_attributes": [], "number": number,
        "order_number": 1_000 + number, "payment_gateway_names": ["shopify_payments"], "phone": None,
        "presentment_currency": "USD", "processed_at": at, "source_name": "web", "subtotal_price": f"{total:.2f}",
        "subtotal_price_set": money(total), "tags": "", "taxes_included": False, "test": False,
        "token": f"{rng.getrandbits(128):032x}", "total_discounts": "0.00", "total_line_items_price": f"{total:.2f}",
        "total_price": f"{total * 1.08:.2f}", "total_price_set": money(total * 1.08), "total_tax": f"{total * 0.08:.2f}",
        "total_weight": sum(each["grams"] for each in items), "updated_at": at,
        "billing_address": lives, "shipping_address": lives,
        "customer": {
            "id": 200_000_000 + who, "email": mail, "created_at": at, "updated_at": at, "first_name": first,
            "last_name": last, "state": "disabled", "note": None, "verified_email": True, "tax_exempt": False,
            "phone": None, "currency": "USD", "tags": "", "default_address": {"id": who, **lives, "default": True},
        },
        "fulfillments": [], "refunds": [], "shipping_lines": [{"id": number, "code": "Standard", "price": "0.00",
                                                              "price_set": money(0), "title": "Standard"}],
        "line_items": items,
    }  # fmt: skip


def by_pandas(orders: list[dict[str, Any]]) -> pd.DataFrame:
    meta = ["id", "email", "created_at", "total_price", "currency", ["customer", "email"]]
    flat = pd.json_normalize(orders, "line_items", meta, record_prefix="item_", errors="ignore")
    flat["customer_email"] = flat["email"].fillna(flat["customer.email"]).str.lower()
    flat = flat.rename(columns={"created_at": "order_date"})
    flat["order_value"] = pd.to_numeric(flat["total_price"]).where(flat["currency"] == "USD")
    return flat[list(WANTED)]


def read_by_pandas(file: Path) -> pd.DataFrame:
    with file.open(encoding="utf-8") as lines:
        return by_pandas([json.loads(line) for line in lines])


def best(work: Any, times: int = 3) -> float:
    """The least CPU of several runs, threads included [s]."""
    found = []
    for _ in range(times):
        with Cost() as cost:
            work()
        found.append(cost.cpu)
    return min(found)


def figures() -> Iterator[Figure]:
    from workbench.pipelines import load_pipeline, run
    from workbench.pipelines.needed import needed_fields
    from workbench.sources.recordfiles import read_records, records_of
    from workbench.steps import remarks

    rng = random.Random(1)
    orders = [order(rng, number) for number in range(ORDERS)]
    with tempfile.TemporaryDirectory() as folder:
        pipelines = []
        selection = ', {"type": "field_selection", "field_names": ' + json.dumps(WANTED) + "}"
        for name, more in (("rows", selection), ("all", "")):
            (Path(folder) / f"{name}.json").write_text(PIPELINE % more)
            pipelines.append(load_pipeline(Path(folder) / f"{name}.json"))
        rows, every = pipelines
        file = Path(folder) / "orders.ndjson"
        with file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(each) + "\n" for each in orders)

        def out_of_file(pipeline: Pipeline) -> pl.DataFrame:
            with remarks():
                return run(pipeline, read_records(file, fields=needed_fields(pipeline))).collect()

        def out_of_dicts(pipeline: Pipeline) -> pl.DataFrame:
            with remarks():
                return run(pipeline, records_of(orders, fields=needed_fields(pipeline))).collect()

        for name, ours, theirs in (
            ("NDJSON file to rows", out_of_file, lambda: read_by_pandas(file)),
            ("dicts to rows", out_of_dicts, lambda: by_pandas(orders)),
        ):
            assert ours(rows).to_dict(as_series=False) == theirs().to_dict(orient="list")
            by_hand, few, whole = best(theirs), best(partial(ours, rows)), best(partial(ours, every))
            about = f"{ORDERS:,} orders, {file.stat().st_size / 1e6:.0f} MB as JSON"
            note = f"{len(WANTED)} fields asked for; with all of every order kept {whole:.2f} s"
            yield Figure(f"{name}, {about}, CPU", round(few, 3), "s", rival="pandas.json_normalize",
                         rival_value=round(by_hand, 3), note=note)  # fmt: skip
            yield Figure(f"times less CPU than pandas, {name}", round(by_hand / few, 1), "×", 10, "more")
