from __future__ import annotations

import numpy as np
import panel as pn
import pytest

from workbench.display import theme
from workbench.display.notebooks import legend, side_by_side
from workbench.display.plots import bars


def test_plots_stand_beside_each_other_with_their_titles():
    two = [bars(["a", "b"], np.array([1.0, 2.0])) for _ in range(2)]
    found = side_by_side(*two, titles=["First", "Second"], legends=[[(theme.INK, "line", "a < b")]])
    assert isinstance(found, pn.GridBox)
    assert found.ncols == 2
    assert [plot.title.text for plot in two] == ["First", "Second"]
    assert "a &lt; b" in found[0][1].object
    assert len(found[1]) == 1  # no legend was given for it


def test_one_plot_stands_alone():
    assert isinstance(side_by_side(bars(["a"], np.array([1.0]))), pn.Column)


@pytest.mark.parametrize("kind", ["area", "dot", "line", "dash"])
def test_each_mark_has_its_colour(kind):
    assert theme.REDUCED in legend([(theme.REDUCED, kind, "left out")])
