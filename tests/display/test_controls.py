"""Sliders and switches, and that of many changes the newest is answered."""

from __future__ import annotations

from workbench.display import controls
from workbench.display.controls import Answers, Controls


def card() -> Controls:
    return Controls(
        "Settings",
        {
            "count": controls.steps("Count", {"1,000": 1000, "10,000": 10_000}, 1000),
            "width": controls.number("Width", 0.0, 2.0, 0.5, 1.0),
            "span": controls.between("Span", 1, 20, (5, 10)),
            "which": controls.several("Which", ["a", "b"]),
            "yes": controls.switch("Yes", value=False),
            "one": controls.choice("One", ["x", "y"], "y"),
            "whole": controls.whole("Whole", 1, 5, 2),
        },
    )


def test_a_card_tells_what_is_set():
    given = card()
    assert given.values == {
        "count": 1000,
        "width": 1.0,
        "span": (5, 10),
        "which": ["a", "b"],
        "yes": False,
        "one": "y",
        "whole": 2,
    }
    told = []
    given.watch(lambda: told.append(given.values["width"]))
    given.widgets["width"].value = 1.5
    assert told == [1.5]


class Later:
    """A page whose work is done when the test says."""

    def __init__(self) -> None:
        self.waiting = []

    def later(self, work, then):
        self.waiting.append((work, then))

    def do(self):
        work, then = self.waiting.pop(0)
        then(work())


def test_of_many_changes_the_newest_is_answered():
    page, wanted, shown = Later(), [1], []
    answers = Answers(page, lambda: wanted[0], lambda given: given * 10, shown.append)
    answers.ask()
    for value in (2, 3, 4):
        wanted[0] = value
        answers.ask()
    assert len(page.waiting) == 1
    page.do()
    assert shown == [10]
    page.do()
    assert shown == [10, 40]
    assert page.waiting == []


def test_a_setting_that_cannot_be_answered_does_not_end_it():
    page, wanted, shown = Later(), [0], []
    answers = Answers(page, lambda: wanted[0], lambda given: 10 // given, shown.append)
    answers.ask()
    page.do()
    assert shown == []
    wanted[0] = 2
    answers.ask()
    page.do()
    assert shown == [5]
