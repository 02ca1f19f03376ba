"""The table of categories: whole, readable, changed by a user, and what is wrong in one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.analytics.wind.availability import AVAILABLE, UNAVAILABLE
from workbench.analytics.wind.categories import CATEGORIES, CategoryTable
from workbench.model.errors import InputError
from workbench.model.vocabulary import vocabulary


def test_categories_are_those_of_the_vocabulary():
    assert set(CATEGORIES) == set(vocabulary()["availability_status"].states)
    assert {*AVAILABLE, *UNAVAILABLE} <= set(CATEGORIES)


def test_table_shows_every_category_with_its_place():
    frame = CategoryTable().frame()
    assert frame["category"].tolist() == list(CATEGORIES)
    assert frame.index.tolist() == list(range(1, len(CATEGORIES) + 1))
    assert frame.set_index("category").loc["grid_outage", "standard"] == "operative, out of service"


def test_a_user_changes_it_in_a_file(tmp_path: Path):
    path = tmp_path / "categories.yaml"
    path.write_text("first: [scheduled_maintenance, grid_outage]\nown: {bats: environmental_standby}\n")
    table = CategoryTable.load(path)
    assert table.priority[:3] == ("scheduled_maintenance", "grid_outage", "force_majeure")
    assert table.priority[-1] == "unknown"
    assert table.priority.index("bats") == table.priority.index("environmental_standby") - 1
    assert table.parent("bats") == "environmental_standby"
    assert CategoryTable.load(table.model_dump()) == table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("priority: [available]\n", "missing: .*forced_outage"),
        ("own: {bats: enviromental_standby}\n", "environmental_standby"),
        ("own: {available: unavailable}\n", "another name"),
        ("first: [forced_outge]\n", "forced_outage"),
        ("frist: [available]\n", "unknown key 'frist'"),
        ("first: [available]\npriority: [available]\n", "exclude each other"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, text: str, message: str):
    path = tmp_path / "categories.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"(?s)categories\.yaml.*{message}"):
        CategoryTable.load(path)
