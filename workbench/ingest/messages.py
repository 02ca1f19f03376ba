"""Messages in a file: one JSON object, a list of them, or NDJSON; each with its line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from workbench.model.errors import InputError


@dataclass(frozen=True)
class RawMessage:
    """A JSON object and where it stands."""

    file: Path
    number: int  #: from 1
    line: int | None  #: known for NDJSON, and for the parts of a single object by :meth:`line_of`
    data: dict[str, Any]
    text: str = ""  #: the file's text, for a single object

    def error(self, message: str, where: str | None = None, **more: Any) -> InputError:
        """An error at ``where`` (a dotted path) in this message."""
        line = self.line if self.line is not None else self.line_of(where)
        if line is None and where is not None and not self.text:  # one of several, and only its number tells which
            where = f"message {self.number}: {where}"
        return InputError(message, file=self.file, line=line, where=where, **more)

    def line_of(self, where: str | None) -> int | None:
        """Line of the last key of ``where`` in a file of one object; None where several keys have that name."""
        if not self.text:
            return None
        lines = self.text.splitlines()
        if where is None:  # the message itself
            return next(number for number, line in enumerate(lines, 1) if line.strip())
        key = json.dumps(where.rsplit(".", 1)[-1].partition("[")[0])
        found = [number for number, line in enumerate(lines, 1) if f"{key}:" in line.replace(" :", ":")]
        return found[0] if len(found) == 1 else None


def read_messages(path: Path) -> list[RawMessage]:
    """All messages of a file.

    Raises
    ------
    InputError
        There is no such file, or a part of it is not JSON: with the line.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError("cannot read the file", file=path, found=str(error)) from error
    if not text.strip():
        raise InputError("the file is empty", file=path, expected="JSON objects")
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError:
        return list(_lines(path, text))
    if isinstance(whole, dict):
        return [RawMessage(path, 1, None, whole, text)]
    if not isinstance(whole, list):
        raise InputError("not a message", file=path, line=1, found=_brief(whole), expected="JSON objects")
    messages = []
    for number, item in enumerate(whole, 1):
        if not isinstance(item, dict):
            raise InputError(
                "not a message", file=path, where=f"message {number}", found=_brief(item), expected="a JSON object"
            )
        messages.append(RawMessage(path, number, None, item))
    return messages


def _lines(path: Path, text: str) -> Iterator[RawMessage]:
    """The objects of an NDJSON file."""
    lines = text.splitlines()
    first = next(line for line in lines if line.strip())
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        # not even the first line stands alone: it was meant as one document
        raise _not_json(path, text) from None
    number = 0
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        number += 1
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError("not JSON", file=path, line=place, found=str(error), expected="a JSON object") from None
        if not isinstance(item, dict):
            raise InputError("not a message", file=path, line=place, found=_brief(item), expected="a JSON object")
        yield RawMessage(path, number, place, item)


def _not_json(path: Path, text: str) -> InputError:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return InputError("not JSON", file=path, line=error.lineno, found=f"{error.msg}, column {error.colno}")
    return InputError("not JSON", file=path, found="NaN or Infinity, which JSON does not have")


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
