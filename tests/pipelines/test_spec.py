"""Every shape of the specification's files is read; what is wrong is told at once, in words that are held here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.model.errors import InputErrors
from workbench.pipelines import NotInstalled, check_spec, load_pipeline
from workbench.steps import steps

STEP = (
    '{"type": "rolling_statistics", "windows": ["PT1H"], "features": [{"field": "wind_speed", "statistics": ["mean"]}]}'
)


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


def write(folder: Path, text: str, name: str = "pipe.json") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        f'{{"transformation_id": "X-1", "name": "Title", "description": "d", "transformations": [{STEP}]}}',
        f'{{"pipeline_id": "X-1", "name": "Title", "schedule": "PT5M", "components": [{STEP}]}}',
        f'{{"transformations": [{STEP}, ]}} // all of it',
        (
            f'{{"pipeline": {{"name": "X-1", "schedule": "0 6 * * 1-5", "sources": [{{"name": "a", "type": "api", '
            f'"connection": "b.c"}}, "d.e"], "transformations": [{STEP}], "destination": {{"connection": "f.g"}}}}}}'
        ),
    ],
)
def test_the_shapes_of_the_specification_are_one(tmp_path, text):
    found = load_pipeline(write(tmp_path, text))
    assert [one.step.name for one in found.steps] == ["rolling_statistics"]
    assert found.name in {"X-1", "pipe"}
    if '"pipeline"' in text:
        assert [source.connection or source.name for source in found.sources] == ["b.c", "d.e"]
        assert found.destination.connection == "f.g"
        assert found.schedule == "0 6 * * 1-5"


WRONG = {
    "not json": ('{"steps": [', "pipe.json:1: column 12: not valid JSON: a value is missing"),
    "no mapping": ("[1]", "pipe.json: not a pipeline\n  found:    list\n  expected: a mapping"),
    "unknown key": (
        f'{{"shedule": "PT1H",\n"steps": [{STEP}]}}',
        (
            "pipe.json:1: shedule: unknown key\n  expected: $schema, components, description, destination, missed, name, "
            "pipeline_id, schedule, sources, steps, transformation_id, transformations\n  hint:     did you mean 'schedule'?"
        ),
    ),
    "no list": ('{"name": "x"}', "pipe.json:1: a pipeline has one list of steps\n  found:    none"),
    "two lists": ('{"steps": [], "components": []}', "found:    components, steps"),
    "steps are no list": ('{"steps": {}}', "pipe.json:1: steps: the steps are a list\n  found:    dict"),
    "a number for a name": (
        f'{{"name": 5, "steps": [{STEP}]}}',
        "pipe.json:1: name: a text is expected\n  found:    5",
    ),
    "schedule": (
        f'{{"schedule": "hourly",\n"steps": [{STEP}]}}',
        (
            "pipe.json:1: schedule: not a schedule\n  found:    hourly\n  expected: an ISO 8601 duration such as PT5M, or a "
            "cron expression of five fields such as 0 6 * * *"
        ),
    ),
    "source without a name": (
        f'{{"sources": [{{"type": "api"}}], "steps": [{STEP}]}}',
        "pipe.json:1: sources[0]: an entry of a catalog is missing\n  expected: connection or name",
    ),
    "source with an unknown key": (
        f'{{"sources": [{{"nme": "a", "name": "b"}}], "steps": [{STEP}]}}',
        "unknown key 'nme'\n  expected: one of name, type, connection, description\n  hint:     did you mean 'name'?",
    ),
    "sources are no list": (f'{{"sources": 5, "steps": [{STEP}]}}', "pipe.json:1: sources: the sources are a list"),
    "no type": ('{"steps": [\n{"windows": []}]}', "pipe.json:2: steps[0]: a step needs a type"),
    "not installed": (
        '{"steps": [\n{"type": "rolling_statistic"}]}',
        "pipe.json:2: steps[0].type: no step of this type is installed\n  found:    rolling_statistic\n  expected: ",
    ),
    "nearest type": ('{"steps": [{"type": "rolling_statistic"}]}', "hint:     did you mean 'rolling_statistics'?"),
    "parameters are no mapping": (
        '{"steps": [{"type": "mark_gaps", "parameters": [1]}]}',
        "pipe.json:1: steps[0].parameters: parameters are a mapping\n  found:    [1]",
    ),
    "flat and nested": (
        '{"steps": [{"type": "flag_range",\n"variables": ["a"], "parameters": {"variables": ["b"]}}]}',
        "pipe.json:2: steps[0].variables: a parameter stands both flat and under parameters\n  found:    variables",
    ),
    "unknown parameter": (
        '{"steps": [{"type": "flag_range",\n"limit": {}}]}',
        (
            "pipe.json:2: steps.0.limit: unknown key 'limit'\n  expected: one of limits, variables\n"
            "  hint:     did you mean 'limits'?"
        ),
    ),
    "missing parameter": (
        '{"steps": [{"type": "rolling_statistics",\n"features": []}]}',
        "pipe.json:1: steps.0.windows: the key 'windows' is missing",
    ),
    "wrong value deep inside": (
        (
            '{"steps": [{"type": "rolling_statistics", "windows": ["PT1H"],\n"features": [\n{"field": "a",\n'
            '"statistics": ["median"]}]}]}'
        ),
        "pipe.json:4: steps.0.features.0.statistics.0: ",
    ),
    "no duration": (
        '{"steps": [{"type": "rolling_statistics", "windows": [\n"1 hour"], "features": []}]}',
        "pipe.json:2: steps.0.windows.0: not a duration: '1 hour'\n  found:    '1 hour'\n  expected: an ISO 8601 duration",
    ),
    "a dashboard": (
        '{"dashboard_id": "D", "sections": []}',
        "files of this kind cannot be run\n  found:    a dashboard",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_in_these_words(tmp_path, case, monkeypatch):
    text, message = WRONG[case]
    path = write(tmp_path, text)
    with pytest.raises(InputErrors) as caught:
        load_pipeline(path)
    told = str(caught.value).replace(f"{tmp_path}/", "")
    assert message in told


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    text = '{"schedul": "PT1H",\n"steps": [\n{"type": "x"},\n{"type": "flag_range", "limit": 1},\n{}]}'
    found = check_spec(write(tmp_path, text))
    assert [error.line for error in found.errors] == [1, 4, 5]
    assert [error.line for error in found.missing] == [3]
    assert isinstance(found.missing[0], NotInstalled)


def test_the_specification_is_right_but_for_what_is_not_installed(specs):
    seen = 0
    for path in sorted(specs.glob("*.json")):
        if not any(word in path.name for word in ("renew-", "transformation", "pipeline", "validation")):
            continue
        seen += 1
        found = check_spec(path)
        assert found.errors == [], path.name
        for error in found.missing:
            assert error.line
            assert error.found not in steps()
    assert seen == 20


def test_the_command(process, tmp_path):
    right = write(tmp_path, f'{{"pipeline_id": "P", "steps": [{STEP}]}}', "right.json")
    wrong = write(tmp_path, '{"steps": [{"type": "flag_range", "limit": 1}]}', "wrong.json")
    later = write(tmp_path, '{"steps": [{"type": "power_forecasting"}]}', "later.json")
    done = process("check", right)
    assert done.returncode == 0, done.stderr
    assert "P: 1 steps, nothing wrong" in done.stdout
    done = process("check", later)
    assert done.returncode == 1
    assert "nothing wrong but what is not installed: power_forecasting" in done.stdout
    done = process("check", right, wrong, later)
    assert done.returncode == 2
    assert "did you mean 'limits'?" in done.stderr
    told = json.loads(process("check", "--json", wrong, later).stdout)
    assert [(one["kind"], one["line"]) for one in told] == [("error", 1), ("not_installed", 1)]
    assert told[0]["where"] == "steps.0.limit"


def test_steps_are_listed_and_shown(process):
    assert "rolling_statistics" in process("steps", "list").stdout
    shown = process("steps", "show", "rolling_statistics").stdout
    assert "kurtosis" in shown
    assert "required" in shown
    assert process("steps", "show", "rolling").returncode == 2


FIELDS = """{"pipeline_id": "F",
"steps": [
{"type": "unit_conversion", "conversions": [{"field": "wind_spede", "to_unit": "mph"}]},
{"type": "rolling_statistics", "windows": ["PT1H"], "features": [
  {"field": "wind_speed", "statistics": ["mean"], "output_prefix": "wind"},
  {"field": "gone", "statistics": ["mean"]}]},
{"type": "calculated_health_indicators", "indicators": [{"name": "x", "formula": "wind_mean_1h * 2"}]}
]}"""


def test_fields_are_checked_against_the_data(process, tmp_path):
    import numpy as np
    import xarray as xr

    times = np.datetime64("2026-01-01", "ns") + np.arange(6) * np.timedelta64(600, "s")
    values = (("time", "asset"), np.ones((6, 1)), {"units": "m s-1"})
    xr.Dataset({"wind_speed": values}, coords={"time": times, "asset": ["A"]}).to_netcdf(
        tmp_path / "d.nc", engine="h5netcdf"
    )
    write(tmp_path, FIELDS)
    assert process("check", "pipe.json").returncode == 0  # nothing is known of the data
    done = process("check", "pipe.json", "--input", "d.nc")
    assert done.returncode == 2
    assert "pipe.json:3: step 1 (unit_conversion): none of the fields of the step is there" in done.stderr
    assert "did you mean 'wind_speed'?" in done.stderr
    assert (
        "warning: pipe.json:4: step 2 (rolling_statistics): a field is not there; what is said of it is passed over"
        in done.stdout
    )
    assert "step 3" not in done.stdout + done.stderr  # an earlier step gives what it needs
    found = json.loads(process("check", "--json", "pipe.json", "--input", "d.nc").stdout)
    assert [(one["kind"], one["line"], one["found"]) for one in found] == [
        ("error", 3, "wind_spede"),
        ("warning", 4, "gone"),
    ]
