"""CSV, Parquet and NDJSON by a mapping of columns: times, assets, units, states, errors."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr
from pydantic import ValidationError

from workbench.catalog.selection import selection
from workbench.model.errors import InputError
from workbench.model.quality import Quality, count_flags
from workbench.sources.readers import DatasetReader, reader, readers

TEN_MINUTES = "2024-01-01T00:00"


def make(driver: str, folder: Path, **keys: Any) -> DatasetReader:
    cls = reader(driver)
    keys = {"asset_type": "wind_turbine", "cadence": "10min", "asset": "T1", "time": "t"} | keys
    return cls("test.entry", cls.Config.model_validate(keys), folder)


def read_csv(folder: Path, text: str, *, select: dict[str, Any] | None = None, **keys: Any) -> xr.Dataset:
    (folder / "x.csv").write_text(text)
    keys = {"path": "x.csv", "columns": {"p": "power_output"}} | keys
    return make("csv", folder, **keys).read(selection(**(select or {})))


def times(data: xr.Dataset) -> list[str]:
    return data["time"].values.astype("datetime64[m]").astype(str).tolist()


def test_registered_drivers() -> None:
    assert {"csv", "parquet", "ndjson", "netcdf", "zarr", "reanalysis"} <= set(readers())
    with pytest.raises(InputError, match="did you mean 'parquet'"):
        reader("parket")


# -- times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-01T00:10:00Z", {}),
        ("2024-01-01T00:10Z", {}),
        ("2024-01-01 00:10:00", {}),
        ("2024-01-01T01:10:00+01:00", {}),
        ("2024-01-01T01:10:00.000+0100", {}),
        ("2024-01-01T01:10:00", {"zone": "Europe/Paris"}),
        ("01.01.2024 00:10", {"format": "%d.%m.%Y %H:%M"}),
        ("01.01.2024 01:10", {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Paris"}),
        ("2024-01-01 05:40 +0530", {"format": "%Y-%m-%d %H:%M %z"}),
        ("1704067800", {"format": "unix_s"}),
        ("1704067800.0", {"format": "unix_s"}),
        ("1704067800000", {"format": "unix_ms"}),
        ("1704067800000000", {"format": "unix_us"}),
        ("1704067800000000000", {"format": "unix_ns"}),
        ("2024-01-01T00:20:00Z", {"label": "end"}),
    ],
)
def test_times_become_utc(tmp_path: Path, text: str, time: dict[str, str]) -> None:
    data = read_csv(tmp_path, f"t,p\n{text},5\n", time={"column": "t"} | time)
    assert times(data) == ["2024-01-01T00:10"]
    assert data["power_output"].values.tolist() == [[5.0]]


def test_fractions_of_unix_seconds_are_kept(tmp_path: Path) -> None:
    data = read_csv(tmp_path, "t,p\n1704067800.25,5\n", time={"column": "t", "format": "unix_s"}, cadence=None)
    assert data["time"].values.astype("int64").tolist() == [1704067800_250_000_000]


def test_mixed_offsets(tmp_path: Path) -> None:
    """A file in local time with its offset: the autumn hour that comes twice stays two hours."""
    text = "t,p\n2024-10-27T02:30:00+02:00,1\n2024-10-27T02:30:00+01:00,2\n"
    data = read_csv(tmp_path, text, cadence="30min")
    assert times(data) == ["2024-10-27T00:30", "2024-10-27T01:00", "2024-10-27T01:30"]
    np.testing.assert_array_equal(data["power_output"].values[:, 0], [1, np.nan, 2])


def test_the_double_hour_needs_a_decision(tmp_path: Path) -> None:
    text = "t,p\n2024-10-27T01:30:00,1\n2024-10-27T02:30:00,2\n"
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, text, time={"column": "t", "zone": "Europe/Paris"})
    assert "x.csv:3: column t: the time does not exist, or exists twice, on the clock of Europe/Paris" in str(
        caught.value
    )
    earliest = read_csv(tmp_path, text, time={"column": "t", "zone": "Europe/Paris", "ambiguous": "earlier"})
    latest = read_csv(tmp_path, text, time={"column": "t", "zone": "Europe/Paris", "ambiguous": "later"})
    assert times(earliest)[-1] == "2024-10-27T00:30"
    assert times(latest)[-1] == "2024-10-27T01:30"


def test_the_missing_hour_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.csv:2: column t: the time does not exist"):
        read_csv(tmp_path, "t,p\n2024-03-31T02:30:00,1\n", time={"column": "t", "zone": "Europe/Paris"})
    # the same on a clock without daylight saving is well
    data = read_csv(tmp_path, "t,p\n2024-03-31T02:30:00,1\n", time={"column": "t", "zone": "Etc/GMT-1"})
    assert times(data) == ["2024-03-31T01:30"]


AUTUMN = """\
a,t,p
T1,2024-10-27T01:30,1
T2,2024-10-27T01:30,11
T1,2024-10-27T02:00,2
T2,2024-10-27T02:00,12
T1,2024-10-27T02:30,3
T1,2024-10-27T02:00,4
T1,2024-10-27T02:30,5
T2,2024-10-27T02:30,13
T2,2024-10-27T02:00,14
T2,2024-10-27T02:30,15
T1,2024-10-27T03:00,6
T2,2024-10-27T03:00,16
"""
SPRING = "t,p\n2024-03-31T01:30,1\n2024-03-31T02:00,2\n2024-03-31T02:30,3\n2024-03-31T03:00,4\n"


def local(**policies: str) -> dict[str, str]:
    return {"column": "t", "zone": "Europe/Paris", **policies}


@pytest.mark.parametrize("select", [{}, {"assets": "T2"}, {"time": slice("2024-10-26T23:30", "2024-10-27T03:00")}])
def test_the_order_of_the_rows_of_each_asset_tells_the_double_hour(tmp_path: Path, select: dict[str, Any]) -> None:
    data = read_csv(
        tmp_path, AUTUMN, asset={"column": "a"}, time=local(ambiguous="infer"), cadence="30min", select=select
    )
    assert times(data) == [f"2024-10-{day}T{clock}" for day, clock in
                           ((26, "23:30"), (27, "00:00"), (27, "00:30"), (27, "01:00"), (27, "01:30"), (27, "02:00"))]  # fmt: skip
    expected = {"T1": [1, 2, 3, 4, 5, 6], "T2": [11, 12, 13, 14, 15, 16]}
    for asset in data["asset"].values:
        np.testing.assert_array_equal(data["power_output"].sel(asset=asset), expected[asset])
    assert "untimed_rows" not in data.attrs


def test_an_order_that_does_not_tell_is_an_error(tmp_path: Path) -> None:
    text = "".join(AUTUMN.splitlines(keepends=True)[:5])
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, text, asset={"column": "a"}, time=local(ambiguous="infer"))
    assert "x.csv: test.entry.time.ambiguous: T1: the order of the rows does not tell" in str(caught.value)
    assert "ambiguous: earlier, later or missing" in str(caught.value)


def test_rows_of_the_double_hour_may_be_left_out(tmp_path: Path) -> None:
    data = read_csv(tmp_path, AUTUMN, asset={"column": "a"}, time=local(ambiguous="missing"))
    assert data.attrs["untimed_rows"] == 8
    assert int(data["sample_count"].sum()) == 4


@pytest.mark.parametrize("ambiguous", ["raise", "infer", "missing"])
def test_the_skipped_hour_may_be_shifted_or_left_out(tmp_path: Path, ambiguous: str) -> None:
    moved = read_csv(tmp_path, SPRING, time=local(ambiguous=ambiguous, nonexistent="shift_forward"), cadence="30min")
    assert times(moved) == ["2024-03-31T00:30", "2024-03-31T01:00"]
    assert moved["sample_count"].values[:, 0].tolist() == [1, 3]
    left = read_csv(tmp_path, SPRING, time=local(ambiguous=ambiguous, nonexistent="missing"), cadence="30min")
    assert times(left) == ["2024-03-31T00:30", "2024-03-31T01:00"]
    assert left["power_output"].values[:, 0].tolist() == [1, 4]
    assert left.attrs["untimed_rows"] == 2
    with pytest.raises(InputError, match=r"x.csv:3: column t: the time does not exist") as caught:
        read_csv(tmp_path, SPRING, time=local(ambiguous=ambiguous))
    assert "nonexistent: shift_forward or missing" in str(caught.value)


def test_a_time_that_cannot_be_read_is_never_left_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.csv:6: column t: the time cannot be read"):
        read_csv(tmp_path, SPRING + "soon,5\n", time=local(ambiguous="missing", nonexistent="missing"))


def test_local_times_in_parquet(tmp_path: Path) -> None:
    """Typed times, in a file of which polars reads no more than it must."""
    table = pl.read_csv(AUTUMN.encode()).with_columns(pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M"))
    table.write_parquet(tmp_path / "x.parquet")
    keys = {"path": "x.parquet", "asset": {"column": "a"}, "columns": {"p": "power_output"}, "cadence": "30min"}
    data = make("parquet", tmp_path, **keys, time=local(ambiguous="infer")).read(selection(assets="T2"))
    assert data["power_output"].values[:, 0].tolist() == [11, 12, 13, 14, 15, 16]


@pytest.mark.parametrize("span", [{}, {"time": slice("2024-01-01", "2024-01-02")}])
def test_a_time_that_cannot_be_read(tmp_path: Path, span: dict[str, Any]) -> None:
    """Also where a span of time is asked for: what cannot be read is not taken for outside of it."""
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, "t,p\n2024-01-01T00:00:00Z,1\n2024-01-01 25:00,2\n", select=span)
    assert str(caught.value) == (
        f"{tmp_path}/x.csv:3: column t: the time cannot be read\n"
        "  found:    '2024-01-01 25:00'\n"
        "  expected: ISO 8601 like the rows before it"
    )


def test_an_empty_time(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.csv:3: column t: the time cannot be read"):
        read_csv(tmp_path, "t,p\n2024-01-01T00:00:00Z,1\n,2\n")


def test_no_iso_time_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an ISO 8601 time"):
        read_csv(tmp_path, "t,p\n1.2.2024,1\n")


def test_a_wrong_year_does_not_fill_memory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="far more slots than there are samples"):
        read_csv(tmp_path, "t,p\n1970-01-01T00:00:00Z,1\n2024-01-01T00:00:00Z,2\n", cadence="1s")


def test_label_end_needs_a_cadence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="label: end needs a cadence"):
        read_csv(tmp_path, "t,p\n2024-01-01T00:00Z,1\n", time={"column": "t", "label": "end"}, cadence=None)


# -- slots, duplicates ----------------------------------------------------------------------------------


def test_slots_and_duplicates(tmp_path: Path) -> None:
    text = (
        "t,p\n2024-01-01T00:00:00Z,1\n2024-01-01T00:04:00Z,2\n"  # two in one slot: folded, the last wins
        "2024-01-01T00:10:00Z,3\n2024-01-01T00:10:00Z,4\n"  # the same stamp, another value
        "2024-01-01T00:30:00Z,5\n2024-01-01T00:30:00Z,5\n"  # the same twice
    )
    data = read_csv(tmp_path, text)
    np.testing.assert_array_equal(data["power_output"].values[:, 0], [2, 4, np.nan, 5])
    assert data["sample_count"].values[:, 0].tolist() == [2, 2, 0, 2]
    assert data["power_output_quality"].values[:, 0].tolist() == [0, int(Quality.DUPLICATE), 0, 0]
    assert {k: data.attrs[k] for k in ("rows", "duplicate_rows", "folded_rows")} == {
        "rows": 6,
        "duplicate_rows": 2,
        "folded_rows": 1,
    }


def test_a_missing_value_against_a_value_is_a_contradiction(tmp_path: Path) -> None:
    data = read_csv(tmp_path, "t,p\n2024-01-01T00:00:00Z,\n2024-01-01T00:00:00Z,4\n")
    assert count_flags(data) == {"power_output": {"duplicate": 1}}


def test_without_cadence_the_times_stay(tmp_path: Path) -> None:
    data = read_csv(tmp_path, "t,p\n2024-01-01T00:07:00Z,2\n2024-01-01T00:01:00Z,1\n", cadence=None)
    assert times(data) == ["2024-01-01T00:01", "2024-01-01T00:07"]
    assert data["power_output"].values[:, 0].tolist() == [1, 2]


# -- values ---------------------------------------------------------------------------------------------


def test_units_scale_and_own_variables(tmp_path: Path) -> None:
    text = "t,p,temp,mood\n2024-01-01T00:00:00Z,1.5,50,7\n"
    columns = {
        "p": {"variable": "power_output", "units": "MW"},
        "temp": {"variable": "temperature", "units": "degF"},
        "mood": {"variable": "mood", "units": "1", "own": True, "scale": 10, "offset": 1, "long_name": "Mood"},
    }
    data = read_csv(tmp_path, text, columns=columns)
    assert data["power_output"].item() == 1500
    assert data["temperature"].item() == pytest.approx(10)
    assert data["mood"].item() == 71
    assert data["mood"].attrs == {"long_name": "Mood", "units": "1"}
    assert data["mood"].dtype == "f8"


def test_states(tmp_path: Path) -> None:
    text = "t,s\n2024-01-01T00:00Z,RUN\n2024-01-01T00:10Z,odd\n2024-01-01T00:20Z,\n"
    columns = {"s": {"variable": "turbine_status", "states": {"RUN": "generating"}}}
    data = read_csv(tmp_path, text, columns=columns)
    generating = dict(
        zip(
            data["turbine_status"].attrs["flag_meanings"].split(),
            data["turbine_status"].attrs["flag_values"],
            strict=True,
        )
    )["generating"]
    np.testing.assert_array_equal(data["turbine_status"].values[:, 0], [generating, np.nan, np.nan])
    assert data["turbine_status_quality"].values[:, 0].tolist() == [0, int(Quality.INVALID), 0]


def test_states_by_name_or_code(tmp_path: Path) -> None:
    data = read_csv(
        tmp_path, "t,s\n2024-01-01T00:00Z,generating\n2024-01-01T00:10Z,2\n", columns={"s": "turbine_status"}
    )
    assert data["turbine_status"].values[0] == data["turbine_status"].values[1] == 2


def test_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, "t,p\n2024-01-01T00:00Z,1\n2024-01-01T00:10Z,n.a.\n")
    assert str(caught.value) == (
        f"{tmp_path}/x.csv:3: column p: not a number\n"
        "  found:    'n.a.'\n"
        "  hint:     name the file's words for a missing value in null_values"
    )
    data = read_csv(tmp_path, "t,p\n2024-01-01T00:00Z,1\n2024-01-01T00:10Z,n.a.\n", null_values=["n.a."])
    assert np.isnan(data["power_output"].values[1, 0])


@pytest.mark.parametrize("word", ["", "NaN", "nan", "NULL", "NA", "n/a"])
def test_usual_words_for_a_missing_value(tmp_path: Path, word: str) -> None:
    text = f"t,p,s\n2024-01-01T00:00Z,1,generating\n2024-01-01T00:10Z,{word},{word}\n"
    data = read_csv(tmp_path, text, columns={"p": "power_output", "s": "turbine_status"})
    np.testing.assert_array_equal(data["power_output"].values[:, 0], [1, np.nan])
    np.testing.assert_array_equal(data["turbine_status"].values[:, 0], [2, np.nan])
    assert count_flags(data) == {}


def test_missing_column(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, "t,pow\n2024-01-01T00:00Z,1\n", columns={"powr": "power_output"})
    assert "the file has no column 'powr'\n  expected: one of t, pow\n  hint:     did you mean 'pow'?" in str(
        caught.value
    )


def test_a_row_without_asset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a row without asset"):
        read_csv(tmp_path, "t,a,p\n2024-01-01T00:00Z,A,1\n2024-01-01T00:00Z,,1\n", asset={"column": "a"})


def test_dialects(tmp_path: Path) -> None:
    text = "made by X\n# a comment\nt;p\n2024-01-01T00:00Z;1,5\n"
    data = read_csv(tmp_path, text, separator=";", decimal_comma=True, skip_rows=1, comment="#")
    assert data["power_output"].item() == 1.5


# -- assets ---------------------------------------------------------------------------------------------

TWO = "t,a,p\n2024-01-01T00:00Z,b,1\n2024-01-01T00:10Z,a,2\n"


def test_assets_in_the_order_asked_for(tmp_path: Path) -> None:
    asset = {"column": "a", "names": {"a": "T1", "b": "T2"}}
    assert list(read_csv(tmp_path, TWO, asset=asset)["asset"].values) == ["T1", "T2"]
    data = read_csv(tmp_path, TWO, asset=asset, select={"assets": ["T2", "T1"]})
    assert list(data["asset"].values) == ["T2", "T1"]
    np.testing.assert_array_equal(data["power_output"].values, [[1, np.nan], [np.nan, 2]])


def test_an_asset_without_rows_in_the_span_is_there_and_empty(tmp_path: Path) -> None:
    span = slice("2024-01-01T00:10", None)
    data = read_csv(tmp_path, TWO, asset={"column": "a"}, select={"time": span, "assets": ["b", "a"]})
    np.testing.assert_array_equal(data["power_output"].values, [[np.nan, 2]])
    with pytest.raises(InputError, match=r"no asset 'c' in test.entry\n  expected: one of a, b"):
        read_csv(tmp_path, TWO, asset={"column": "a"}, select={"time": span, "assets": "c"})


# -- files ----------------------------------------------------------------------------------------------


def test_patterns_gzip_and_archives(tmp_path: Path) -> None:
    (tmp_path / "a-1.csv").write_text("t,p\n2024-01-01T00:00Z,1\n")
    (tmp_path / "a-2.csv").write_text("p,t\n2,2024-01-01T00:10Z\n")  # another order of columns
    columns = {"p": "power_output"}
    data = make("csv", tmp_path, path="a-*.csv", columns=columns).read(selection())
    assert data["power_output"].values[:, 0].tolist() == [1, 2]
    assert data.attrs["files"] == ["a-1.csv", "a-2.csv"]
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("t,p\n2024-01-01T00:00Z,3\n")
    assert make("csv", tmp_path, path="b.csv.gz", columns=columns).read(selection())["power_output"].item() == 3
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside/c.csv", "t,p\n2024-01-01T00:00Z,4\n")
    found = make("csv", tmp_path, path="c.zip", member="inside/c.csv", columns=columns)
    assert found.read(selection())["power_output"].item() == 4
    with pytest.raises(InputError, match=r"no 'c\.csv' in the archive\n  expected: one of inside/c\.csv"):
        make("csv", tmp_path, path="c.zip", member="c.csv", columns=columns).read(selection())
    with pytest.raises(InputError, match="not a zip archive"):
        make("csv", tmp_path, path="a-1.csv", member="c.csv", columns=columns).read(selection())


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_parquet(tmp_path: Path, unit: Any, zone: str | None) -> None:
    stamps = pl.Series("t", ["2024-01-01T00:00", "2024-01-01T00:10"]).str.to_datetime(time_unit=unit)
    if zone is not None:
        stamps = stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    frame = pl.DataFrame({"t": stamps, "a": ["x", "x"], "p": [1.5, None], "more": [1, 2]})
    frame.write_parquet(tmp_path / "x.parquet")
    found = make(
        "parquet",
        tmp_path,
        path="x.parquet",
        asset={"column": "a"},
        columns={"p": {"variable": "power_output", "units": "MW"}},
    )
    data = found.read(selection())
    assert times(data) == ["2024-01-01T00:00", "2024-01-01T00:10"]
    np.testing.assert_array_equal(data["power_output"].values[:, 0], [1500, np.nan])
    assert times(found.read(selection("2024-01-01T00:10/2024-01-01T00:20"))) == ["2024-01-01T00:10"]


def test_parquet_errors(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(InputError, match="not a Parquet file"):
        make("parquet", tmp_path, path="x.parquet", columns={"p": "power_output"}).read(selection())
    pl.DataFrame({"t": [1, 2], "p": [1.0, 2.0]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="column 't' holds Int64, not times"):
        make("parquet", tmp_path, path="x.parquet", columns={"p": "power_output"}).read(selection())
    stamps = pl.Series("t", [0, None], dtype=pl.Datetime("us"))
    pl.DataFrame({"t": stamps, "p": [1.0, 2.0]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="column t, row 2: the time cannot be read"):
        make("parquet", tmp_path, path="x.parquet", columns={"p": "power_output"}).read(selection())


def test_ndjson(tmp_path: Path) -> None:
    lines = [
        '{"t": "2024-01-01T00:00:00Z", "wind": {"speed": 5.5, "state": "generating"}, "id": "A"}',
        '{"t": "2024-01-01T00:10:00Z", "wind": {"speed": 6}, "id": "A"}',
    ]
    (tmp_path / "x.ndjson").write_text("\n".join(lines))
    columns = {"wind.speed": "wind_speed", "wind.state": "turbine_status"}
    found = make("ndjson", tmp_path, path="x.ndjson", asset={"column": "id"}, columns=columns)
    data = found.read(selection())
    assert data["wind_speed"].values[:, 0].tolist() == [5.5, 6]
    np.testing.assert_array_equal(data["turbine_status"].values[:, 0], [2, np.nan])
    (tmp_path / "x.ndjson").write_text(lines[0] + "\n{broken\n")
    with pytest.raises(InputError, match=r"x.ndjson:2: test.entry: not JSON"):
        found.read(selection())
    (tmp_path / "x.ndjson").write_text(lines[0].replace("speed", "sped"))
    with pytest.raises(InputError, match=r"no column 'wind\.speed'"):
        found.read(selection())


def test_config_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="one of path and url is needed"):
        make("csv", tmp_path, columns={"p": "power_output"})
    with pytest.raises(ValidationError, match="exactly one of column and id"):
        make("csv", tmp_path, path="x", asset={"column": "a", "id": "b"}, columns={"p": "power_output"})


def test_attributes_are_those_of_the_kind_of_asset(tmp_path: Path) -> None:
    columns = {"p": "active_power"}
    assert (
        read_csv(tmp_path, f"t,p\n{TEN_MINUTES},1\n", columns=columns)["active_power"].attrs["iec61400_25"] == "WGEN.W"
    )
    meter = read_csv(tmp_path, f"t,p\n{TEN_MINUTES},1\n", columns=columns, asset_type="grid_meter")
    assert meter["active_power"].attrs["iec61400_25"] == "MMXU.TotW"
    meter.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    keys = {"path": "x.nc", "time": "time", "asset": "asset", "columns": {"active_power": "active_power"}}
    assert make("netcdf", tmp_path, **keys).read(selection())["active_power"].attrs["iec61400_25"] == "WGEN.W"
