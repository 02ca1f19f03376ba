"""``workbench runs``: what was run, when, and what came of it."""

from __future__ import annotations

import json

import pytest

from workbench.model.errors import InputError


def test_runs_are_listed_and_shown_whole(call, tmp_path):
    assert "Nothing was run yet." in call("runs")
    assert json.loads(call("runs", "--json")) == []
    spec = {"pipeline_id": "FILTER", "steps": [{"type": "record_filter", "condition": "x > 1"}]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    (tmp_path / "in.json").write_text('[{"x": 1}, {"x": 2}]')
    assert "out.csv: 1 records out of 2" in call("run", "spec.json", "--input", "in.json", "--output", "out.csv")
    (tmp_path / "odd.json").write_text('[{"x": "one"}]')
    with pytest.raises(InputError, match=r"step 1 \(record_filter\)"):
        call("run", "spec.json", "--input", "odd.json", "--output", "odd.csv")
    assert not (tmp_path / "odd.csv").exists()
    failed, done = json.loads(call("runs", "--json"))
    assert [one["status"] for one in (failed, done)] == ["failed", "done"]
    assert done["parameters"]["input"] == "in.json"
    assert done["parameters"]["spec"]["file"] == "spec.json"
    listed = call("runs")
    rows = [line.split() for line in listed.splitlines() if "FILTER" in line]
    assert [(row[0], row[1], row[-1] if row[-1] == "out.csv" else "") for row in rows] == [
        (failed["id"][:8], "pipeline", ""),
        (done["id"][:8], "pipeline", "out.csv"),
    ]
    assert "step 1 (record_filter)" in listed
    whole = json.loads(call("runs", done["id"][:8]))
    assert whole == done
    event = whole["detail"]["lineage"]
    assert (event["eventType"], event["run"]["runId"]) == ("COMPLETE", done["id"])
    assert event["run"]["facets"]["workbench_run"]["steps"] == [
        {"type": "record_filter", "in": {"records": 2}, "out": {"records": 1}}
    ]
    assert [one["id"] for one in json.loads(call("runs", "--json", "--limit", "1"))] == [failed["id"]]
    assert json.loads(call("runs", "--json", "--kind", "report")) == []
    with pytest.raises(InputError, match="no such run"):
        call("runs", "zzzz")
