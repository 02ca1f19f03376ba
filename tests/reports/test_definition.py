from __future__ import annotations

from pathlib import Path

import pytest

from workbench.model.errors import InputError
from workbench.reports.definition import find_report, load_definition, load_reports, notebook_parameters


def test_the_reports_that_ship_are_right(checkout: Path):
    reports = load_reports(checkout / "reports")
    assert set(reports) == {"battery_health", "daily_operations", "solar_performance", "wind_farm", "wind_performance"}
    farm = reports["wind_farm"]
    assert farm.parameters["sectors"].choices == [8, 12, 16, 36]
    assert farm.schedule.period == "last-month"
    assert farm.recipients


def test_every_parameter_of_a_shipped_notebook_says_what_it_is(checkout: Path):
    import json

    for path in (checkout / "reports").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        (tagged,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        for line in "".join(tagged["source"]).splitlines():
            assert "  # " in line, f"{path.name}: {line}"
        assert not any(cell.get("outputs") for cell in cells), f"{path.name} is stored without outputs"


def test_papermill_reads_the_same_parameters(checkout: Path):
    import papermill

    for path in (checkout / "reports").glob("*.ipynb"):
        seen = papermill.inspect_notebook(str(path))
        ours = notebook_parameters(path)
        assert {name: one["inferred_type_name"] for name, one in seen.items()} == {
            n: kind for n, (kind, _) in ours.items()
        }
        assert all(one["help"] for one in seen.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("count: {{type: int", "count: {{type: float"), "declares the parameter otherwise"),
        (("default: 3", "default: 4"), "declares the parameter otherwise"),
        (("default: 3", "default: 12"), "more than 9"),
        (
            ("  kind: {{type: str, default: short, choices: [short, long], description: Which}}\n", ""),
            "not in the definition",
        ),
        (("notebook: {name}.ipynb", "notebook: other.ipynb"), "no such notebook"),
        (("recipients:", "recipient:"), "unknown key 'recipient'"),
        (('cron: "0 6 * * *"', 'cron: "0 6"'), "five fields"),
        (("title: A small report\n", ""), "'title' is missing"),
        (("outputs: [notebook,", "outputs: [notebok,"), "'notebook', 'html'"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(workshop, change, message):
    assert change[0] in workshop.definition
    workshop.write("small", definition=workshop.definition.replace(*change))
    with pytest.raises(InputError) as error:
        load_definition(workshop.project.reports / "small.yaml")
    assert message in str(error.value)
    assert "small.yaml:" in str(error.value)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("count = 3", "needs a type"),
        ("count: int = len('abc')", "plain type and a default"),
        ("count: list = []", "plain type and a default"),
        ("count: int = 'three'", "plain type and a default"),
    ],
)
def test_a_notebook_whose_parameters_are_not_typed(workshop, cell, message):
    workshop.write("small", parameters=cell)
    with pytest.raises(InputError, match=message):
        notebook_parameters(workshop.project.reports / "small.ipynb")


def test_a_notebook_without_the_cell(workshop, tmp_path: Path):
    (tmp_path / "plain.ipynb").write_text('{"cells": []}')
    with pytest.raises(InputError, match="tagged 'parameters'"):
        notebook_parameters(tmp_path / "plain.ipynb")
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(InputError, match="not a notebook"):
        notebook_parameters(tmp_path / "broken.ipynb")


def test_parameters_are_converted_and_checked(workshop):
    workshop.write("small")
    report = find_report(workshop.project.reports, "small")
    assert report.check({"count": "5"}) == {"site": "coastal_flats", "count": 5, "kind": "short"}
    for given, message in (
        ({"cuont": 1}, "did you mean 'count'"),
        ({"count": "many"}, "not a whole number"),
        ({"count": "2.5"}, "not a whole number"),
        ({"count": 0}, "less than 1"),
        ({"kind": "shrot"}, "did you mean 'short'"),
        ({"count": True}, "not a value of type int"),
    ):
        with pytest.raises(InputError, match=message):
            report.check(given)


def test_an_unknown_report_names_the_nearest(checkout: Path):
    with pytest.raises(InputError, match="did you mean 'wind_farm'"):
        find_report(checkout / "reports", "windfarm")
