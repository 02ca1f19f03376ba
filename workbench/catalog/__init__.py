"""Catalogs: names for sources of data, and one way to read them all."""

from __future__ import annotations

from workbench.catalog.catalog import Catalog, open_catalog
from workbench.catalog.entry import Entry
from workbench.catalog.site import SiteView, open_portfolio, open_site

__all__ = ["Catalog", "Entry", "SiteView", "open_catalog", "open_portfolio", "open_site"]
