from __future__ import annotations

import math
import re

import numpy as np
import pytest

from workbench.display import markup as h
from workbench.display.readings import Reading, Total
from workbench.model.quality import Quality
from workbench.model.samples import NS
from workbench.model.vocabulary import vocabulary

NOW = 1_764_000_000 * NS


def test_value_names_unit_and_carries_its_time():
    html = h.value(Reading(2850.0, NOW - NS, 1.0, "kW"), NOW, scale=True)
    assert "<b>2.85</b><i>MW</i>" in html
    assert f'data-t="{(NOW - NS) // 10**6}" data-e="1"' in html
    assert "stale" not in html


def test_stale_value_says_so():
    assert 'class="val stale"' in h.value(Reading(1.0, NOW - 6 * NS, 1.0, "kW"), NOW)
    assert 'class="val stale"' in h.value(Reading(), NOW)


def test_flagged_value_names_its_flags():
    html = h.value(Reading(1.0, NOW, 1.0, "kW", quality=int(Quality.BAD | Quality.RANGE)), NOW)
    assert "flagged: bad, range" in html


def test_status_is_shown_by_its_name():
    assert "Fault" in h.value(Reading(7.0, NOW, 1.0, "1", "NR-T01", "turbine_status"), NOW)


def test_text_cannot_become_markup():
    assert "<script>" not in h.esc("<script>")
    assert h.href("site", site='a"&b') == "site?site=a%22%26b"
    assert "&amp;asset=" in h.href("asset", site="a", asset="b")


def test_age_of_nothing_is_never():
    assert ">never<" in h.age(0, NOW)


@pytest.mark.parametrize(("fraction", "width"), [(0.5, "50.0"), (2.0, "100.0"), (-1.0, "0.0"), (math.nan, "0.0")])
def test_bar(fraction, width):
    assert f"width:{width}%" in h.bar(fraction)


def test_deviation_grows_to_either_side():
    assert "left:50.0%;width:25.0%" in h.deviation(0.5)
    assert "left:25.0%;width:25.0%" in h.deviation(-0.5)


def points(svg):
    return [tuple(map(float, pair)) for pair in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", svg)]


def test_spark_rises_with_the_value_and_stays_inside():
    drawn = points(h.spark(np.linspace(0, 10, 500), width=120, height=24))
    assert len(drawn) == 60
    assert drawn[0][1] > drawn[-1][1]
    assert all(0 <= x <= 120 and 0 <= y <= 24 for x, y in drawn)


def test_spark_breaks_at_gaps_and_draws_noise_flat():
    values = np.full(50, 100.0)
    values[20:30] = np.nan
    assert h.spark(values).count("M") == 2
    steady = points(h.spark(230 + 1e-4 * np.sin(np.arange(100))))
    assert max(y for _, y in steady) - min(y for _, y in steady) < 1
    assert "<path" not in h.spark([math.nan, 1.0])


def test_a_sum_that_lacks_assets_says_so():
    assert h.reporting(Total(1.0, NOW, reporting=6, of=6)) == ""
    assert "5 of 6 reporting" in h.reporting(Total(1.0, NOW, reporting=5, of=6))
    assert ">5 of 6<" in h.reporting(Total(1.0, NOW, reporting=5, of=6), short=True)


def test_an_abnormal_state_is_in_colour_while_it_is_fresh():
    def said(variable, state, at=NOW):
        return h.value(Reading(float(vocabulary()[variable].states[state]), at, 1.0, "1", "X", variable), NOW)

    assert 'class="word s-fault"' in said("turbine_status", "fault")
    assert 'class="word s-fault"' in said("active_alarm", "active")
    assert 'class="word s-operating_reduced"' in said("turbine_status", "curtailed")
    assert "s-" not in said("turbine_status", "generating")
    assert "s-fault" not in said("turbine_status", "fault", NOW - 60 * NS)
