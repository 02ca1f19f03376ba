from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.display.live import Live
from workbench.display.page import Page, Part, difference
from workbench.project import Project

LINES = st.lists(st.text(st.characters(exclude_characters="\n"), max_size=5), max_size=12)


def receive(has: list[str] | None, change: dict | None) -> list[str] | None:
    """What the browser does with news."""
    if change is None:
        return has
    if "all" in change:
        return change["all"].split("\n")
    assert has is not None
    assert len(has) == change["count"]
    has = list(has)
    for at, line in change["lines"]:
        has[at] = line
    return has


@given(st.one_of(st.none(), LINES.filter(bool)), LINES.filter(bool))
def test_the_browser_ends_up_with_the_new_lines(old, new):
    assert receive(old, difference(old, new)) == new


@given(LINES.filter(bool))
def test_nothing_is_sent_when_nothing_changed(lines):
    assert difference(lines, list(lines)) is None


def test_only_the_changed_lines_are_sent():
    assert difference(["a", "b", "c"], ["a", "x", "c"]) == {"count": 3, "lines": [(1, "x")]}


def test_a_part_that_was_replaced_is_not_rendered_any_more(checkout, tmp_path):
    live = Live(Project(checkout), tmp_path)
    page = Page("Asset", live)
    page.row(Part("tag", lambda _: "first", about=("first",)), Part("other", lambda _: "other"))
    for _, *items in page._rows:
        for item in items:
            page._item(None, item)
    for name in ("second", "third", "third"):
        page.replace("tag", Part("tag", lambda _, name=name: name, about=(name,)))
        assert live.statistics()["parts"] == 2
    assert set(live._parts) == {("tag", "third"), ("other",)}
    page._gone(None)
    assert live.statistics()["parts"] == 0
    live.stop()
