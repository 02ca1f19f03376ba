"""A small project: one site, two turbines, a catalog to write into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SITE = """\
id: hill
name: The Hill
kind: wind
timezone: Europe/Paris
latitude: 48.0
longitude: 5.0
elevation: 300
grid_frequency_nominal: 50
capacity: 4000
assets:
  - {id: T1, type: wind_turbine, rated_capacity: 2000, latitude: 48.01, longitude: 5.01}
  - {id: T2, type: wind_turbine, rated_capacity: 2000}
  - {id: MAST, type: met_mast}
"""

SCADA = """\
turbine,when,power_kW,wind
WT-1,2024-01-01T00:00:00Z,100.5,5.0
WT-2,2024-01-01T00:00:00Z,200.5,6.0
WT-1,2024-01-01T00:10:00Z,110.5,5.1
WT-1,2024-01-01T00:30:00Z,130.5,5.3
WT-2,2024-01-01T00:30:00Z,230.5,6.3
"""

CATALOG = """\
site: hill
description: One hill
entries:
  scada:
    driver: csv
    description: Ten-minute means
    asset_type: wind_turbine
    cadence: 10min
    path: data/scada.csv
    time: when
    asset: {column: turbine, names: {WT-1: T1, WT-2: T2}}
    columns:
      power_kW: power_output
      wind: wind_speed
"""

TAGS = """\
protocol: modbus
tags:
  power_output: {register: 0, type: uint16}
  wind_speed: {register: 1, type: uint16, scale: 0.01}
"""

LIVE = """\
site: hill
entries:
  live:
    driver: modbus
    description: Turbines
    asset_type: wind_turbine
    cadence: 1s
    tags: tags/wtg.yaml
    host: 127.0.0.1:1502
    assets: {T1: 1, T2: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The catalogs folder of a small project."""
    catalogs = tmp_path / "catalogs"
    (catalogs / "portfolio").mkdir(parents=True)
    (catalogs / "tags").mkdir()
    (catalogs / "data").mkdir()
    (catalogs / "portfolio" / "hill.yaml").write_text(SITE)
    (catalogs / "data" / "scada.csv").write_text(SCADA)
    (catalogs / "hill.yaml").write_text(CATALOG)
    (catalogs / "tags" / "wtg.yaml").write_text(TAGS)
    return catalogs


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """``write(old, new)``: the catalog with one text replaced; ``write(text=…)``: another catalog."""

    def change(old: str = "", new: str = "", *, text: str = CATALOG, name: str = "hill.yaml") -> Path:
        assert not old or old in text
        (folder / name).write_text(text.replace(old, new) if old else text)
        return folder

    return change
