from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from workbench.display.history import PowerHistory
from workbench.display.readings import Now
from workbench.display.stack import layers, point, stack, stores

TIMES = np.array(["2026-01-01T00:00", "2026-01-01T00:10", "2026-01-01T00:20"], "datetime64[ns]")


@pytest.fixture
def now(make_site, portfolio, now_ns):
    sites = {
        "north_ridge": make_site("north_ridge", {"wind_turbine": {"NR-T01": {"power_output": 2000.0}}}),
        "sun_valley": make_site(
            "sun_valley",
            {"inverter": {"SV-INV01": {"total_ac_power": 1000.0}}, "battery": {"SV-BESS": {"active_power": -500.0}}},
        ),
    }
    return Now(now_ns, 1, portfolio, sites)


def test_sites_stand_on_each_other_and_storage_is_in_the_net_alone(now):
    past = {
        "north_ridge": PowerHistory(TIMES, {"wind": np.array([1000.0, math.nan, 1000.0])}),
        "sun_valley": PowerHistory(TIMES, {"solar": np.array([500.0, math.nan, 1.0]), "storage": np.full(3, -250.0)}),
    }
    past["sun_valley"].power["storage"][1] = math.nan
    found = stack(past, ["north_ridge", "sun_valley"], "", now)
    assert found["net"][0] == pytest.approx(1.25)
    assert (found["north_ridge"][0], found["sun_valley"][0]) == (1.0, 0.5)
    assert math.isnan(found["net"][1])  # nobody said anything: not zero
    assert (found["net"][2], found["north_ridge"][2], found["sun_valley"][2]) == (2.5, 2.0, 1.0)  # now
    assert found["time"][2] == now.time / 1e6
    assert found["time"][0] == TIMES[0].astype("datetime64[ms]").astype(int) + 300_000  # a slot's middle


def test_one_site_is_stacked_by_kind(now):
    assert layers([now.site("sun_valley")], by_kind=True) == {"solar": "Solar"}
    assert stores([now.site("sun_valley")])
    assert not stores([now.site("north_ridge")])
    assert point(now, ["solar"], "sun_valley") == {"time": now.time / 1e6, "net": 0.5, "solar": 1.0}


def test_a_silent_portfolio_has_no_point(portfolio, now_ns):
    empty = SimpleNamespace(time=now_ns, site=lambda name: Now(now_ns, 1, portfolio, {}).site(name))
    assert math.isnan(point(empty, ["north_ridge"], "")["net"])
