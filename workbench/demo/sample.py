"""A store with a simulated past in it, for notebooks and tests that want data without anything running."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workbench.catalog import open_portfolio
from workbench.store import SiteStore


def sample_store(
    sites: Sequence[str] = ("north_ridge", "sun_valley"),
    *,
    end: str = "2026-06-15T18:00",
    days: float = 2.0,
    fine_hours: float = 1.0,
    seed: int = 1,
    folder: Path | None = None,
    asset_types: Sequence[str] = (),
) -> Path:
    """Make a store with the past of simulated sites and return its root.

    Parameters
    ----------
    sites
        Sites of the portfolio.
    end
        Where the past ends [UTC]; fixed, so that the same call gives the same numbers on any day.
    days
        Length of the ten-minute statistics.
    fine_hours
        How much of its end is there at full cadence too.
    seed
        Of weather and plants.
    folder
        Where; a new temporary folder by default.
    asset_types
        What to keep; all by default. A plant is simulated whole either way, but writing what nobody reads takes most of the time.
    """
    from workbench.simulate.plant import build_site

    root = folder or Path(tempfile.mkdtemp(prefix="workbench-"))
    portfolio = open_portfolio()
    until = pd.Timestamp(end).value
    begin = until - int(days * 86_400e9)
    for site in sites:
        plant = build_site(portfolio.site(site), seed, begin)
        store = SiteStore(root, site)
        for key, data in plant.past(begin, until, fine=int(fine_hours * 3600)).items():
            if not asset_types or key.asset_type in asset_types:
                store.import_dataset(key, data)
        store.close()
    return root
