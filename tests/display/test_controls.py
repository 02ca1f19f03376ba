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

    open = True

    def __init__(self) -> None:
        self.waiting, self.slow = [], []

    def later(self, work, then, *, slow=False):
        (self.slow if slow else self.waiting).append((work, then))

    def give_way(self):
        pass

    def do(self, *, slow=False):
        work, then = (self.slow if slow else self.waiting).pop(0)
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


def refined(page, wanted, shown, asked):
    def finer(found, still):
        asked.append((found, still()))
        return found + 1

    return Answers(page, lambda: wanted[0], lambda given: given * 10, shown.append, finer)


def test_what_takes_long_follows_the_answer():
    page, shown, asked = Later(), [], []
    answers = refined(page, [1], shown, asked)
    answers.ask()
    page.do()
    assert shown == [10]
    page.do(slow=True)
    assert (shown, asked) == ([10, 11], [(10, True)])


def test_what_takes_long_is_given_up_for_another_setting_or_a_closed_page():
    page, wanted, shown, asked = Later(), [1], [], []
    answers = refined(page, wanted, shown, asked)
    answers.ask()
    page.do()
    wanted[0] = 2
    answers.ask()
    page.do(slow=True)  # for the first setting
    assert asked == []
    page.do()
    page.open = False
    page.do(slow=True)
    assert asked == []
    assert shown == [10, 20]


def test_what_is_found_too_late_is_not_shown():
    page, wanted, shown = Later(), [1], []
    answers = refined(page, wanted, shown, [])
    answers.ask()
    page.do()
    work, then = page.slow.pop()
    found = work()
    wanted[0] = 2
    answers.ask()
    then(found)
    assert shown == [10]


def test_no_answer_yet_is_not_shown():
    page, shown = Later(), []
    Answers(page, lambda: 1, lambda _: None, shown.append, lambda found, _: found).ask()
    page.do()
    assert (shown, page.slow) == ([], [])


def test_numbers_stand_two_beside_each_other():
    widgets = {name: controls.amount(name, 1.0) for name in ("whole", "one", "other", "last")}
    given = Controls("Losses", widgets, paired=True)
    assert [len(getattr(row, "objects", [row])) for row in given.panel] == [1, 2, 1]
    assert given.values == dict.fromkeys(widgets, 1.0)
