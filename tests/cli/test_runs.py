"""``workbench runs``: what was run, when, and what came of it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from workbench.model.errors import InputError


@pytest.fixture
def run(tmp_path, checkout, monkeypatch):
    """The command in this process: what it prints; an error in the input is raised."""
    from workbench.cli import app

    monkeypatch.setenv("WORKBENCH_PROJECT", str(checkout))
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    def call(*words, code=0):
        done = CliRunner().invoke(app, [str(word) for word in words])
        if isinstance(done.exception, InputError):
            raise done.exception
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    return call


def test_runs_are_listed_and_shown_whole(run, tmp_path):
    assert "Nothing was run yet." in run("runs")
    assert json.loads(run("runs", "--json")) == []
    spec = {"pipeline_id": "FILTER", "steps": [{"type": "record_filter", "condition": "x > 1"}]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    (tmp_path / "in.json").write_text('[{"x": 1}, {"x": 2}]')
    assert "out.csv: 1 records out of 2" in run("run", "spec.json", "--input", "in.json", "--output", "out.csv")
    (tmp_path / "odd.json").write_text('[{"x": "one"}]')
    with pytest.raises(InputError, match=r"step 1 \(record_filter\)"):
        run("run", "spec.json", "--input", "odd.json", "--output", "odd.csv")
    assert not (tmp_path / "odd.csv").exists()
    failed, done = json.loads(run("runs", "--json"))
    assert [one["status"] for one in (failed, done)] == ["failed", "done"]
    assert done["parameters"]["input"] == "in.json"
    assert done["parameters"]["spec"]["file"] == "spec.json"
    listed = run("runs")
    rows = [line.split() for line in listed.splitlines() if "FILTER" in line]
    assert [(row[0], row[1], row[-1] if row[-1] == "out.csv" else "") for row in rows] == [
        (failed["id"][:8], "pipeline", ""),
        (done["id"][:8], "pipeline", "out.csv"),
    ]
    assert "step 1 (record_filter)" in listed
    whole = json.loads(run("runs", done["id"][:8]))
    assert whole == done
    event = whole["detail"]["lineage"]
    assert (event["eventType"], event["run"]["runId"]) == ("COMPLETE", done["id"])
    assert event["run"]["facets"]["workbench_run"]["steps"] == [
        {"type": "record_filter", "in": {"records": 2}, "out": {"records": 1}}
    ]
    assert [one["id"] for one in json.loads(run("runs", "--json", "--limit", "1"))] == [failed["id"]]
    assert json.loads(run("runs", "--json", "--kind", "report")) == []
    with pytest.raises(InputError, match="no such run"):
        run("runs", "zzzz")
