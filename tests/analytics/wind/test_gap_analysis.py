from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.analytics.wind.gap_analysis import Assessment, Operation, assessment_of, gap_analysis, operation_of
from workbench.model.errors import InputError

LOSSES = {"availability": 0.062, "electrical": 0.024, "turbine": 0.037, "blade_degradation": 0.011, "wake": 0.087}
ASSESSMENT = Assessment(467.0, 597.14, LOSSES)
OPERATION = Operation(448.0, 477.8, {"availability": 0.0493, "electrical": 0.012})


def closes(waterfall) -> None:
    changes = waterfall[waterfall["kind"] == "change"]
    assert waterfall["value"].iloc[0] + changes["value"].sum() == pytest.approx(waterfall["value"].iloc[-1], rel=1e-12)
    np.testing.assert_allclose(changes["start"].to_numpy()[1:], changes["end"].to_numpy()[:-1])
    assert changes["end"].iloc[-1] == pytest.approx(waterfall["value"].iloc[-1], rel=1e-12)


def test_the_figures_of_openoa():
    """test/regression/eya_gap_analysis.py of OpenOA 3.2 [GWh]: to its 3 decimals."""
    found = gap_analysis(ASSESSMENT, OPERATION, compatibility="openoa-3.2").waterfall
    assert found["value"].tolist() == pytest.approx([467.0, -41.441648, 6.59437, 6.230899, 9.61638, 448.0], abs=5e-4)
    assert list(found.index) == ["expected", "ideal_energy", "availability", "electrical", "unexplained", "actual"]
    closes(found)


def test_factor_by_factor():
    found = gap_analysis(ASSESSMENT, OPERATION)
    table = found.waterfall["value"]
    left = (1 - 0.062) * (1 - 0.024)
    ideal = 597.14 * (1 - 0.037) * (1 - 0.011) * (1 - 0.087)
    assert found.ideal_energy == pytest.approx(ideal)
    assert table["assessment_rounding"] == pytest.approx(ideal * left - 467)
    assert table["ideal_energy"] == pytest.approx((477.8 - ideal) * left)
    assert table["availability"] == pytest.approx(477.8 * (0.062 - 0.0493) * (1 - 0.024))
    assert table["electrical"] == pytest.approx(477.8 * (1 - 0.0493) * (0.024 - 0.012))
    assert table["unexplained"] == pytest.approx(448 - 477.8 * (1 - 0.0493) * (1 - 0.012))
    closes(found.waterfall)


def test_a_plant_as_it_was_assessed_has_no_gap():
    net = 100.0 * np.prod([1 - loss for loss in LOSSES.values()])
    ideal = 100.0 * (1 - 0.037) * (1 - 0.011) * (1 - 0.087)
    same = Operation(float(net), ideal, {name: LOSSES[name] for name in ("availability", "electrical", "wake")})
    found = gap_analysis(Assessment(float(net), 100.0, LOSSES), same).waterfall
    assert found.loc[found["kind"] == "change", "value"].tolist() == pytest.approx([0.0] * 6, abs=1e-12)


def test_a_known_wake_loss_is_taken_out_of_the_ideal_energy():
    more = Operation(448.0, 477.8, {**OPERATION.losses, "wake": 0.1, "curtailment": 0.01})
    found, before = gap_analysis(ASSESSMENT, more), gap_analysis(ASSESSMENT, OPERATION)
    one, other = found.waterfall["value"], before.waterfall["value"]
    assert one["wake"] < 0  # more than was assessed
    assert one["wake"] + one["ideal_energy"] == pytest.approx(other["ideal_energy"])
    assert one["curtailment"] == pytest.approx(-0.01 * 477.8 * (1 - 0.0493) * (1 - 0.012))
    assert found.ideal_energy == pytest.approx(before.ideal_energy)
    closes(found.waterfall)


share = st.floats(0, 0.3)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    st.floats(50, 150),
    st.floats(50, 150),
    st.dictionaries(st.sampled_from([*LOSSES, "site"]), share, max_size=6),
    st.dictionaries(st.sampled_from([*LOSSES, "curtailment"]), share, max_size=6),
)
def test_it_closes_whatever_is_known(net, ideal, assessed, known):
    found = gap_analysis(Assessment(100.0, 130.0, assessed), Operation(net, ideal, known)).waterfall
    closes(found)
    assert np.isfinite(found[["value", "start", "end"]].to_numpy()).all()


