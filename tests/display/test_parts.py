from __future__ import annotations

import pytest

from workbench.display import parts
from workbench.display.readings import Now

POWER = {"wind_turbine": {f"NR-T0{i}": {"power_output": 500.0, "energy_production_today": 10.0} for i in range(1, 7)}}


@pytest.fixture
def now(make_site, portfolio, now_ns):
    return lambda **ages: Now(
        now_ns,
        1,
        portfolio,
        {"north_ridge": make_site("north_ridge", POWER, ages={k.replace("_", "-"): v for k, v in ages.items()})},
    )


def figures(now):
    made = [parts.power_now(), parts.by_kind(), parts.capacity_factor(), parts.sites()]
    return [part.render(now) for part in made]


def test_a_figure_that_lacks_assets_says_how_many_report(now):
    assert not any("reporting" in html for html in figures(now()))
    for html in figures(now(NR_T03=60)):
        assert "5 of 6" in html
        assert "reporting" in html
    assert "reporting" not in parts.energy_today().render(now(NR_T03=60))  # counted today, silent or not
    assert "5 of 6" in parts.energy_today().render(now(NR_T03=2 * 86_400))


def test_a_tile_is_as_old_as_its_oldest_part(now, now_ns):
    for part in (parts.power_now(), parts.by_kind()):
        assert f'data-t="{(now_ns - 4 * 10**9) // 10**6}"' in part.render(now(NR_T03=4))
