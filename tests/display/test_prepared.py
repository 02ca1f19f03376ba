from __future__ import annotations

from collections.abc import Callable

import pytest

from workbench.display.prepared import Prepared
from workbench.model.errors import InputError


class Study(Prepared):
    def __init__(self, wrong: Exception | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.wrong, self.times = wrong, 0

    def _prepare(self, give_way: Callable[[], None]) -> None:
        self.times += 1
        give_way()
        if self.wrong:
            raise self.wrong


def test_it_is_done_once_and_gives_way():
    asked: list[int] = []
    study = Study()
    assert not study.ready
    study.prepare(lambda: asked.append(1))
    study.prepare(lambda: asked.append(2))
    assert (study.ready, study.times, asked, study.reason) == (True, 1, [1], "")


def test_what_has_a_reason_is_not_worked_out():
    study = Study(reason="no wind direction")
    study.prepare()
    assert (study.ready, study.times, study.reason) == (True, 0, "no wind direction")


@pytest.mark.parametrize(
    ("wrong", "told", "logged"),
    [(InputError("no months"), "no months", 0), (ZeroDivisionError(), "the log of the server", 1)],
)
def test_what_goes_wrong_is_the_reason(wrong, told, logged, caplog):
    study = Study(wrong)
    study.prepare()
    assert study.ready
    assert told in study.reason
    assert len(caplog.records) == logged
