from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.display.page import difference

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
