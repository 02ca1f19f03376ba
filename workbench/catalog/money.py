"""What energy is worth at a site: what the portfolio says of it, for pages and reports."""

from __future__ import annotations

import math
from typing import NamedTuple

from workbench.model.assets import Site
from workbench.model.errors import InputError

PRICE = 60.0  #: where the site says nothing [currency/MWh]


class EnergyPrice(NamedTuple):
    """A price and what it is counted in."""

    value: float  #: [currency/MWh]
    currency: str


def energy_price(site: Site) -> EnergyPrice:
    """The site's attributes ``energy_price`` [currency/MWh] and ``currency``.

    Without them :data:`PRICE`, in dollars in the United States and in euros elsewhere.

    Raises
    ------
    InputError
        The price is no number, or negative.
    """
    given = site.attributes.get("energy_price", PRICE)
    try:
        value = math.nan if isinstance(given, bool) else float(given)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(
            "no price of energy", where=f"attributes.energy_price of site {site.id}", found=given,
            expected="a number of currency per MWh, not negative",
        )  # fmt: skip
    return EnergyPrice(value, str(site.attributes.get("currency", "USD" if site.country == "US" else "EUR")))
