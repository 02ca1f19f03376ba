"""``@step``: the registry of steps, nothing else.

A step is a function; its signature is its schema. The first argument is the data it works on, the
keyword-only arguments are its parameters. From the signature comes the model that checks a pipeline's
parameters, so that notebook, pipeline file and editor share one definition.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import logging
import os
import time
import typing
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from workbench.model.errors import InputError, did_you_mean

if typing.TYPE_CHECKING:
    from pydantic import BaseModel

F = TypeVar("F", bound=Callable[..., Any])

#: Modules that register steps when they are imported.
HOMES = ("workbench.transforms", "workbench.analytics.steps")
#: Packages of third parties name such modules in this entry-point group.
ENTRY_POINTS = "workbench.steps"

_steps: dict[str, Step] = {}
_effects: dict[str, Callable[..., Effect]] = {}
_remarks: ContextVar[list[str] | None] = ContextVar("remarks", default=None)

#: What hears how far the work is: what is done, all there is to do, and of what.
Listener = Callable[[int, int, str], None]
#: Names a file that says how far the work of this process is, for another that shows it.
PROGRESS_FILE = "WORKBENCH_PROGRESS_FILE"
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def remark(text: str) -> None:
    """Say what a step assumed or left out, for the one who reads the result; told once."""
    told = _remarks.get()
    if told is None:
        logging.getLogger("workbench.steps").info(text)
    elif text not in told:
        told.append(text)


@contextlib.contextmanager
def remarks() -> Iterator[list[str]]:
    """What steps remark inside the block, in order."""
    told: list[str] = []
    token = _remarks.set(told)
    try:
        yield told
    finally:
        _remarks.reset(token)


def progress(done: int, of: int, what: str = "") -> None:
    """Say how far a function is, for whoever listens; costs next to nothing where nobody does.

    A function calls it as often as it likes, ``done`` never falling and ``of`` at the end: what shows it decides how often it
    does. Threads of a pool and other processes do not hear who listens (as of every context variable), so that a function
    with workers of its own tells it from the thread that was called, as their results come.
    """
    listener = _listener.get() or _file_listener()
    if listener is not None:
        listener(done, of, what)


def teller(told: Callable[[int, int], None] | None, what: str = "") -> Callable[[int, int], None]:
    """``told``, the argument ``progress`` of a function; what goes to :func:`progress` where it is None."""
    return told if told is not None else lambda done, of: progress(done, of, what)


@contextlib.contextmanager
def progress_told(listener: Listener) -> Iterator[None]:
    """``listener`` hears how far the functions called in the block are."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextlib.contextmanager
def progress_part(
    number: int, of: int, what: str = "", *, told: Callable[[int, int], None] | None = None
) -> Iterator[None]:
    """The block is the part ``number`` (from 0) of ``of`` alike; what is told inside is told as a share of it.

    ``told`` is the argument ``progress`` of the function that consists of these parts.
    """
    if told is not None:
        explicit = told  # for the checker of types

        def outer(done: int, parts: int, _: str) -> None:
            explicit(done, parts)

        listener: Listener | None = outer
    else:
        listener = _listener.get() or _file_listener()
    if listener is None:
        yield
        return
    hears = listener

    def inner(done: int, parts: int, doing: str) -> None:
        hears(number * parts + done, of * parts, ", ".join(filter(None, (what, doing))))

    with progress_told(inner):
        yield
    hears(number + 1, of, what)


@functools.cache
def _file_listener() -> Listener | None:
    """Writes to the file that the environment names; None where it names none."""
    name = os.environ.get(PROGRESS_FILE)
    if not name:
        return None
    path, next_ = Path(name), 0.0

    def write(done: int, of: int, what: str) -> None:
        nonlocal next_
        now = time.monotonic()
        if now >= next_ or done >= of:
            next_ = now + 0.2
            with contextlib.suppress(OSError):  # nobody looks any more
                path.write_text(f"{done} {of} {what}\n", encoding="utf-8")

    return write


@dataclass(frozen=True)
class Effect:
    """What a step reads and gives, told from its parameters alone, before there is data."""

    reads: tuple[str, ...] = ()  #: fields of which those that are there are used; none at all is an error
    needs: tuple[str, ...] = ()  #: fields that must all be there
    adds: Mapping[str, str | None] = field(default_factory=dict)  #: fields it gives, and their units where known
    removes: tuple[str, ...] = ()
    before: int | None = 0  #: how far back a value of the result reaches [ns]; None: to the beginning
    after: int | None = 0  #: how far ahead
    lazy: bool = True  #: whether lazy data stay lazy
    every: bool = False  #: whether it works on whatever fields are there
    notes: tuple[str, ...] = ()  #: what it takes for granted


@dataclass(frozen=True)
class Step:
    """A registered step."""

    name: str  #: the ``type`` a pipeline file calls it by
    function: Callable[..., Any]

    @property
    def summary(self) -> str:
        """First line of its docstring, without its marks."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0].replace("``", "")

    @functools.cached_property
    def parameters(self) -> type[BaseModel]:
        """The model of its parameters; unknown ones are refused."""
        from pydantic import ConfigDict, create_model

        hints = typing.get_type_hints(self.function, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(self.function).parameters.values())[1:]:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hints.get(parameter.name, Any), default)
        model: type[BaseModel] = create_model(
            self.name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields
        )
        return model

    def effect(self, parameters: Mapping[str, Any], known: Mapping[str, str | None]) -> Effect | None:
        """What it reads and gives with checked ``parameters``; None for a step that does not declare it.

        ``known`` are the fields that are there, with their units, as far as one can tell.
        """
        tells = _effects.get(self.name)
        return None if tells is None else tells(known, **parameters)

    def check(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """``parameters`` converted to what the function takes; raises ``pydantic.ValidationError``."""
        model = self.parameters(**dict(parameters))
        return {name: getattr(model, name) for name in model.model_fields_set}

    def __call__(self, data: Any, **parameters: Any) -> Any:
        """Run it on ``data`` with checked parameters."""
        return self.function(data, **self.check(parameters))


def step(type_: str) -> Callable[[F], F]:
    """Register the decorated function as the step ``type_``; the function itself is unchanged."""

    def register(function: F) -> F:
        known = _steps.get(type_)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(f"step {type_!r} is registered twice: {known.function.__module__}, {function.__module__}")
        _steps[type_] = Step(type_, function)
        return function

    return register


def effect(type_: str) -> Callable[[F], F]:
    """Register what a step reads and gives: a function ``(known, **parameters) -> Effect``."""

    def register(function: F) -> F:
        _effects[type_] = function
        return function

    return register


@functools.cache
def _load() -> None:
    from importlib.metadata import entry_points

    for home in HOMES:
        importlib.import_module(home)
    for point in entry_points(group=ENTRY_POINTS):
        point.load()


def steps() -> Mapping[str, Step]:
    """All registered steps by type."""
    _load()
    return dict(sorted(_steps.items()))


def get_step(type_: str) -> Step:
    """The step of a type; InputError with the nearest installed one where there is none."""
    known = steps()
    if type_ not in known:
        raise InputError(
            "no step of this type is installed",
            found=type_,
            expected=", ".join(known),
            hint=did_you_mean(type_, known),
        )
    return known[type_]
