"""What energy is worth at a site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.catalog.money import energy_price
from workbench.model.assets import Site
from workbench.model.errors import InputError

SITE = Site(
    id="x", name="X", kind="solar", timezone="UTC", latitude=0.0, longitude=0.0, elevation=0.0,
    grid_frequency_nominal=50.0, capacity=1.0, assets=[],
)  # fmt: skip


@pytest.mark.parametrize(
    ("country", "attributes", "price"),
    [
        ("US", {}, (60.0, "USD")),
        ("ES", {}, (60.0, "EUR")),
        ("GB", {"energy_price": 72, "currency": "GBP"}, (72.0, "GBP")),
        ("US", {"energy_price": 0}, (0.0, "USD")),
        ("US", {"price": 72}, (60.0, "USD")),
    ],
)
def test_the_price_is_that_of_the_site(country, attributes, price):
    assert energy_price(replace(SITE, country=country, attributes=attributes)) == price


@pytest.mark.parametrize("given", ["cheap", -1, float("inf"), True])
def test_what_is_no_price_is_told_with_its_site(given):
    with pytest.raises(InputError, match="energy_price of site x") as error:
        energy_price(replace(SITE, attributes={"energy_price": given}))
    assert error.value.found == given
    assert "number of currency per MWh" in str(error.value)
