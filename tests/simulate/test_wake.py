"""Wakes: where they fall and how deep they are."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.wake import DECAY, WakeModel, thrust

D = 100.0
ALL = np.ones((1, 2), dtype=bool)


@pytest.fixture
def pair() -> WakeModel:
    """B stands 600 m east of A."""
    return WakeModel(np.array([0.0, 600.0]), np.zeros(2), np.array([D, D]))


def at(model: WakeModel, direction: float, speed: float = 8.0, running=ALL):
    factor, added = model.at(np.array([direction]), np.array([speed]), 12.0, running)
    return factor[0], added[0]


def test_full_wake_is_jensens(pair):
    factor, added = at(pair, 270.0)  # from the west: B is behind A
    expected = 1.0 - (1.0 - np.sqrt(1.0 - 0.82)) * (D / (D + 2 * DECAY * 600.0)) ** 2
    assert factor[1] == pytest.approx(expected, abs=1e-9)
    assert factor[0] == 1.0
    assert added[1] == pytest.approx(1 / (1.5 + 0.8 * 6 / np.sqrt(0.8)), rel=1e-6)
    assert added[0] == 0.0


def test_wakes_fall_in_their_sector_only(pair):
    directions = np.arange(360.0)
    factor, _ = pair.at(directions, np.full(360, 8.0), 12.0, np.ones((360, 2), dtype=bool))
    behind_a = np.flatnonzero(factor[:, 1] < 1.0)
    # half the angle under which wake and rotor meet: atan((R + k x + R) / x)
    half = np.rad2deg(np.arctan((D + DECAY * 600) / 600))
    assert behind_a.min() == pytest.approx(270 - half, abs=2)
    assert behind_a.max() == pytest.approx(270 + half, abs=2)
    np.testing.assert_allclose(factor[:, 0], np.roll(factor[:, 1], 180), atol=1e-9)  # by symmetry
    assert factor.min() > 0.5


def test_a_turbine_at_rest_casts_no_wake(pair):
    factor, added = at(pair, 270.0, running=np.array([[False, True]]))
    assert factor[1] == 1.0
    assert added[1] == 0.0


def test_above_rated_wakes_fade(pair):
    assert at(pair, 270.0, 20.0)[0][1] > at(pair, 270.0, 8.0)[0][1]
    assert (np.diff(thrust(np.linspace(12, 25, 20), 12.0)) < 0).all()


def test_squares_of_deficits_add():
    row = WakeModel(np.array([0.0, 600.0, 1200.0]), np.zeros(3), np.full(3, D))
    factor, _ = row.at(np.array([270.0]), np.array([8.0]), 12.0, np.ones((1, 3), dtype=bool))
    far = WakeModel(np.array([0.0, 1200.0]), np.zeros(2), np.full(2, D)).at(
        np.array([270.0]), np.array([8.0]), 12.0, ALL
    )[0]
    assert 1 - factor[0, 2] == pytest.approx(np.hypot(1 - factor[0, 1], 1 - far[0, 1]), rel=1e-9)
