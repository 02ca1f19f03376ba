"""An Intake user can use our catalogs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import intake
import pytest
import xarray as xr
from intake.readers.entry import Catalog

from workbench.catalog import bridge, open_catalog
from workbench.model.errors import InputError


def test_entries_as_readers(folder: Path) -> None:
    catalog = open_catalog(folder).to_intake()
    assert isinstance(catalog, Catalog)
    assert list(catalog) == ["hill.scada"]
    reader = catalog["hill.scada"]
    assert isinstance(reader, intake.BaseReader)
    assert reader.output_instance == "xarray:Dataset"
    data = reader.read(time=slice("2024-01-01T00:10", None), variables="wind_speed")
    assert isinstance(data, xr.Dataset)
    assert data.sizes["time"] == 3
    xr.testing.assert_identical(catalog["hill.scada"].read(), open_catalog(folder)["hill.scada"].read())


def test_round_trip_through_intakes_own_yaml(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "intake.yaml"
    open_catalog(folder).to_intake().to_yaml_file(str(path))
    again = Catalog.from_yaml_file(str(path))
    xr.testing.assert_identical(again["hill.scada"].read(), open_catalog(folder)["hill.scada"].read())
    assert "scada.csv" not in path.read_text()  # only a reference, nothing of the configuration


def test_a_catalog_is_a_kind_of_data(folder: Path) -> None:
    data = bridge.WorkbenchCatalog(str(folder))
    reader = data.to_reader()
    assert isinstance(reader, bridge.CatalogReader)
    assert list(reader.read()) == ["hill.scada"]


def test_an_unknown_parameter_is_not_passed_over(folder: Path) -> None:
    reader = open_catalog(folder).to_intake()["hill.scada"]
    with pytest.raises(InputError) as caught:
        reader.read(variable=["wind_speed"])
    assert str(caught.value) == (
        "hill.scada: unknown parameter 'variable'\n"
        "  expected: one of time, assets, variables\n"
        "  hint:     did you mean 'variables'?"
    )
    with pytest.raises(InputError, match="unknown parameter 'rows'"):
        reader.discover(rows=3)


def test_discover_reads_no_values(folder: Path) -> None:
    reader = open_catalog(folder).to_intake()["hill.scada"]
    (folder / "data" / "scada.csv").unlink()
    assert reader.discover()["variables"] == {"power_output": "kW", "wind_speed": "m/s"}


def test_found_by_entry_point(folder: Path, tmp_path: Path, checkout: Path) -> None:
    """Once the package is installed, ``import intake`` alone knows our readers and opens what was written down."""
    path = tmp_path / "intake.yaml"
    open_catalog(folder).to_intake().to_yaml_file(str(path))
    installed = tmp_path / "site" / "operations_workbench_test-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: operations-workbench-test\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[intake.imports]\nworkbench = {bridge.ENTRY_POINT}\n")
    code = (
        "import sys, intake; from intake.readers.utils import subclasses;"
        f"assert {bridge.ENTRY_POINT.split(':')[0]!r} in sys.modules;"
        "print(*[c.__name__ for c in subclasses(intake.BaseReader)]);"
        f"print(intake.from_yaml_file({str(path)!r})['hill.scada'].read().sizes['time'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{installed.parent}"},
        capture_output=True,
        text=True,
        check=True,
    )
    names, times = run.stdout.splitlines()
    assert {"EntryReader", "CatalogReader"} <= set(names.split())
    assert times == "4"
    assert run.stderr == ""


def test_reading_says_nothing_of_its_own(folder: Path, checkout: Path) -> None:
    """However the two packages are imported: neither finds the other half made."""
    installed = folder.parent / "site" / "operations_workbench_test-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: operations-workbench-test\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[intake.imports]\nworkbench = {bridge.ENTRY_POINT}\n")
    code = f"import workbench; workbench.open_catalog({str(folder)!r})['hill.scada'].read()"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{installed.parent}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""


def test_the_package_declares_the_entry_point(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["intake.imports"]["workbench"] == bridge.ENTRY_POINT


def test_paths_with_braces_are_refused(folder: Path) -> None:
    odd = folder.parent / "{func(os:getcwd)}"
    folder.rename(odd)
    with pytest.raises(InputError, match="Intake would take the braces for a template"):
        open_catalog(odd).to_intake()
