"""``workbench explain``, ``schema`` and ``steps``: what an engineer reads before a pipeline runs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.catalog.export import write
from workbench.model.errors import InputError
from workbench.steps import steps

SPEC = {
    "pipeline_id": "EXPLAINED",
    "name": "Title [of] it",
    "schedule": "PT5M",
    "sources": [{"name": "scada", "connection": "ridge/wind_turbine/10min"}],
    "destination": "ridge/results/made",
    "steps": [
        {
            "type": "rolling_statistics",
            "windows": ["PT1H", "P7D"],
            "features": [{"field": "wind_speed", "statistics": ["mean"]}, {"field": "gust", "statistics": ["max"]}],
        },
        {
            "type": "conditional_classification",
            "field_name": "state",
            "conditions": [{"condition": "wind_speed_mean_1h > 5 FOR PT30M", "value": "on"}],
        },
        {"type": "mark_gaps"},
    ],
}


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return path


def test_the_plan_without_data(call, spec):
    lines = [line.rstrip() for line in call("explain", spec).splitlines()]
    text = "\n".join(lines)
    assert lines[0].startswith("Title [of] it")
    assert "runs every PT5M; reads scada (ridge/wind_turbine/10min); writes ridge/results/made" in lines
    assert "The data brings: wind_speed, gust" in lines
    assert "   adds     wind_speed_mean_1h [m s-1]" in text.replace("[m/s]", "[m s-1]")
    assert "   looks    7 d back" in lines
    assert "   reads    wind_speed_mean_1h (made before)" in lines
    assert "   looks    30 min back" in lines
    assert "   assumes  every measured field of the data is checked" in lines
    assert "A value of the result looks 7 d 30 min back and nothing ahead, all steps together" in text
    assert "lazy data stay lazy." in text


def test_the_plan_with_data(call, spec, tmp_path):
    data = xr.Dataset(
        {"wind_speed": (("time", "asset"), np.ones((3, 1)), {"units": "km/h"})},
        coords={"time": pd.date_range("2026-01-01", periods=3, freq="10min"), "asset": ["A"]},
        attrs={"asset_type": "wind_turbine"},
    )
    write(data, tmp_path / "in.nc")
    text = call("explain", spec, "--input", "in.nc")
    assert "a field is not there; what is said of it is passed over" in text
    assert "found:    gust" in text
    assert "With the first rows of in.nc:" in text
    [row] = [line.split() for line in text.splitlines() if line.strip().startswith("wind_speed_mean_7d")]
    assert row == ["wind_speed_mean_7d", "km/h", "float64,", "time,", "asset"]
    assert "rolling_statistics: no field 'gust' in the data; what is said of it is left out" in text
    # Nothing that it asks for: told, and the exit code says so.
    write(data.rename(wind_speed="wind_spd"), tmp_path / "other.nc")
    text = call("explain", spec, "--input", "other.nc", code=2)
    assert "none of the fields of the step is there" in text
    assert "did you mean 'wind_spd'?" in text
    assert "spec.json" in text
    empty = data.isel(time=slice(0, 0))
    write(empty, tmp_path / "empty.nc")
    assert "With the first rows of empty.nc:" in call("explain", spec, "--input", "empty.nc")
    with pytest.raises(InputError, match="no such file"):
        call("explain", spec, "--input", "nothing.nc")


def test_the_plan_of_records(call, tmp_path):
    (tmp_path / "halls.csv").write_text("machine,hall\nM1,A\n")
    path = tmp_path / "records.yaml"
    path.write_text(
        "steps:\n- {type: record_join, source: " + str(tmp_path / "halls.csv") + ', "on": machine}\n'
        "- {type: field_removal, field_names: [note]}\n"
    )
    (tmp_path / "in.csv").write_text("machine,note\nM1,x\n")
    text = call("explain", path, "--input", "in.csv")
    assert "   reads    machine (data)" in text
    assert "   removes  note" in text
    [row] = [line.split() for line in text.splitlines() if line.strip().startswith("hall ")]
    assert row == ["hall", "String"]


def test_every_pipeline_of_the_project_is_explained(call, checkout):
    for path in sorted((checkout / "catalogs" / "pipelines").iterdir()):
        text = call("explain", path)
        assert "The data brings: " in text, path.name
        assert "does not say" not in text, path.name


def test_the_schema(call, tmp_path):
    from workbench.pipelines.schema import pipeline_schema

    text = call("schema")
    assert json.loads(text) == pipeline_schema()
    assert call("schema", "--output", tmp_path / "s.json").strip() == str(tmp_path / "s.json")
    assert (tmp_path / "s.json").read_text() == text


def test_every_step_is_listed_and_shown(call):
    listed = call("steps", "list")
    for name, one in steps().items():
        assert name in listed
        text = call("steps", "show", name)
        assert one.summary.replace("`", "") in text.replace("`", "")
        for parameter in one.parameters.model_fields:
            assert parameter in text, f"{name}: {parameter}"
    with pytest.raises(InputError, match="did you mean 'mark_gaps'"):
        call("steps", "show", "mark_gap")
