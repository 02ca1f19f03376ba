"""Simulated sites shared by the physics tests. Building a past costs a second or two, so it is made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.model.assets import Portfolio, load_portfolio
from workbench.simulate.plant import SimulatedSite, build_site

NOW = int(np.datetime64("2026-03-20T18:00", "ns").astype(np.int64))
DAY = 86_400 * 10**9
SIMULATED = ("north_ridge", "coastal_flats", "sun_valley")


def still(plant: SimulatedSite) -> SimulatedSite:
    """``plant`` under weather that stands still: mean wind and clouds are those of its climate; gusts remain."""
    start = plant.time + 10**9
    plant._weather._noise.amplitudes[:] = 0.0
    plant._weather._table = plant._weather._table[:, :0]
    plant._ahead = None
    plant.reset(start)
    return plant


@pytest.fixture(scope="session")
def demo_portfolio() -> Portfolio:
    return load_portfolio(Path(__file__).resolve().parents[2] / "catalogs" / "portfolio")


@pytest.fixture(scope="session")
def sim_pasts(demo_portfolio):
    """Site to what two days of past gave, its last hour by the second; and the site as it then stands."""
    found = {}
    for name in SIMULATED:
        site = build_site(demo_portfolio.sites[name], 3, NOW)
        found[name] = (site, site.past(NOW - 2 * DAY, NOW, fine=3600))
    return found


@pytest.fixture
def sim_site(demo_portfolio):
    """``sim_site(name, …)``: a fresh simulated site."""

    def build(name: str = "north_ridge", seed: int = 3, start: int = NOW, **options) -> SimulatedSite:
        return build_site(demo_portfolio.sites[name], seed, start, **options)

    return build
