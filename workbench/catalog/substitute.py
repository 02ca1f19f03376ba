"""``${VAR}``, ``${VAR:-default}`` and ``${secret:NAME}`` in catalog values.

Environment variables make a catalog fit the machine; secrets come from the environment
(``WORKBENCH_SECRET_<NAME>``) or the operating system's key store and are never printed. ``$$`` stands for a
single ``$``. A path below a folder that is not named (``${FOLDER:-}/file.csv`` where FOLDER is not set) is no
path at all, so that a file may be looked for where there is such a folder, and be downloaded elsewhere.
"""

from __future__ import annotations

import os
import re
from typing import Any

from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.secrets import MASK, remember
from workbench.model.yamlfile import Place, YamlFile

SECRET_PREFIX = "WORKBENCH_SECRET_"  # noqa: S105  # a name, not a secret
KEYRING_SERVICE = "operations-workbench"

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^{}]*)\}|(?P<open>\{))")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_BELOW = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*):-\}/(?P<rest>.*)", re.DOTALL)
_SECRET = re.compile(r"secret:(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


class Secret(str):
    """Text that is or holds a secret: usable as text, masked wherever it is shown.

    ``str(secret)`` and ``repr(secret)`` show the mask; a driver gets the text itself by :meth:`reveal`.
    """

    __slots__ = ()

    def reveal(self) -> str:
        """The secret itself."""
        return "".join(self)

    def __repr__(self) -> str:
        return repr(MASK)

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


def substitute(value: Any, source: YamlFile, place: Place) -> Any:
    """``value`` with all references in its texts replaced, at any depth.

    Raises
    ------
    InputErrors
        Every reference that is not well-formed or names a variable or secret that is not set.
    """
    errors: list[InputError] = []
    result = _walk(value, source, place, errors)
    if errors:
        raise InputErrors(errors)
    return result


def _walk(value: Any, source: YamlFile, place: Place, errors: list[InputError]) -> Any:
    if isinstance(value, dict):
        return {key: _walk(inner, source, (*place, key), errors) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, source, (*place, index), errors) for index, inner in enumerate(value)]
    if isinstance(value, str) and "$" in value:
        return _text(value, source, place, errors)
    return value


def unnamed_folder(text: str) -> tuple[str, str] | None:
    """The variable and the rest of ``${NAME:-}/rest`` where no such folder is named; None otherwise."""
    below = _BELOW.fullmatch(text)
    return None if below is None or os.environ.get(below["name"]) else (below["name"], below["rest"])


def _text(text: str, source: YamlFile, place: Place, errors: list[InputError]) -> str:
    if unnamed_folder(text):
        return ""
    secret = False

    def one(match: re.Match[str]) -> str:
        nonlocal secret
        if match["dollar"]:
            return "$"
        inside = match["inside"]
        if inside is not None and (named := _SECRET.fullmatch(inside)):
            secret = True
            return secret_value(named["name"])
        if inside is not None and (variable := _VARIABLE.fullmatch(inside)):
            return _variable(variable["name"], variable["default"])
        raise InputError(
            "not a reference",
            found=match.group(),
            expected="${NAME}, ${NAME:-default} or ${secret:NAME}",
            hint="write $$ for a plain $",
        )

    try:
        result = _REFERENCE.sub(one, text)
    except InputError as error:
        errors.append(error.at(file=source.path, line=source.line(place), where=".".join(map(str, place))))
        return text
    return Secret(result) if secret else result


def _variable(name: str, default: str | None) -> str:
    value = os.environ.get(name)
    if value:
        return value
    if default is not None:
        return default
    raise InputError(
        f"the environment variable {name} is not set" if value is None else f"the environment variable {name} is empty",
        hint=did_you_mean(name, os.environ) or f"set it, or give a default: ${{{name}:-…}}",
    )


def secret_value(name: str) -> str:
    """The secret ``name``: from ``WORKBENCH_SECRET_<NAME>``, else from the key store.

    Raises
    ------
    InputError
        It is in neither. The message holds no value.
    """
    value = os.environ.get(SECRET_PREFIX + name.upper())
    if value:
        remember(value)
        return value
    try:
        import keyring

        value = keyring.get_password(KEYRING_SERVICE, name)
    except Exception:  # a key store that does not work is one that does not have it
        value = None
    if value:
        remember(value)
        return value
    raise InputError(
        f"the secret {name} is not known",
        expected=f"the environment variable {SECRET_PREFIX}{name.upper()}, or the key store",
        hint=f"keyring set {KEYRING_SERVICE} {name}",
    )


def reveal(value: Any) -> Any:
    """``value`` with the secrets in it as plain text, for a driver only."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: reveal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [reveal(inner) for inner in value]
    return value
