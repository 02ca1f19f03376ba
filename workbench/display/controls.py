"""Sliders and switches of a page, in the workbench's look, and what happens when one is moved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import panel as pn

from workbench.display import theme

if TYPE_CHECKING:
    from workbench.display.page import Page

log = logging.getLogger(__name__)

Settings = TypeVar("Settings")
Answer = TypeVar("Answer")

_STYLE = f"""
:host, :host * {{ font-family: {theme.FONT}; }}
:host {{ font-size: 12.5px; color: {theme.TEXT}; }}
.noUi-target {{ background: {theme.LINE}; border: 0; box-shadow: none; height: 5px; }}
.noUi-connect {{ background: {theme.MEASURED}; }}
.noUi-handle {{ border: 1px solid {theme.MUTED}; box-shadow: none; background: {theme.RAISED}; }}
.noUi-handle:focus-visible {{ outline: 2px solid {theme.LINK}; outline-offset: 2px; }}
.bk-slider-title {{ color: {theme.TEXT}; font-size: 12.5px; }}
.bk-slider-value {{ color: {theme.INK}; font-weight: 550; }}
label {{ color: {theme.TEXT}; font-size: 12.5px; }}
select, .bk-input {{ font: 400 12.5px {theme.FONT}; color: {theme.INK}; background: {theme.RAISED};
  border: 1px solid {theme.LINE}; border-radius: 3px; }}
"""


class Controls:
    """A card of widgets.

    Parameters
    ----------
    title, note
        Of the card.
    widgets
        By name; see the functions below.
    span
        Width in twelfths.
    paired
        Whether those after the first stand two beside each other.
    """

    narrow = 12
    legend: Sequence[tuple[str, str, str]] = ()

    def __init__(
        self, title: str, widgets: Mapping[str, Any], *, note: str = "", span: int = 3, paired: bool = False
    ) -> None:
        self.title, self.note, self.span = title, note, span
        self.widgets = dict(widgets)
        shown = list(self.widgets.values())
        if paired:
            pairs = [shown[at : at + 2] for at in range(1, len(shown), 2)]
            shown = [shown[0], *(pn.Row(*two, sizing_mode="stretch_width", margin=0) for two in pairs)]
        self.panel = pn.Column(*shown, sizing_mode="stretch_width", margin=(2, 8, 6, 8))

    @property
    def values(self) -> dict[str, Any]:
        """What is set, by name."""
        return {name: widget.value for name, widget in self.widgets.items()}

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever one of the widgets has another value."""
        for widget in self.widgets.values():
            widget.param.watch(lambda _: changed(), "value")


class Answers(Generic[Settings, Answer]):
    """Works out an answer in another thread whenever the settings change; of many changes the newest counts.

    Parameters
    ----------
    page
        Whose document is locked while the answer is shown.
    settings
        Gives what is set now.
    work
        From settings to an answer; None while there is none yet.
    show
        Draws the answer.
    finer
        What takes seconds more, such as intervals: from an answer and whether it is still wanted to the whole of it, or
        None where there is nothing to add. Done when the answer is shown, and given up when the settings change.
    """

    def __init__(
        self,
        page: Page,
        settings: Callable[[], Settings],
        work: Callable[[Settings], Answer | None],
        show: Callable[[Answer], None],
        finer: Callable[[Answer, Callable[[], bool]], Answer | None] | None = None,
    ) -> None:
        self._page, self._settings, self._work, self._show, self._finer = page, settings, work, show, finer
        self._busy = self._again = False
        self._asked = 0

    def ask(self) -> None:
        """Work out the answer to what is set; where one is being worked out already, once more after it."""
        self._asked += 1
        if self._busy:
            self._again = True
            return
        self._busy = True
        wanted = self._settings()

        def work() -> Answer | None:
            try:
                return self._work(wanted)
            except Exception:
                # the next setting has to be answered all the same
                log.exception("no answer to %s", wanted)
                return None

        def done(found: Answer | None) -> None:
            self._busy = False
            if found is not None:
                self._show(found)
            if self._again:
                self._again = False
                self.ask()
            elif found is not None and self._finer is not None:
                self._refine(found, self._finer)

        self._page.later(work, done)

    def _refine(self, found: Answer, finer: Callable[[Answer, Callable[[], bool]], Answer | None]) -> None:
        asked = self._asked

        def current() -> bool:
            return asked == self._asked and self._page.open

        def wanted() -> bool:
            self._page.give_way()  # in the other thread: this one would stand still
            return current()

        def work() -> Answer | None:
            return finer(found, wanted) if wanted() else None

        def done(whole: Answer | None) -> None:
            if whole is not None and current():
                self._show(whole)

        self._page.later(work, done, slow=True)


def _made(kind: str, label: str, **given: Any) -> Any:
    look = {"label": label, "sizing_mode": "stretch_width", "margin": (4, 2, 6, 2), "stylesheets": [_STYLE]}
    return getattr(pn.widgets, kind)(**look, **given)


def steps(label: str, options: Mapping[str, Any], value: Any) -> Any:
    """A slider over a few values, each with its words."""
    return _made("DiscreteSlider", label, options=dict(options), value=value)


def number(label: str, low: float, high: float, step: float, value: float, *, form: str = "0.0") -> Any:
    """A slider over numbers."""
    return _made("FloatSlider", label, start=low, end=high, step=step, value=value, format=form)


def whole(label: str, low: int, high: int, value: int) -> Any:
    """A slider over whole numbers."""
    return _made("IntSlider", label, start=low, end=high, value=value, format="0")


def between(label: str, low: int, high: int, value: tuple[int, int]) -> Any:
    """A slider with two ends."""
    return _made("IntRangeSlider", label, start=low, end=high, value=value, format="0")


def amount(label: str, value: float, *, step: float = 0.1, low: float = 0.0, high: float | None = None) -> Any:
    """A number that is typed."""
    return _made("FloatInput", label, value=value, step=step, start=low, end=high, format="0.[00]")


def choice(label: str, options: Sequence[str], value: str) -> Any:
    """One of several."""
    return _made("Select", label, options=list(options), value=value)


def several(label: str, options: Sequence[str]) -> Any:
    """Some of several, all of them at first."""
    return _made("CheckBoxGroup", label, options=list(options), value=list(options), inline=True)


def switch(label: str, *, value: bool) -> Any:
    """Yes or no."""
    return _made("Checkbox", label, value=value)
