from __future__ import annotations

import math
import re

import pytest

from workbench.display.svg import hours, nice_ticks, stacked_areas

HOUR = 3_600_000.0


def drawn(**columns):
    time = [HOUR * i for i in range(len(next(iter(columns.values()))))]
    areas = {name: name.title() for name in columns if name != "net"}
    return stacked_areas({"time": time, **columns}, areas, ["#111111", "#222222"], line="net", unit="MW")


def test_areas_stand_on_each_other_and_the_line_lies_over_them():
    html = drawn(a=[1.0, 1.0, 1.0], b=[1.0, 1.0, 1.0], net=[2.0, 2.0, 2.0])
    first, second = re.findall(r'<path d="M([^"]+)Z" fill="#(?:1|2)', html)
    edges = [[float(point.split()[1]) for point in path.split("L")] for path in (first, second)]
    assert edges[1][:3] < edges[0][:3]  # y grows downwards
    assert edges[1][3:] == edges[0][:3]  # the second stands where the first ends
    assert html.count('class="net"') == 1


def test_gaps_stay_gaps():
    nan = math.nan
    html = drawn(a=[1.0, 1.0, nan, 1.0, 1.0], net=[1.0, 1.0, nan, 1.0, 1.0])
    line = re.search(r'class="net" d="([^"]+)"', html)[1]
    assert line.count("M") == 2
    assert "nan" not in html


def test_nothing_to_draw_says_so():
    assert "Nothing has been measured" in drawn(a=[math.nan] * 3, net=[math.nan] * 3)


def test_what_is_below_zero_is_seen():
    html = drawn(a=[0.0, 0.0], net=[-2.0, 1.0])
    assert "zero" in html
    assert re.findall(r'class="y"[^>]*>(-?[\d.]+)<', html)[0].startswith("-")


@pytest.mark.parametrize(("low", "high"), [(0.0, 12.2), (0.0, 0.003), (-2.1, 1.0), (0.0, 9e6)])
def test_ticks_are_round_and_inside(low, high):
    ticks = nice_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert low - 1e-9 <= ticks[0]
    assert ticks[-1] <= high + 1e-9


def test_hours_are_full_ones():
    found = hours(HOUR * 0.4, HOUR * 24.4)
    assert [words for _, words in found] == ["04:00", "08:00", "12:00", "16:00", "20:00"]
