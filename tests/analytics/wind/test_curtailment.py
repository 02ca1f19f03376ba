"""Curtailment and derating: put into La Haute Borne, by set point and by plateau."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.analytics.wind import curtailment_detection, curtailment_table
from workbench.steps import remarks


@pytest.fixture(scope="module")
def derated(two_years) -> tuple[xr.Dataset, np.ndarray]:
    """R80721 held at 1.5 MW for ten weeks of a winter, blades turned out; and where that made a difference."""
    rng = np.random.default_rng(1)
    data = two_years.copy(deep=True)
    span = slice(50_000, 60_000)
    could = data["power_output"].values[span, 1].copy()
    held = could > 1500
    data["power_output"][span, 1] = np.where(held, 1500 + rng.normal(0, 4, 10_000), could)
    pitch = data["blade_pitch_angle"].values[span, 1]
    data["blade_pitch_angle"][span, 1] = np.where(held, np.maximum(pitch, 4.0), pitch)
    truth = np.zeros(data["power_output"].shape, bool)
    truth[span, 1] = could > 1500 * 1.02
    return data, truth


@pytest.mark.parametrize("pitch", [True, False])
def test_a_derating_to_1500_kw_is_found(derated, pitch):
    data, truth = derated
    found = curtailment_detection(data if pitch else data.drop_vars("blade_pitch_angle"))
    plateau = found["curtailment"].values == 2
    assert (plateau & truth).sum() / truth.sum() > 0.8  # recall
    assert (plateau & truth).sum() / plateau.sum() > 0.85  # precision
    assert np.nanmedian(found["curtailment_level"].values[truth]) == pytest.approx(1500, abs=3)
    table = curtailment_table(found).filter(pl.col("kind") == "derating")
    assert set(table["asset"]) <= {"R80721"}
    if pitch:
        assert table["level"].to_list() == pytest.approx([1500] * len(table), abs=5)
        assert table["hours"].sum() > 100


@pytest.mark.parametrize("pitch", [True, False])
def test_untouched_next_to_nothing_is_found(two_years, pitch):
    with remarks() as told:
        found = curtailment_detection(two_years if pitch else two_years.drop_vars("blade_pitch_angle"))
    assert (found["curtailment"] == 2).mean() < 5e-4
    assert (found["curtailment"] == -1).mean() < 0.02
    assert any("power_setpoint" in one for one in told)
    assert any("blade_pitch_angle" in one for one in told) != pitch


def test_where_the_set_point_is_known_it_says_so(derated):
    data, truth = derated
    told = np.full(truth.shape, 2050.0)
    told[50_000:60_000, 1] = 1500.0
    found = curtailment_detection(data.assign(power_setpoint=(("time", "asset"), told, {"units": "kW"})))
    code = found["curtailment"].values
    assert set(np.unique(code)) == {-1, 0, 1}
    assert not (code[:, [0, 2, 3]] == 1).any()
    assert (code[truth] == 1).mean() > 0.85  # the rest: the wind on the nacelle tells of less than 1,500 kW
    assert (found["curtailment_level"].values[code == 1] == 1500).all()


def test_what_was_lost_is_the_wind_s_power_less_the_level(derated, two_years):
    data, truth = derated
    true = (two_years["power_output"] - data["power_output"]).values[truth].sum() / 6
    table = curtailment_table(curtailment_detection(data)).filter((pl.col("level") - 1500).abs() < 10)
    assert table["lost_energy"].sum() == pytest.approx(true, rel=0.25)


def test_a_turbine_derated_most_of_the_time_is_seen_by_its_neighbours():
    rng = np.random.default_rng(3)
    rows = 20_000
    speed = np.clip(8 + np.cumsum(rng.normal(0, 0.3, rows)) % 9 - 3, 3, 16)[:, None] + rng.normal(0, 0.3, (rows, 4))
    power = 2000 / (1 + np.exp(-(speed - 8.5) / 1.2)) + rng.normal(0, 20, speed.shape)
    power[1_000:19_000, 0] = np.minimum(power[1_000:19_000, 0], 1200 + rng.normal(0, 2, 18_000))
    data = xr.Dataset(
        {"wind_speed": (("time", "asset"), speed), "power_output": (("time", "asset"), power)},
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(600, "s"),
            "asset": list("ABCD"),
            "rated_capacity": ("asset", np.full(4, 2000.0)),
        },
    )
    found = curtailment_detection(data)["curtailment"]
    assert int((found[:, 0] == 2).sum()) > 3_000
    assert int((found[:, 1:] == 2).sum()) < 30
    alone = curtailment_detection(data.isel(asset=[0]))["curtailment"]  # what it says by itself: nothing can tell
    assert int((alone == 2).sum()) < 300


def test_a_rating_of_zero_and_no_data_are_no_error():
    data = xr.Dataset(
        {
            "wind_speed": (("time", "asset"), np.full((50, 2), 8.0)),
            "power_output": (("time", "asset"), np.full((50, 2), np.nan)),
        },
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(50) * np.timedelta64(600, "s"),
            "asset": ["A", "B"],
            "rated_capacity": ("asset", [0.0, 2000.0]),
        },
    )
    found = curtailment_detection(data)
    assert (found["curtailment"] == -1).all()
    assert curtailment_table(found).is_empty()
