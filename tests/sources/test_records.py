"""Entries of records: read as frames, by Intake as tables, and refused where telemetry is wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.catalog import open_catalog
from workbench.model.errors import InputError

CATALOG = """\
entries:
  orders:
    description: Orders of a shop
    driver: records
    path: orders.ndjson
  gone:
    driver: records
    path: gone.csv
  odd:
    driver: records
    path: odd.xls
"""


@pytest.fixture
def catalog(tmp_path: Path):
    folder = tmp_path / "catalogs"
    (folder / "portfolio").mkdir(parents=True)
    (folder / "shop.yaml").write_text(CATALOG)
    (folder / "odd.xls").write_text("")
    lines = [{"id": 1, "total": "2.50", "who": {"email": "A@x.org"}}, {"id": 2, "total": "4", "note": "late"}]
    (folder / "orders.ndjson").write_text("\n".join(map(json.dumps, lines)))
    return open_catalog(folder)


def test_an_entry_of_records(catalog):
    entry = catalog["shop.orders"]
    assert entry.gives_records
    assert entry.records().collect().to_dicts()[0]["who"] == {"email": "A@x.org"}
    assert entry.records(fields=["total"]).collect()["total"].to_list() == ["2.50", "4"]
    assert list(entry.describe()["variables"]) == ["id", "total", "who", "note"]
    table = catalog.to_intake()["shop.orders"].read()
    assert table["id"].tolist() == [1, 2]


def test_what_is_wrong_is_told(catalog):
    told = [str(error) for error in catalog.check()]
    assert ["no such file" in one for one in told] == [True, False]
    assert "shop.yaml:8" in told[0]
    assert "not a file of records" in told[1]
    with pytest.raises(InputError, match="gives records, not telemetry"):
        catalog["shop.orders"].open()


def test_a_pipeline_reads_and_writes_entries_of_records(catalog, tmp_path, checkout):
    spec = {
        "pipeline_id": "TOTALS",
        "sources": ["shop.orders"],
        "destination": "shop.gone",
        "transformations": [
            {"type": "field_operation", "field_name": "total", "operation": "number"},
            {"type": "field_selection", "field_names": ["id", "total"]},
        ],
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    env = {**os.environ, "WORKBENCH_PROJECT": str(tmp_path), "WORKBENCH_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-m", "workbench", "run", "spec.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    assert catalog["shop.gone"].records().collect().to_dicts() == [{"id": 1, "total": 2.5}, {"id": 2, "total": 4.0}]
    command[3:] = [
        "run",
        str(checkout / "catalogs" / "pipelines" / "scada_quality.yaml"),
        "--input",
        "shop.orders",
        "--out",
        "x.nc",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, env=env)
    assert done.returncode == 2
    assert "the entry gives records, the steps work on telemetry" in done.stderr
