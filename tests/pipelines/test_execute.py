"""From an input to an output: every kind of both, whole or not at all, with a record that can be traced."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from workbench.catalog import open_catalog
from workbench.catalog.export import write
from workbench.model.errors import InputError
from workbench.pipelines import load_pipeline
from workbench.pipelines.execute import execute, records_of
from workbench.pipelines.inputs import open_input
from workbench.sources.recordfiles import write_records
from workbench.store import SiteStore

PORTFOLIO = """\
id: ridge
name: Ridge
kind: wind
timezone: UTC
latitude: 50.0
longitude: 8.0
elevation: 100
grid_frequency_nominal: 50
capacity: 4000
assets:
  - {id: A, type: wind_turbine, rated_capacity: 2000}
  - {id: B, type: wind_turbine, rated_capacity: 2000}
"""
ENTRIES = """\
entries:
  csv:
    driver: csv
    asset_type: weather_station
    cadence: 10min
    path: weather.csv
    time: time
    asset: {column: asset}
    columns: {wind_speed: wind_speed}
  made:
    driver: csv
    asset_type: weather_station
    cadence: 10min
    path: made.csv
    time: time
    asset: {column: asset}
    columns: {wind_speed_mean_1h: wind_speed}
"""
CONVERT = {
    "name": "CONVERT",
    "steps": [
        {
            "type": "unit_conversion",
            "conversions": [{"field": "power_output", "to_unit": "MW", "output_field": "power_mw"}],
        },
        {
            "type": "data_quality_flagging",
            "rules": [{"field": "wind_speed", "rule": "range_check", "parameters": {"max": 9, "flag_name": "much"}}],
        },
    ],
}
ROLL = {
    "name": "ROLL",
    "steps": [
        {
            "type": "rolling_statistics",
            "windows": ["PT1H"],
            "features": [{"field": "wind_speed", "statistics": ["mean"]}],
        }
    ],
}


def telemetry(rows: int = 12) -> xr.Dataset:
    values = np.arange(2.0 * rows).reshape(rows, 2)
    values[1, 0] = np.nan
    return xr.Dataset(
        {
            "wind_speed": (("time", "asset"), values, {"units": "m/s"}),
            "power_output": (("time", "asset"), values * 100, {"units": "kW"}),
        },
        coords={"time": pd.date_range("2026-03-01", periods=rows, freq="10min", unit="ns"), "asset": ["A", "B"]},
    )


@pytest.fixture
def project(tmp_path: Path):
    """A catalog of one site with a series in the store, and what writes a pipeline."""
    (tmp_path / "catalogs" / "portfolio").mkdir(parents=True)
    (tmp_path / "catalogs" / "portfolio" / "ridge.yaml").write_text(PORTFOLIO)
    (tmp_path / "catalogs" / "files.yaml").write_text(ENTRIES)
    catalog = open_catalog(tmp_path / "catalogs", store=tmp_path / "store")
    write(telemetry(), tmp_path / "catalogs" / "weather.csv")
    assert [error.where for error in catalog.check()] == ["entries.made.path"]
    store = SiteStore(catalog.store, "ridge")
    store.import_dataset("wind_turbine/10min", telemetry())
    store.close()
    return catalog


def pipeline(folder: Path, content: dict) -> object:
    path = folder / f"{content['name']}.json"
    path.write_text(json.dumps(content))
    return load_pipeline(path)


def last_run(catalog) -> dict:
    records = records_of(catalog)
    found = records.runs(limit=1).to_dicts()[0]
    records.close()
    return found | {"detail": json.loads(found["detail"])}


@pytest.fixture
def command(process):
    def call(*words, code=0):
        done = process(*words)
        assert done.returncode == code, done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


# -- the specification, by the command --------------------------------------------------------------------


def test_03_runs_on_both_samples_as_they_stand(command, specs, checkout, tmp_path):
    spec = next(specs.glob("03-*.json"))
    done = command("run", spec, "--input", next(specs.glob("01-*.json")), "--output", "wind.nc")
    assert "wind.nc: " in done.stderr
    assert "Traceback" not in done.stderr
    found = xr.open_dataset(tmp_path / "wind.nc", engine="h5netcdf").load()
    assert found["unified_asset_id"].values.tolist() == ["wind_turbine-WIND-FARM-01-T-045"]
    assert float(found["power_output_mw"][0, 0]) == pytest.approx(2.8505)
    assert (found["power_output_mw"].attrs["units"], found["wind_speed_mph"].attrs["units"]) == ("MW", "mph")
    source = f"{next(specs.glob('02-*.json'))}#inverter/1s"
    execute(
        load_pipeline(spec),
        source,
        str(tmp_path / "sun.nc"),
        catalog=open_catalog(checkout / "catalogs", store=tmp_path),
    )
    found = xr.open_dataset(tmp_path / "sun.nc", engine="h5netcdf").load()
    assert "power_generation_kw" in found
    assert str(found["unified_asset_id"].values[0]).startswith("inverter-")


def test_18_and_20_run_on_records(command, specs, tmp_path):
    done = command(
        "run", next(specs.glob("18-*.json")), "--input", next(specs.glob("16-*.json")), "--output", "rows.ndjson"
    )
    assert "rows.ndjson: 1 records out of 1" in done.stderr
    [row] = map(json.loads, (tmp_path / "rows.ndjson").read_text().splitlines())
    assert (row["customer_email"], row["order_value"], row["item_quantity"]) == ("customer@example.com", 29.99, 1)
    lines = ["security_identifier,transaction_amount,transaction_date", "037833100,100.5,2025-01-31"]
    lines += ["012345678,1,2025-02-01", "37833100,5,2025-01-02"]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    done = command("run", next(specs.glob("20-*.json")), "--input", "in.csv", "--output", "out.csv", code=1)
    assert "out.csv: 1 records out of 3" in done.stderr
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "037833100,100.5,2025-01-31"
    assert "Invalid CUSIP format" in (tmp_path / "out.rejected.csv").read_text()


# -- telemetry --------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(project, tmp_path):
    """Each form gives the same result, and from one form to the next nothing changes."""
    spec, again = pipeline(tmp_path, CONVERT), pipeline(tmp_path, ROLL)
    source = "ridge/wind_turbine/10min"
    whole = None
    for ending in (".nc", ".zarr", ".parquet", ".csv"):
        out = tmp_path / f"out{ending}"
        report = execute(spec, source, str(out), catalog=project)
        assert report.flagged["wind_speed"] == {"range": 14}
        opened = open_input(str(out), "telemetry", catalog=project)
        found = opened.data.load()
        opened.close()
        whole = whole if whole is not None else found
        assert set(whole.data_vars) == set(found.data_vars)
        for name in whole.data_vars:
            # A slot in which nothing came has no row in a table.
            read, made = found[name].astype(float), whole[name].astype(float)
            np.testing.assert_allclose(read.where(whole["sample_count"] > 0), made.where(whole["sample_count"] > 0))
            if ending != ".csv":  # which has no place for it
                assert found[name].attrs.get("units") == whole[name].attrs.get("units")
        assert found["wind_speed_quality"].dtype == np.uint16
        assert found["time"].values.tolist() == whole["time"].values.tolist()
        # Flags still count: what is flagged as wrong is in no statistic.
        execute(again, str(out), str(tmp_path / "rolled.nc"), overwrite=True, catalog=project)
        with xr.open_dataset(tmp_path / "rolled.nc", engine="h5netcdf") as rolled:
            assert float(rolled["wind_speed_mean_1h"][5, 0]) == pytest.approx((0 + 4 + 6 + 8) / 4)
    assert last_run(project)["status"] == "done"


@pytest.mark.parametrize("ending", [".nc", ".parquet", ".csv", ".ndjson", ".json", ".zarr"])
def test_the_same_inputs_give_the_same_bytes(project, tmp_path, ending):
    spec = pipeline(tmp_path, CONVERT)
    shas = []
    for name in ("one", "two"):
        execute(spec, "ridge/wind_turbine/10min", str(tmp_path / f"{name}{ending}"), catalog=project)
        [output] = last_run(project)["detail"]["lineage"]["outputs"]
        shas.append(output["facets"]["workbench_content"]["sha256"])
    assert shas[0] == shas[1]
    one, two = tmp_path / f"one{ending}", tmp_path / f"two{ending}"
    if one.is_file():
        assert one.read_bytes() == two.read_bytes()


def test_an_entry_a_window_and_the_store(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    roll = pipeline(tmp_path, ROLL)
    # An entry is called like a file; a file of that name in the folder counts more.
    execute(roll, "files.csv", "a.nc", start="2026-03-01T00:30", end="2026-03-01T01:00", catalog=project)
    with xr.open_dataset("a.nc", engine="h5netcdf") as found:
        assert found["wind_speed_mean_1h"].values[:, 1].tolist() == [7, 8, 9]
        assert str(found["time"].values[0]).startswith("2026-03-01T00:30:00")
    event = last_run(project)["detail"]["lineage"]
    assert event["run"]["facets"]["nominalTime"]["nominalEndTime"] == "2026-03-01T01:00:00Z"
    shutil.copy("a.nc", "files.nc")
    for source in ("files.nc", "ridge/wind_turbine/10min", "ridge"):
        execute(roll, source, "b.nc", start="2026-03-01T00:40", end="2026-03-01T00:50", overwrite=True, catalog=project)
        with xr.open_dataset("b.nc", engine="h5netcdf") as found:
            assert found.sizes["time"] == 1
            assert found["wind_speed_mean_1h"].values.tolist() == [[8, 9]]
    # Only from, and only to.
    execute(roll, "ridge", "c.nc", start="2026-03-01T01:00", catalog=project)
    execute(roll, "a.nc", "d.nc", end="2026-03-01T00:40", catalog=project)
    with xr.open_dataset("c.nc", engine="h5netcdf") as c, xr.open_dataset("d.nc", engine="h5netcdf") as d:
        assert (c.sizes["time"], d.sizes["time"]) == (6, 1)
    # Into a series of the store, and into the entry.
    report = execute(roll, "ridge", "ridge/wind_turbine/1h", catalog=project)
    assert report.outputs == []
    made = open_input("ridge/wind_turbine/1h", "telemetry", catalog=project).data
    assert float(made["wind_speed_mean_1h"].max()) > 0
    assert last_run(project)["detail"]["lineage"]["outputs"][0]["name"] == "ridge/wind_turbine/1h"
    execute(roll, "ridge/wind_turbine/10min", "files.made", catalog=project)  # there is no such file yet
    execute(roll, "ridge/wind_turbine/10min", "files.made", catalog=project)  # it is replaced
    assert float(open_catalog(project.path)["files.made"].read()["wind_speed"].max()) == 18
    named = pipeline(
        tmp_path, {**ROLL, "name": "NAMED", "sources": ["ridge/wind_turbine/10min"], "destination": "b.nc"}
    )
    assert execute(named, catalog=project).outputs == [Path("b.nc")]


def test_a_file_may_be_its_own_result(project, tmp_path):
    spec = pipeline(tmp_path, CONVERT)
    for ending in (".zarr", ".nc"):
        path = tmp_path / f"own{ending}"
        write(telemetry(), path)
        report = execute(spec, str(path), str(path), overwrite=True, catalog=project)
        assert report.flagged == {"wind_speed": {"range": 14}}
        found = open_input(str(path), "telemetry", catalog=project)
        assert "power_mw" in found.data
        found.close()


def test_texts_go_from_every_form_into_every_other(project, tmp_path):
    spec = pipeline(
        tmp_path,
        {
            "name": "STATES",
            "steps": [
                {
                    "type": "conditional_classification",
                    "field_name": "made",
                    "conditions": [{"condition": "state = 'on' AND wind_speed > 1", "value": "much"}],
                }
            ],
        },
    )
    for rows in (3, 0):
        data = telemetry(3).isel(time=slice(0, rows))
        states = np.array([["on", "off"], ["", "on"], ["on", None]], dtype=object)[:rows]
        data["state"] = (("time", "asset"), states)
        for source in (".nc", ".zarr", ".parquet", ".csv"):
            if (rows, source) == (0, ".csv"):
                continue  # without a row nothing tells a number from a text
            write(data, tmp_path / f"in{source}", overwrite=True)
            made = set()
            for goal in (".nc", ".zarr", ".parquet", ".csv"):
                out = tmp_path / f"out{goal}"
                execute(spec, str(tmp_path / f"in{source}"), str(out), overwrite=True, catalog=project)
                opened = open_input(str(out), "telemetry", catalog=project)
                made.add(tuple(opened.data["made"].values.astype(object).ravel().tolist()))
                opened.close()
            assert made == {("", "", "", "much", "much", "")[: 2 * rows]}, source


def test_odd_tables(project, tmp_path):
    def opened(text: str, name: str = "odd.csv") -> xr.Dataset:
        (tmp_path / name).write_text(text)
        return open_input(str(tmp_path / name), "telemetry", catalog=project).data

    found = opened(
        "time,asset,x,state,on,n\n2026-01-01T00:10:00Z,B,1,run,true,1\n2026-01-01T00:00:00+01:00,A,,,false,2\n"
    )
    assert found["time"].values.astype(str).tolist() == [
        "2025-12-31T23:00:00.000000000",
        "2026-01-01T00:10:00.000000000",
    ]
    assert found["state"].values.tolist() == [["", ""], ["", "run"]]
    assert np.isnan(found["x"].values).sum() == 3
    full = opened("time,asset,n,on\n2026-01-01,A,1,true\n")
    assert (full["n"].dtype.kind, full["on"].dtype.kind) == ("i", "b")  # one row, nothing missing
    assert opened("time,asset,x\n").sizes == {"time": 0, "asset": 0}
    for text, message in (
        ("time,asset,x\n2026-01-01,A,1\nsoon,A,2\n", r"odd.csv:3: time: not a time\n  found:    soon"),
        ("time,asset,x\n2026-01-01,A,1\n2026-01-02,,2\n", r"odd.csv:3: asset: a row without an asset"),
        (
            "time,asset,x\n2026-01-01,A,1\n2026-01-01,A,2\n",
            r"a time stands twice for one asset\n  found:    2026-01-01",
        ),
        ("when,asset,x\n1,A,1\n", r"the table is no telemetry\n  found:    when, asset, x"),
    ):
        with pytest.raises(InputError, match=message):
            opened(text)
    pl.DataFrame({"time": ["2026-01-01"], "asset": ["A"], "x": [[1.0]]}).write_parquet(tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="the table is no telemetry"):
        open_input(str(tmp_path / "odd.parquet"), "telemetry", catalog=project)


def test_data_by_time_only_and_facts_are_written_as_tables(tmp_path):
    data = telemetry(2)
    data["once"] = ("time", [1.0, np.nan])
    data["by_asset"] = ("asset", [5.0, 6.0])
    data["stamp"] = ("time", data["time"].values)
    data = data[["by_asset", "once", "stamp", "wind_speed"]]
    write(data, tmp_path / "a.parquet")
    assert pl.read_parquet(tmp_path / "a.parquet").select("by_asset", "once").rows() == [
        (5, 1),
        (6, 1),
        (5, None),
        (6, None),
    ]
    write(data, tmp_path / "a.ndjson")
    first = json.loads((tmp_path / "a.ndjson").read_text().splitlines()[0])
    assert (first["stamp"], first["asset"]) == ("2026-03-01T00:00:00Z", "A")
    write(data.drop_vars(["by_asset", "once", "wind_speed"]), tmp_path / "b.csv")
    assert len((tmp_path / "b.csv").read_text().splitlines()) == 5
    write(data[["once"]], tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text().splitlines()[0] == '"time","once"'


# -- what is wrong ----------------------------------------------------------------------------------------


def test_what_is_wrong_is_told_before_anything_is_done(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    roll = pipeline(tmp_path, ROLL)
    filtered = pipeline(tmp_path, {"name": "F", "steps": [{"type": "record_filter", "condition": "wind_speed > 1"}]})
    mixed = pipeline(
        tmp_path, {"name": "M", "steps": [*ROLL["steps"], {"type": "record_filter", "condition": "a > 1"}]}
    )
    write(telemetry(), tmp_path / "input.nc")
    (tmp_path / "there.nc").write_text("mine")
    for spec, source, output, message in (
        (roll, "imput.nc", "x.nc", r"no such file\n.*did you mean 'input.nc'"),
        (roll, "rigde/wind_turbine/10min", "x.nc", r"no such data\n(.|\n)*did you mean 'ridge'"),
        (roll, "files.cvs", "x.nc", r"no such data\n(.|\n)*did you mean 'files.csv'"),
        (roll, "ridge/wind_turbine/5min", "x.nc", r"(?s)5min.*10min"),
        (roll, "input.nc", "there.nc", "the file is there already"),
        (roll, "input.nc", "x.docx", "cannot write files ending in '.docx'"),
        (roll, "input.nc", "nowhere/x.nc", "no such folder"),
        (roll, "input.nc", "rigde/wind_turbine/1h", "no such site\n(.|\n)*did you mean 'ridge'"),
        (filtered, "in.json", "ridge/wind_turbine/1h", "records go to a file"),
        (roll, "input.nc", None, "the pipeline does not say where its result goes"),
        (roll, None, "x.nc", "the pipeline does not say what it runs on"),
        (filtered, "input.nc", "x.csv", "the file holds telemetry, the steps work on records"),
        (filtered, "files.csv", "x.csv", "the entry gives telemetry, the steps work on records"),
        (filtered, "ridge", "x.csv", "the store gives telemetry, the steps work on records"),
        (mixed, "input.nc", "x.nc", "the steps do not work on the same kind of data"),
    ):
        with pytest.raises(InputError, match=message):
            execute(spec, source, output, catalog=project)
    other = pipeline(tmp_path, {"name": "O", "steps": [{"type": "mark_gaps", "variables": ["wind_sped"]}]})
    with pytest.raises(InputError, match=r"(?s)step 1 \(mark_gaps\).*did you mean 'wind_speed'"):
        execute(other, "input.nc", "x.nc", catalog=project)
    assert (tmp_path / "there.nc").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob("*.nc")) == ["input.nc", "there.nc"]


def test_nothing_is_left_of_what_fails_and_the_failure_is_recorded(project, tmp_path, monkeypatch):
    spec = pipeline(tmp_path, CONVERT)
    bad = telemetry().assign(power_output=telemetry()["power_output"].assign_attrs(units="degC"))
    write(bad, tmp_path / "bad.nc")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"step 1 \(unit_conversion\)"):
        execute(spec, str(tmp_path / "bad.nc"), str(tmp_path / "x.nc"), catalog=project)
    run = last_run(project)
    assert run["status"] == "failed"
    assert run["detail"]["lineage"]["eventType"] == "FAIL"
    message = run["detail"]["lineage"]["run"]["facets"]["errorMessage"]
    assert "step 1 (unit_conversion)" in message["message"]
    check_event(run["detail"]["lineage"])
    # A failure while the result is written, or as its lazy values are worked out.
    monkeypatch.setattr(xr.Dataset, "to_netcdf", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "no space left")))
    with pytest.raises(InputError, match="no space left"):
        execute(spec, "ridge", str(tmp_path / "x.nc"), catalog=project)
    monkeypatch.undo()
    assert last_run(project)["status"] == "failed"
    assert sorted(tmp_path.iterdir()) == before
    # Neither the records that pass nor those kept aside.
    checks = {
        "name": "CHECKS",
        "steps": [
            {"type": "field_validation", "field_name": "x", "validation_type": "range", "max": 1},
            {"type": "field_masking", "field_name": "y"},
        ],
    }
    checked = pipeline(tmp_path, checks)
    write_records(pl.DataFrame({"x": [0, 5], "y": ["a", "b"]}), tmp_path / "in.json")
    execute(checked, str(tmp_path / "in.json"), str(tmp_path / "out.csv"), catalog=project)
    kept = {name: (tmp_path / name).read_text() for name in ("out.csv", "out.rejected.csv")}
    monkeypatch.setattr(pl.DataFrame, "write_csv", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "no space left")))
    with pytest.raises(InputError, match="no space left"):
        execute(checked, str(tmp_path / "in.json"), str(tmp_path / "new.csv"), catalog=project)
    write_records(pl.DataFrame({"x": [0], "y": ["a"]}), tmp_path / "in.json", overwrite=True)
    with pytest.raises(InputError, match="no space left"):
        execute(checked, str(tmp_path / "in.json"), str(tmp_path / "out.csv"), overwrite=True, catalog=project)
    assert {name: (tmp_path / name).read_text() for name in kept} == kept
    assert list(tmp_path.glob("*new*")) == []
    monkeypatch.undo()
    execute(checked, str(tmp_path / "in.json"), str(tmp_path / "out.csv"), overwrite=True, catalog=project)
    assert not (tmp_path / "out.rejected.csv").exists()


# -- lineage ----------------------------------------------------------------------------------------------


def check_event(event: dict) -> None:
    """What OpenLineage 2-0-2 requires of a run event."""
    assert event["eventType"] in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
    assert pd.Timestamp(event["eventTime"]).tz is not None
    assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
    assert event["job"]["namespace"]
    assert event["job"]["name"]
    for url in (event["producer"], event["schemaURL"]):
        assert urlparse(url).scheme
    assert event["schemaURL"].endswith("2-0-2/OpenLineage.json#/$defs/RunEvent")
    datasets = [*event["inputs"], *event["outputs"]]
    assert all(one["namespace"] and one["name"] for one in datasets)
    for holder in (event["run"], event["job"], *datasets):
        for name, facet in holder["facets"].items():
            assert urlparse(facet["_producer"]).scheme, name
            assert urlparse(facet["_schemaURL"]).scheme, name
    facets = event["run"]["facets"]
    assert facets["processing_engine"]["version"]
    if event["eventType"] == "FAIL":
        assert facets["errorMessage"]["message"]
        assert facets["errorMessage"]["programmingLanguage"] == "Python"
    for one in datasets:
        assert one["facets"]["version"]["datasetVersion"]
        assert all(set(field) == {"name", "type"} for field in one["facets"]["schema"]["fields"])


def test_the_lineage_of_telemetry(project, tmp_path):
    spec = pipeline(tmp_path, CONVERT)

    def lineage(source: str) -> dict:
        execute(spec, source, str(tmp_path / "out.nc"), overwrite=True, catalog=project)
        event = last_run(project)["detail"]["lineage"]
        check_event(event)
        return event

    event = lineage("ridge/wind_turbine/10min")
    [given], [made] = event["inputs"], event["outputs"]
    assert (given["namespace"], given["name"]) == ("store", "ridge/wind_turbine/10min")
    assert made["facets"]["workbench_content"]["counts"] == {"variables": 8, "time": 12, "asset": 2}
    assert {"name": "power_mw", "type": "MW"} in made["facets"]["schema"]["fields"]
    steps = event["run"]["facets"]["workbench_run"]["steps"]
    size = {"time": 12, "asset": 2}
    assert steps == [
        {"type": "unit_conversion", "in": size | {"variables": 5}, "out": size | {"variables": 7}},
        {"type": "data_quality_flagging", "in": size | {"variables": 7}, "out": size | {"variables": 8}},
    ]

    def sha(source: str) -> str:
        return lineage(source)["inputs"][0]["facets"]["workbench_content"]["sha256"]

    for name, source in (("store", "ridge"), ("file", str(tmp_path / "in.nc")), ("folder", str(tmp_path / "in.zarr"))):
        if name != "store":
            write(telemetry(), Path(source))
        first = sha(source)
        assert first == sha(source), name
        changed = telemetry(13 if name == "store" else 12)
        changed["wind_speed"][-1, 1] += 0.5
        if name == "store":
            store = SiteStore(project.store, "ridge")
            store.import_dataset("wind_turbine/10min", changed)
            store.close()
        else:
            write(changed, Path(source), overwrite=True)
        assert sha(source) != first, name


def test_the_lineage_of_records(project, tmp_path):
    (tmp_path / "halls.csv").write_text("machine,hall\nM1,A\n")
    spec = pipeline(
        tmp_path,
        {
            "name": "RECORDS",
            "steps": [
                {"type": "record_expansion", "source_field": "items", "output_prefix": "item_"},
                {"type": "record_filter", "condition": "item_n > 1"},
                {"type": "record_join", "source": str(tmp_path / "halls.csv"), "on": "machine"},
                {"type": "field_validation", "field_name": "item_n", "validation_type": "range", "max": 3},
            ],
        },
    )
    rows = [{"machine": "M1", "items": [{"n": 1}, {"n": 2}, {"n": 3}]}, {"machine": "M2", "items": [{"n": 4}]}]
    (tmp_path / "in.ndjson").write_text("\n".join(map(json.dumps, rows)))
    report = execute(spec, str(tmp_path / "in.ndjson"), str(tmp_path / "out.json"), catalog=project)
    assert report.counts == {"records": 2, "kept_aside": 1, "from": 2}
    assert [(one["in"]["records"], one["out"]["records"]) for one in report.steps] == [(2, 4), (4, 3), (3, 3), (3, 3)]
    event = last_run(project)["detail"]["lineage"]
    check_event(event)
    assert [Path(one["name"]).name for one in event["inputs"]] == ["in.ndjson", "halls.csv"]
    assert [Path(one["name"]).name for one in event["outputs"]] == ["out.json", "out.rejected.json"]
    assert event["inputs"][0]["facets"]["workbench_content"]["counts"] == {"records": 2}
    for ending in (".json", ".ndjson", ".csv", ".parquet"):
        for name in ("one", "two"):
            execute(spec, str(tmp_path / "in.ndjson"), str(tmp_path / f"{name}{ending}"), catalog=project)
        assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()


def test_a_file_of_rates_is_among_the_inputs(project, tmp_path):
    """It is looked for beside the catalogs, and its hash tells which rates a sum was made with."""
    rates = project.path / "rates.csv"
    rates.write_text("Date,USD\n2024-03-01,1.25\n")
    step = {
        "type": "field_calculation",
        "operation": "convert_currency",
        "field_name": "price_eur",
        "source_field": "price",
        "target_currency": "EUR",
        "date_field": "day",
        "rates": "rates.csv",
    }
    spec = pipeline(tmp_path, {"name": "RATES", "steps": [step]})
    (tmp_path / "in.ndjson").write_text('{"price": 10.0, "currency": "USD", "day": "2024-03-01"}\n')
    execute(spec, str(tmp_path / "in.ndjson"), str(tmp_path / "out.json"), catalog=project)
    assert json.loads((tmp_path / "out.json").read_text())[0]["price_eur"] == 8.0
    event = last_run(project)["detail"]["lineage"]
    check_event(event)
    assert [Path(one["name"]).name for one in event["inputs"]] == ["in.ndjson", "rates.csv"]
    told = event["inputs"][1]["facets"]["workbench_content"]["sha256"]
    assert told == hashlib.sha256(rates.read_bytes()).hexdigest()
