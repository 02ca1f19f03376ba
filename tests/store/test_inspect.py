"""``workbench store info | verify | export`` and what stands behind them."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest
from typer.testing import CliRunner

from workbench.cli.store import app
from workbench.model.errors import InputError
from workbench.store import SiteStore
from workbench.store.commit import commit_chunks


@pytest.fixture
def root(site, batch, key):
    """Two sites with journal and store."""
    for store in (site, SiteStore(site.root, "flats")):
        for second in range(0, 7200, 600):
            # Noise, so that a chunk is a file of its own and not a few bytes inside a manifest.
            noise = np.random.default_rng(second).normal(0, 1, (300, 3))
            store.journal.append([batch(np.arange(second, second + 300), noise)])
        with store.view() as view:
            commit_chunks(store, {key: [view.series(key).tail[0].chunk]})
        store.close()
    return site.root


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_info(root):
    result = run("info", "--store", root)
    assert result.exit_code == 0
    assert "ridge: 5,400 values in the store" in result.output
    assert "flats" in result.output
    (one,) = json.loads(run("info", "ridge", "--store", root, "--json").output)
    assert one["site"] == "ridge"
    assert one["values"] == 5400
    assert one["journal_rows"] == 6
    assert one["journal_values"] == 5400
    assert 0 < one["bytes_per_value"] < 50
    assert one["series"][0]["assets"] == ["A"]


def test_verify_is_content_with_what_is_sound(root):
    result = run("verify", "--store", root)
    assert result.exit_code == 0
    assert result.output.splitlines() == ["flats: sound", "ridge: sound"]


def test_verify_names_a_damaged_journal_row(root):
    with sqlite3.connect(root / "ridge" / "journal.sqlite") as raw:
        raw.execute("UPDATE rows SET crc = crc + 1 WHERE seq = 9")
    result = run("verify", "--store", root)
    assert result.exit_code == 1
    assert "flats: sound" in result.output
    assert "row 9 of wind_turbine/1s does not match its checksum" in result.output


def test_verify_names_an_unreadable_chunk_and_other_sites_go_on(root, key):
    chunks = list((root / "flats" / "telemetry" / "chunks").iterdir())
    assert chunks
    for chunk in chunks:
        content = bytearray(chunk.read_bytes())
        content[: len(content) // 2] = bytes(len(content) // 2)
        chunk.write_bytes(content)
    result = run("verify", "--store", root)
    assert result.exit_code == 1
    assert "cannot be read" in result.output
    assert "ridge: sound" in result.output
    assert SiteStore(root, "ridge").open(key).sizes["time"] > 0


def test_verify_notices_a_lost_chunk(root):
    next((root / "flats" / "telemetry" / "chunks").iterdir()).unlink()
    result = run("verify", "flats", "--store", root)
    assert result.exit_code == 1
    assert "cannot be read" in result.output


def test_verify_notices_an_older_journal_put_in_place(root):
    with sqlite3.connect(root / "ridge" / "journal.sqlite") as raw:
        raw.execute("DELETE FROM rows WHERE seq > 3")
        raw.execute("UPDATE sqlite_sequence SET seq = 3")
    result = run("verify", "ridge", "--store", root)
    assert result.exit_code == 1
    assert "older copy of the journal" in result.output


def test_verify_notices_a_broken_database(root):
    path = root / "ridge" / "journal.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # whole pages in the WAL would heal the file
    raw.close()
    path.write_bytes(path.read_bytes()[:5000] + b"x" * 50_000)
    result = run("verify", "--store", root)
    assert result.exit_code == 1
    assert "ridge: 1 things wrong" in result.output
    assert "flats: sound" in result.output


def test_verify_notices_a_journal_that_has_gone(root):
    for path in (root / "ridge").glob("journal.sqlite*"):
        path.unlink()
    result = run("verify", "ridge", "--store", root)
    assert result.exit_code == 1
    assert "another journal" in result.output


def test_export(root, tmp_path):
    out = tmp_path / "x.parquet"
    result = run(
        "export",
        "ridge",
        "wind_turbine/1s",
        "--out",
        out,
        "--variables",
        "wind_speed, power_output",
        "--no-quality",
        "--store",
        root,
    )
    assert result.exit_code == 0
    import polars as pl

    assert pl.read_parquet(out).columns == ["time", "asset", "wind_speed", "power_output", "sample_count"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("info", "rigde"), "did you mean 'ridge'"),
        (("export", "ridge", "wind_turbine/2s", "--out", "x.nc"), "no series"),
        (("export", "ridge", "wind_turbine/1s", "--out", "x.xls"), "type of file"),
        (("export", "ridge", "wind_turbine/1s", "--out", "x.nc", "--start", "noon"), "not a time"),
    ],
)
def test_wrong_input_is_told(root, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        run(*words, "--store", root)


def test_no_store_is_told(tmp_path):
    with pytest.raises(InputError, match="no data in this store"):
        run("info", "--store", tmp_path / "nothing")
