from __future__ import annotations

import math
import time
from types import SimpleNamespace

import numpy as np
import pytest

from workbench.display.readings import Block, SiteNow
from workbench.model.assets import Portfolio, load_portfolio
from workbench.model.samples import NS, SeriesKey
from workbench.project import Project

NOW = 1_764_000_000 * NS


@pytest.fixture(scope="session")
def now_ns() -> int:
    return NOW


@pytest.fixture(scope="session")
def portfolio(checkout) -> Portfolio:
    return load_portfolio(checkout / "catalogs" / "portfolio")


@pytest.fixture(scope="session")
def wind_live(checkout, tmp_path_factory, portfolio):
    """As much of a live view as the page of a wind farm's performance needs."""
    return SimpleNamespace(project=Project(checkout), root=tmp_path_factory.mktemp("store"), portfolio=portfolio)


@pytest.fixture(scope="session")
def wind_farm(wind_live, test_data):
    """La Haute Borne, read and prepared once for all tests of its page."""
    from workbench.display.performance import prepare

    return prepare(wind_live, "la_haute_borne")


@pytest.fixture
def make_site(portfolio):
    """``make_site("north_ridge", {"wind_turbine": {"NR-T01": {"power_output": 900.0}}}, ages={"NR-T01": 30})``."""

    def make(site, values, *, ages=None, every=1.0, health=None, at=NOW, running=True):
        blocks = {}
        for kind, assets in values.items():
            names = sorted({name for given in assets.values() for name in given})
            table = np.array([[given.get(name, math.nan) for name in names] for given in assets.values()])
            stamps = np.array([at - int((ages or {}).get(asset, 0.5) * NS) for asset in assets])
            times = np.where(np.isfinite(table), stamps[:, None], 0)
            key = SeriesKey(kind, f"{every:g}s")
            blocks[key] = Block(
                key, every, tuple(assets), tuple(names), table, times.astype(np.int64), np.zeros(table.shape, np.uint16)
            )
        health = health or {"time": at, "collector": {"values_per_s": 10.0}, "sources": {}, "running": running}
        return SiteNow(site, at, portfolio.sites.get(site), blocks, health)

    return make


@pytest.fixture
def wall_clock() -> int:
    return time.time_ns()