def test_draws_give_a_range():
    rng = np.random.default_rng(0)
    net, ideal = rng.normal(448, 10, 4000), rng.normal(478, 5, 4000)
    found = gap_analysis(ASSESSMENT, Operation(net, ideal, OPERATION.losses)).waterfall
    closes(found)
    row = found.loc["actual"]
    assert row["p95"] - row["p05"] == pytest.approx(2 * 1.645 * 10, rel=0.05)
    assert found.loc["expected", ["p05", "p95"]].isna().all()  # a number has no range


def test_from_what_the_analyses_found(example_plant, example_scada, reanalyses):
    from workbench.analytics.wind import electrical_losses, plant_yield, turbine_energy

    meter = example_plant["net_energy"].isel(asset=0)
    found = operation_of(
        plant_yield(example_plant, reanalyses, simulations=2000),
        turbine_energy(example_scada, reanalyses),
        electrical_losses(example_scada, meter),
    )
    assert found.ideal_energy == pytest.approx(13.54e6, rel=0.01)
    assert set(found.losses) == {"availability", "electrical", "curtailment"}
    table = gap_analysis(Assessment(12.8e6, 15e6, LOSSES), found).waterfall
    closes(table)
    assert found.losses["electrical"] == pytest.approx(0.0199946, rel=1e-4)
    # ideal turbines make more than these do: what is below their usual curve is no loss of any class
    assert -0.08 < table.loc["unexplained", "value"] / found.net_energy < -0.03


@pytest.mark.parametrize(
    ("assessment", "operation", "where"),
    [
        (Assessment(0.0, 597.0, LOSSES), OPERATION, r"assessment\.net_energy"),
        (Assessment(467.0, np.nan, LOSSES), OPERATION, r"assessment\.gross_energy"),
        (Assessment(467.0, 597.0, {"wake": 8.7}), OPERATION, r"assessment\.losses\.wake.*share, not per cent"),
        (ASSESSMENT, Operation(448.0, 477.8, {"availability": -0.1}), r"operation\.losses\.availability"),
        (ASSESSMENT, Operation(np.ones(3), np.ones(4), {}), "draws of different number"),
        (ASSESSMENT, Operation(np.ones((2, 2)), 1.0, {}), "neither a number nor draws"),
    ],
)
def test_wrong_input_is_named(assessment, operation, where):
    with pytest.raises(InputError) as caught:
        gap_analysis(assessment, operation)
    assert re.search(where, str(caught.value).replace("\n", " "))


def test_compatibility_needs_both_losses():
    with pytest.raises(InputError, match="electrical"):
        gap_analysis(ASSESSMENT, Operation(448.0, 477.8, {"availability": 0.05}), compatibility="openoa-3.2")
    with pytest.raises(InputError, match="unknown compatibility"):
        gap_analysis(ASSESSMENT, OPERATION, compatibility="other")


def test_an_assessment_from_a_form():
    found = assessment_of(467.0, 597.14, "availability 6.2 %; electrical: 0.024, Turbine = 3.7%")
    assert found.losses == pytest.approx({"availability": 0.062, "electrical": 0.024, "turbine": 0.037})
    assert (found.net_energy, found.gross_energy) == (467.0, 597.14)
    assert assessment_of(90.0, losses="wake 10 %").gross_energy == pytest.approx(100.0)
    assert assessment_of(90.0, 100.0) == Assessment(90.0, 100.0, {})


@pytest.mark.parametrize(
    ("net", "losses", "said"),
    [
        (0.0, "wake 8 %", "no energy"),
        (90.0, "", "neither gross energy nor losses"),
        (90.0, "8 % wake", "no class of losses"),
        (90.0, "wake 8 %, wake 9 %", "twice"),
        (90.0, "wake 8", "no share"),
    ],
)
def test_a_form_that_cannot_be_read_says_why(net, losses, said):
    with pytest.raises(InputError, match=said):
        assessment_of(net, losses=losses)
