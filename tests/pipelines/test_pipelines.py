"""A pipeline file is checked whole, with lines, and its steps run in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError, InputErrors
from workbench.model.quality import count_flags
from workbench.pipelines import load_pipeline, run
from workbench.steps import get_step, steps


@pytest.fixture
def scada() -> xr.Dataset:
    """Two turbines, a day of ten minutes: one impossible wind speed, one stuck anemometer, one gap."""
    times = np.datetime64("2026-01-01", "ns") + np.arange(144) * np.timedelta64(10, "m")
    wind = np.random.default_rng(3).normal(8.0, 1.0, (144, 2))
    wind[10, 0] = 130.0
    wind[40:60, 1] = 7.77
    wind[100, :] = np.nan

    direction = np.random.default_rng(4).uniform(0.0, 359.0, (144, 2))
    direction[100, :] = np.nan
    return xr.Dataset(
        {"wind_speed": (("time", "asset"), wind), "wind_direction": (("time", "asset"), direction)},
        {"time": times, "asset": ["A", "B"]},
    )


def write(folder: Path, text: str) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("file", ["scada_quality.yaml"])
def test_the_shipped_pipelines_are_right_and_do_what_they_say(checkout: Path, scada: xr.Dataset, file: str):
    pipeline = load_pipeline(checkout / "catalogs" / "pipelines" / file)
    result = run(pipeline, scada)
    assert count_flags(result)["wind_speed"] == {"range": 1, "stuck": 20}
    assert int((result["gap"] > 0).sum()) == 2
    xr.testing.assert_identical(result["wind_speed"], scada["wind_speed"])
    assert "wind_speed_quality" not in scada


def test_parameters_may_stand_flat_or_nested(tmp_path: Path, scada: xr.Dataset):
    flat = write(tmp_path, "steps:\n- type: flag_range\n  limits: {wind_speed: [0, 9]}\n")
    one = run(load_pipeline(flat), scada)
    nested = write(
        tmp_path, '{"components": [{"type": "flag_range", "parameters": {"limits": {"wind_speed": [0, 9]}}}]}'
    )
    two = run(load_pipeline(nested), scada)
    xr.testing.assert_identical(one, two)
    assert count_flags(one)["wind_speed"]["range"] > 1


def test_every_error_is_told_at_once_with_its_line(tmp_path: Path):
    path = write(
        tmp_path,
        "pipeline_id: X\n"
        "shedule: PT1H\n"
        "steps:\n"
        "- type: flag_rang\n"
        "- type: flag_stuck\n"
        "  parameters: {aftr: {wind_speed: PT1H}}\n"
        "- variables: [wind_speed]\n",
    )
    with pytest.raises(InputErrors) as caught:
        load_pipeline(path)
    told = {error.line: str(error) for error in caught.value.errors}
    assert "did you mean 'schedule'?" in told[2]
    assert "did you mean 'flag_range'?" in told[4]
    assert "aftr" in told[6]
    assert "a step needs a type" in told[7]


def test_a_step_that_lacks_its_data_names_itself(tmp_path: Path, scada: xr.Dataset):
    pipeline = load_pipeline(write(tmp_path, "steps:\n- type: flag_range\n  variables: [wind_sped]\n"))
    with pytest.raises(InputError, match=r"step 1 \(flag_range\)"):
        run(pipeline, scada)


@pytest.mark.parametrize("text", ["steps: []\ncomponents: []\n", "pipeline_id: X\n"])
def test_a_pipeline_has_one_list_of_steps(tmp_path: Path, text: str):
    with pytest.raises(InputErrors, match="one list of steps"):
        load_pipeline(write(tmp_path, text))


def test_steps_are_functions_and_know_their_parameters():
    assert {"flag_quality", "flag_range", "flag_stuck", "mark_gaps"} <= set(steps())
    found = get_step("flag_range")
    assert set(found.parameters.model_fields) == {"limits", "variables"}
    assert found.summary
    with pytest.raises(InputError, match="did you mean 'flag_range'"):
        get_step("flag_rage")
