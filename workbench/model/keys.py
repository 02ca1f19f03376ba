"""Types of the keys that entries of all drivers share, checked by the model that knows their words."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from workbench.model.errors import BadValue, InputError, did_you_mean


def _asset_type(value: str) -> str:
    from workbench.model.vocabulary import ASSET_TYPES

    if value not in ASSET_TYPES:
        raise BadValue(
            f"no such type of asset: {value!r}",
            expected="one of " + ", ".join(ASSET_TYPES),
            hint=did_you_mean(value, ASSET_TYPES),
        )
    return value


def _cadence(value: str) -> str:
    from workbench.model.time import Cadence

    try:
        Cadence.parse(value)
    except InputError as error:
        raise BadValue(error.message, expected=str(error.expected or "") or None, hint=error.hint) from error
    return value


def _duration(value: str) -> str:
    from workbench.model.time import parse_duration

    try:
        length = parse_duration(value).ns
    except InputError as error:
        raise BadValue(error.message, expected=str(error.expected or "") or None, hint=error.hint) from error
    if length <= 0:
        raise BadValue("a duration is longer than nothing", expected="such as PT1H")
    return value


def _unit(value: str) -> str:
    from workbench.model.units import check_unit

    try:
        return check_unit(value)
    except InputError as error:
        raise BadValue(error.message, expected=str(error.expected or "") or None, hint=error.hint) from error


def check_host(value: str) -> str:
    """``value`` if it is ``host`` or ``host:port``; a BadValue otherwise."""
    name, colon, port = value.rpartition(":")
    if (value.startswith("[") and value.endswith("]")) or (":" in name and not name.startswith("[")):
        name, colon = value, ""  # an IPv6 address without a port
    elif not colon:
        name = value
    good = name and not any(character in name for character in "/ \t") and "://" not in value
    if good and colon:
        good = port.isascii() and port.isdigit() and 1 <= int(port) <= 65535
    if not good:
        raise BadValue(
            f"not a host: {value!r}", expected="host or host:port, such as 10.0.0.7:502, the port from 1 to 65535"
        )
    return value


def check_url(value: str) -> str:
    """``value`` if its host and port, where it has them, can be ones; a BadValue otherwise."""
    try:
        urlsplit(value).port  # noqa: B018  it is parsed when asked for
    except ValueError as error:
        raise BadValue(f"not an address: {error}", expected="such as opc.tcp://10.0.0.7:4840/path") from None
    return value


def _moment(value: Any) -> Any:
    """What YAML reads a date without quotes as, in ISO 8601."""
    return value.isoformat() if isinstance(value, date) else value


#: Kind of asset, of those that the vocabulary has.
AssetTypeName = Annotated[str, AfterValidator(_asset_type)]
#: Length of a slot: ``1s``, ``10min`` or an ISO 8601 duration of fixed length.
CadenceText = Annotated[str, AfterValidator(_cadence)]
#: A unit, as pint or UDUNITS write it, or as devices do.
UnitText = Annotated[str, AfterValidator(_unit)]
#: ISO 8601 duration of fixed length, such as ``PT1H`` or ``P30D``.
DurationText = Annotated[str, AfterValidator(_duration)]
#: A date or time in ISO 8601, in YAML with or without quotes.
MomentText = Annotated[str, BeforeValidator(_moment)]
#: ``host`` or ``host:port``.
HostText = Annotated[str, AfterValidator(check_host)]
