from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from workbench.model.errors import InputError
from workbench.sources.recordfiles import read_records, write_records

SPEC = """{
  "transformations": [
    {"type": "field_validation", "field_name": "cusip", "validation_type": "format",
     "parameters": {"regex": "^[A-Z0-9]{9}$", // CUSIP pattern
                    "error_message": "Invalid CUSIP format"}},
    {"type": "field_removal", "field_names": ["note", "gone"]},
  ]
}"""
RECORDS = [{"cusip": "037833100", "note": "a"}, {"cusip": "x", "extra": {"deep": [1, 2]}}]


@pytest.mark.parametrize("ending", [".json", ".ndjson", ".parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, ending):
    frame = pl.from_dicts(RECORDS, infer_schema_length=None)
    write_records(frame, tmp_path / f"a{ending}")
    assert read_records(tmp_path / f"a{ending}").collect().to_dicts() == frame.to_dicts()
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]
    with pytest.raises(InputError, match="there already"):
        write_records(frame, tmp_path / f"a{ending}")


def test_csv_holds_what_is_nested_as_json(tmp_path: Path):
    write_records(pl.from_dicts(RECORDS, infer_schema_length=None), tmp_path / "a.csv")
    assert read_records(tmp_path / "a.csv").collect()["extra"].to_list() == [None, '{"deep": [1, 2]}']


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"a": 1},', "a.json:1: column 11: not valid JSON"),
        ("a.json", '[{"a": 1}, 5]', r"a.json: \[1\]: not a record"),
        ("a.ndjson", '{"a": 1}\n{"a": \n', "a.ndjson:2: not valid JSON"),
        ("a.ndjson", "[1]\n", "a.ndjson:1: not a record"),
        ("a.txt", "x", "cannot read records"),
        ("a.parquet", "x", "cannot be read"),
    ],
)
def test_wrong_files_are_told_with_their_line(tmp_path: Path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_records(tmp_path / name).collect_schema()
    with pytest.raises(InputError, match="no such file"):
        read_records(tmp_path / "none.json")


def test_the_command_keeps_aside_what_does_not_pass(tmp_path: Path, checkout: Path):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workbench", "run", "spec.json", *words]
        env = {
            **os.environ,
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "WORKBENCH_PROJECT": str(checkout),
            "WORKBENCH_STORE": str(tmp_path / "store"),
        }
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, env=env)

    (tmp_path / "spec.json").write_text(SPEC)
    (tmp_path / "in.json").write_text(json.dumps(RECORDS))
    done = run("--input", "in.json", "--output", "out.ndjson")
    assert done.returncode == 1, done.stderr
    assert "out.ndjson: 1 records out of 2" in done.stderr
    assert "out.rejected.ndjson: 1 records kept aside" in done.stderr
    assert "field_removal: no field 'gone' in the records" in done.stderr
    assert read_records(tmp_path / "out.ndjson").collect()["cusip"].to_list() == ["037833100"]
    assert read_records(tmp_path / "out.rejected.ndjson").collect()["_rejected"].to_list() == [["Invalid CUSIP format"]]
    assert run("--input", "in.json", "--output", "out.ndjson").returncode == 2
    (tmp_path / "in.json").write_text(json.dumps(RECORDS[:1]))
    done = run("--input", "in.json", "--output", "out.ndjson", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out.rejected.ndjson").exists()


def test_codes_with_leading_zeros_stay_text(tmp_path: Path):
    (tmp_path / "a.csv").write_text("cusip,amount,postcode\n037833100,1.5,04109\n594918104,0.25,80331\n")
    found = read_records(tmp_path / "a.csv").collect().to_dicts()
    assert found[0] == {"cusip": "037833100", "amount": 1.5, "postcode": "04109"}
