"""Two entries that measure the same are told: one would overwrite the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.catalog import open_catalog
from workbench.model.errors import InputErrors

from .conftest import LIVE, TAGS


def write(folder: Path, entry: str, tags: str = TAGS) -> Path:
    (folder / "live.yaml").write_text(LIVE)
    (folder / "tags" / "other.yaml").write_text(tags)
    (folder / "other.yaml").write_text(entry.replace("  live:", "  other:").replace("tags/wtg", "tags/other"))
    return folder


def told(folder: Path) -> list[str]:
    return [str(error).replace(f"{folder}/", "") for error in open_catalog(folder).check()]


def test_the_same_tags_of_the_same_assets(folder: Path) -> None:
    (error,) = told(write(folder, LIVE))
    assert "other.yaml" in error
    assert "of T1 comes from hill.live too" in error
    with pytest.raises(InputErrors, match="comes from"):
        open_catalog(folder).sources()


@pytest.mark.parametrize("cadence", ["5s", "10min"])
def test_another_cadence_falls_on_the_statistics(folder: Path, cadence: str) -> None:
    (error,) = told(write(folder, LIVE.replace("cadence: 1s", f"cadence: {cadence}")))
    assert "would stand twice in wind_turbine/10min" in error
    assert "entries.other.cadence" in error


@pytest.mark.parametrize(
    ("entry", "tags"),
    [
        (LIVE.replace("{T1: 1, T2: 2}", "{T3: 3}").replace("cadence: 1s", "cadence: 5s"), TAGS),
        (LIVE.replace("cadence: 1s", "cadence: 1h"), TAGS),
        (LIVE.replace("cadence: 1s", "cadence: 5s"), "protocol: modbus\ntags:\n  nacelle_position: {register: 900}\n"),
    ],
    ids=["other assets", "no statistics of an hour", "other tags"],
)
def test_what_does_not_clash(folder: Path, entry: str, tags: str) -> None:
    assert [error for error in told(write(folder, entry, tags)) if "comes from" in error] == []
