"""JSON as people write it: with ``//`` and ``/* */`` comments and a comma after the last item; it remembers its lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from workbench.model.errors import InputError
from workbench.model.yamlfile import Place, YamlFile, load_yaml, read_text

SUFFIXES = frozenset({".json", ".jsonc", ".json5"})


def load_plain(path: str | Path) -> YamlFile:
    """Read a JSON or YAML file of plain data, by its suffix.

    Raises
    ------
    InputError
        There is no such file; it is not of its format (with line and column); a key occurs twice.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        return load_yaml(path)
    return parse_json(read_text(path), path)


def parse_json(text: str, path: str | Path) -> YamlFile:
    """``text`` as JSON with comments; ``path`` names it in messages. Raises as :func:`load_plain`."""
    path = Path(path)
    try:
        plain = without_comments(text)
        reader = _Reader(plain, path)
        return YamlFile(path, reader.document(), reader.lines)
    except json.JSONDecodeError as error:
        # The standard library's begin as sentences, ours as they should.
        message = error.msg.replace("Expecting", "expecting", 1)
        raise InputError(
            f"not valid JSON: {message}",
            file=path,
            line=error.lineno,
            where=f"column {error.colno}",
            found=_near(error),
        ) from error


def without_comments(text: str) -> str:
    """``text`` with comments and commas before a closing bracket as spaces: every other character stays in its place.

    Raises
    ------
    json.JSONDecodeError
        A string or a comment does not end.
    """
    out = list(text)
    at, comma = 0, -1  # place of a comma after which nothing has come yet
    while at < len(text):
        char, pair = text[at], text[at : at + 2]
        if char == '"':
            end = at + 1
            while end < len(text) and text[end] not in '"\n':
                end += 2 if text[end] == "\\" else 1
            if end >= len(text) or text[end] == "\n":
                raise json.JSONDecodeError("a string does not end on its line", text, at)
            at, comma = end + 1, -1
            continue
        if pair in ("//", "/*"):
            end = text.find("\n" if pair == "//" else "*/", at)
            if end < 0 and pair == "/*":
                raise json.JSONDecodeError("a comment does not end", text, at)
            end = len(text) if end < 0 else end + (2 if pair == "/*" else 0)
            out[at:end] = [c if c in "\r\n" else " " for c in text[at:end]]
            at = end
            continue
        if char == ",":
            comma = at if comma < 0 else -1
        elif char in "]}" and comma >= 0:
            out[comma], comma = " ", -1
        elif not char.isspace():
            comma = -1
        at += 1
    return "".join(out)


class _Reader:
    """Reads strict JSON by the standard library's scanner, a value at a time, and notes where each begins."""

    def __init__(self, text: str, path: Path) -> None:
        self.text, self.path = text, path
        self.lines: dict[Place, int] = {}
        self._scan = json.JSONDecoder().raw_decode
        self._line, self._counted = 1, 0

    def document(self) -> Any:
        value, at = self._value(self._blank(0), ())
        at = self._blank(at)
        if at < len(self.text):
            self._wrong("something stands after the end", at)
        return value

    def _value(self, at: int, place: Place) -> tuple[Any, int]:
        self.lines.setdefault(place, self._line_of(at))
        if len(place) > 100:
            self._wrong("nested more than a hundred deep", at)
        char = self.text[at : at + 1]
        if char == "{":
            return self._mapping(at, place)
        if char == "[":
            return self._list(at, place)
        if not char:
            self._wrong("a value is missing", at)
        for word in ("NaN", "Infinity", "-Infinity"):  # Python's reader would take them
            if self.text.startswith(word, at):
                self._wrong(f"{word} is no number of JSON", at)
        return self._scan(self.text, at)

    def _mapping(self, at: int, place: Place) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self._blank(at + 1)
        if self.text[at : at + 1] == "}":
            return found, at + 1
        while True:
            if self.text[at : at + 1] != '"':
                self._wrong("a key in double quotes is missing", at)
            key, end = self._scan(self.text, at)
            self.lines[*place, key] = self._line_of(at)
            if key in found:
                where = ".".join(map(str, (*place, key)))
                raise InputError("the key occurs twice", file=self.path, line=self._line_of(at), where=where)
            at = self._blank(end)
            if self.text[at : at + 1] != ":":
                self._wrong("a colon is missing after the key", at)
            found[key], at = self._value(self._blank(at + 1), (*place, key))
            at = self._blank(at)
            if self.text[at : at + 1] == "}":
                return found, at + 1
            if self.text[at : at + 1] != ",":
                self._wrong("a comma or } is missing", at)
            at = self._blank(at + 1)

    def _list(self, at: int, place: Place) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self._blank(at + 1)
        if self.text[at : at + 1] == "]":
            return found, at + 1
        while True:
            value, at = self._value(at, (*place, len(found)))
            found.append(value)
            at = self._blank(at)
            if self.text[at : at + 1] == "]":
                return found, at + 1
            if self.text[at : at + 1] != ",":
                self._wrong("a comma or ] is missing", at)
            at = self._blank(at + 1)

    def _blank(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in " \t\r\n":
            at += 1
        return at

    def _line_of(self, at: int) -> int:
        if at >= self._counted:  # places only ever grow, but for a key told of once more
            self._line += self.text.count("\n", self._counted, at)
            self._counted = at
            return self._line
        return self.text.count("\n", 0, at) + 1

    def _wrong(self, message: str, at: int) -> NoReturn:
        raise json.JSONDecodeError(message, self.text, at)


def _near(error: json.JSONDecodeError) -> str:
    lines = error.doc.splitlines() or [""]
    line = lines[min(error.lineno, len(lines)) - 1]
    found = line[max(0, error.colno - 1) :].strip()
    return found[:40] or "the end of the line"
