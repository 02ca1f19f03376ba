"""``workbench catalog`` and ``workbench ingest`` as their user meets them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

DATA = Path(__file__).parent.parent / "model" / "data"


def test_list(process) -> None:
    done = process("catalog", "list")
    assert done.returncode == 0, done.stderr
    for name in ("north_ridge.scada", "la_haute_borne.scada", "files.csv"):
        assert name in done.stdout
    live = process("catalog", "list", "--kind", "live").stdout
    assert "north_ridge.scada" in live
    assert "files.csv" not in live
    wrong = process("catalog", "list", "--kind", "lively")
    assert wrong.returncode == 2
    assert "did you mean 'live'?" in wrong.stderr


def test_show(process) -> None:
    done = process("catalog", "show", "files.csv")
    assert done.returncode == 0, done.stderr
    assert "weather.csv" in done.stdout
    assert "barometric_pressure  hPa" in done.stdout
    wrong = process("catalog", "show", "files.cvs")
    assert wrong.returncode == 2
    assert "did you mean 'files.csv'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_read(process, tmp_path: Path) -> None:
    done = process(
        "catalog",
        "read",
        "files.csv",
        "--out",
        "x.parquet",
        "--start",
        "2024-06-21",
        "--variables",
        "temperature, wind_speed",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("x.parquet: 24 times × 1 asset, ")
    table = pl.read_parquet(tmp_path / "x.parquet")
    assert len(table) == 24
    assert "wind_direction" not in table.columns
    again = process("catalog", "read", "files.csv", "--out", "x.parquet")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert process("catalog", "read", "files.csv", "--out", "y.nc", "--start", "whenever").returncode == 2
    assert not (tmp_path / "y.nc").exists()


def test_check(process, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("entries:\n  x:\n    driver: cvs\n  y:\n    driver: csv\n    pth: a\n")
    done = process("catalog", "check", "--catalog", "c.yaml")
    assert done.returncode == 2
    assert "c.yaml:3: entries.x.driver: unknown driver 'cvs'" in done.stderr
    assert "c.yaml:6: entries.y.pth: unknown key 'pth'" in done.stderr
    (tmp_path / "c.yaml").write_text("entries: {}\n")
    well = process("catalog", "check", "--catalog", "c.yaml")
    assert (well.returncode, well.stdout) == (0, f"{tmp_path}/c.yaml: 0 entries, all well\n")


BRACKETS = """\
entries:
  odd:
    driver: csv
    description: "Speed in [furlong] per [bold]fortnight[/bold]"
    asset_type: wind_turbine
    path: "[red]x.csv"
    time: t
    asset: T1
    columns: {v: {variable: speed, units: "1", own: true, long_name: x}}
"""


def test_brackets_are_shown_as_they_are(process, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(BRACKETS)
    listed = process("catalog", "list", "--catalog", "c.yaml").stdout
    assert "Speed in [furlong] per [bold]fortnight[/bold]" in listed
    shown = process("catalog", "show", "c.odd", "--catalog", "c.yaml").stdout
    assert "Speed in [furlong] per [bold]fortnight[/bold]" in shown
    assert "[red]x.csv" in shown
    (tmp_path / "m.json").write_text(
        '{"turbine_id": "A", "farm_id": "F", "timestamp": "2025-01-01T00:00Z", "sag": 1, "sag_unit": "furlong"}'
    )
    assert "sag [furlong]" in process("ingest", "m.json", "--store", "s").stdout


def test_run_replaces_a_file_only_when_told(process, tmp_path: Path, checkout: Path) -> None:
    spec = checkout / "catalogs" / "pipelines" / "scada_quality.yaml"
    words = ("run", spec, "--input", "files.csv", "--start", "2024-06-21")
    done = process(*words, "--out", "x.nc")
    assert done.returncode == 0, done.stderr
    again = process(*words, "--output", "x.nc")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert process(*words, "--output", "x.nc", "--overwrite").returncode == 0


def test_every_command_has_an_example(process) -> None:
    for words in (["catalog", "list"], ["catalog", "show"], ["catalog", "read"], ["catalog", "check"], ["ingest"]):
        done = process(*words, "--help")
        assert done.returncode == 0
        assert "Example: " in done.stdout
        assert "workbench " + " ".join(words) in done.stdout


def test_ingest(process, tmp_path: Path) -> None:
    samples = sorted(DATA.glob("0[12]-*.json"))
    done = process("ingest", *samples, "--store", "s")
    assert done.returncode == 0, done.stderr
    assert "1 wind_turbine, 1 inverter, 2 string, 2 mppt" in done.stdout
    assert (tmp_path / "s" / "wind_farm_01" / "journal.sqlite").exists()
    assert "2 (2 taken in before)" in process("ingest", *samples, "--store", "s").stdout
    (tmp_path / "odd.json").write_text(
        '{"turbine_id": "A", "farm_id": "F", "timestamp": "2025-01-01T00:00Z", "turbine_status": "odd"}'
    )
    assert process("ingest", "odd.json").returncode == 1  # done, but something is wrong with the data
    (tmp_path / "bad.ndjson").write_text('{"turbine_id": "A"}\n')
    bad = process("ingest", "bad.ndjson")
    assert bad.returncode == 2
    assert "bad.ndjson:1: the message has no time" in bad.stderr
