"""The page of the docs is made from the data, and is up to date."""

from __future__ import annotations

from workbench.model.vocabulary import vocabulary
from workbench.model.vocabulary_page import page, table


def test_the_page_of_the_docs_is_up_to_date(checkout):
    written = (checkout / "docs" / "vocabulary.md").read_text(encoding="utf-8")
    assert written == page(vocabulary()), "write it anew: workbench vocabulary page --out docs/vocabulary.md"


def test_every_name_is_on_the_page_once():
    text = page(vocabulary())
    for name in vocabulary():
        assert text.count(f"\n| `{name}` |") == 1


def test_a_row_has_as_many_cells_as_the_head():
    rows = table(vocabulary().values()).splitlines()
    assert {row.replace("\\|", "").count("|") for row in rows} == {9}


def test_states_are_listed_with_their_codes():
    assert "- `breaker_status`: 0 intermediate, 1 open, 2 closed" in page(vocabulary())
