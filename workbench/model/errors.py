"""The error a user sees when an input is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.model.secrets import masked


class InputError(Exception):
    """A file, parameter or command that is wrong, told so that its owner can mend it.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    file, line
        Where it stands, if it stands in a file. Lines count from 1.
    where
        The place inside the file or call: an entry and key (``entries.scada.url``), a column, a parameter.
    found, expected
        What was there and what should have been.
    hint
        What to do about it.
    used_by
        Entries of catalogs that need the file, where it is not the catalog itself.

    Notes
    -----
    As text it never shows a secret that this process knows, nor the password in an address.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        where: str | None = None,
        found: object = None,
        expected: object = None,
        hint: str | None = None,
        used_by: Iterable[str] = (),
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.line = line
        self.where = where
        self.found = found
        self.expected = expected
        self.hint = hint
        self.used_by = tuple(used_by)
        super().__init__(str(self))

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        head = ": ".join(part for part in (place, self.where, self.message) if part)
        lines = [head]
        if self.found is not None:
            lines.append(f"  found:    {self.found}")
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.hint:
            lines.append(f"  hint:     {self.hint}")
        if self.used_by:
            lines.append(f"  used by:  {', '.join(self.used_by)}")
        return masked("\n".join(lines))

    def at(self, **changes: Any) -> InputError:
        """The same error with another ``file``, ``line``, ``where``, ``used_by``, …"""
        told: dict[str, Any] = {
            "file": self.file,
            "line": self.line,
            "where": self.where,
            "found": self.found,
            "expected": self.expected,
            "hint": self.hint,
            "used_by": self.used_by,
        }
        return InputError(changes.pop("message", self.message), **told | changes)


class InputErrors(InputError):  # noqa: N818  it is several of them, and its name says so
    """Several input errors found in one pass, in the order of their places."""

    def __init__(self, errors: Iterable[InputError]) -> None:
        self.errors = list(errors)
        super().__init__(f"{len(self.errors)} errors")

    def __str__(self) -> str:
        if not hasattr(self, "errors"):
            return self.message
        return "\n".join(str(error) for error in self.errors)


class SourceError(Exception):
    """A source did not do what was asked: names the source, the device and what was seen; shows no secret."""

    def __str__(self) -> str:
        return masked(super().__str__())


class BadValue(ValueError):  # noqa: N818  as its kin, it is no error of the program
    """What a validator raises, with what was expected and what to do: see ``yamlfile.validation_errors``."""

    def __init__(self, message: str, *, expected: str | None = None, hint: str | None = None) -> None:
        self.expected = expected
        self.hint = hint
        super().__init__(message)


def nearest(name: str, allowed: Iterable[str], n: int = 3) -> list[str]:
    """The allowed names most like ``name``, best first; none where nothing is like it."""
    return difflib.get_close_matches(name, list(allowed), n=n, cutoff=0.6)


def did_you_mean(name: str, allowed: Iterable[str]) -> str | None:
    """A hint naming the nearest allowed name, or None."""
    best = nearest(name, allowed, n=1)
    return f"did you mean {best[0]!r}?" if best else None
