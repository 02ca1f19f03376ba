"""Checks of records and what must not be shown: a record that does not pass is kept aside, never lost.

It goes on with the reasons in the column ``_rejected``, later checks add theirs, no later step loses it, and
:func:`split_rejected` parts the two at the end.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator

from workbench.model.errors import BadValue, InputError
from workbench.steps import step
from workbench.transforms.aside import REJECTED, WHOLE, rejected
from workbench.transforms.records import amount, field


def _regex(value: str) -> str:
    try:
        pl.Series(["x"]).str.contains(value)
        re.compile(value)
    except (re.error, pl.exceptions.PolarsError) as error:
        raise BadValue(f"not a regular expression: {error}", expected="such as ^[A-Z0-9]{9}$") from None
    return value


Regex = Annotated[str, AfterValidator(_regex)]


@step("field_validation")
def field_validation(
    data: pl.LazyFrame,
    *,
    field_name: str,
    validation_type: Literal["format", "range", "required", "checksum"],
    regex: Regex | None = None,
    min: float | None = None,  # noqa: A002
    max: float | None = None,  # noqa: A002
    algorithm: Literal["cusip", "luhn"] = "cusip",
    error_message: str = "",
) -> pl.LazyFrame:
    """Check a field. A record that does not pass is kept aside, with the reason.

    - ``format``: the whole text matches ``regex``
    - ``range``: between ``min`` and ``max``
    - ``required``: it is there
    - ``checksum``: its last digit is right, by ``algorithm``: ``cusip`` (ANSI X9.6) or ``luhn`` (ISO/IEC 7812-1)

    A field that is missing passes every check but ``required``.

    Raises
    ------
    InputError
        No such field, or the check lacks what it goes by.
    """
    value, dtype = field(field_name, data, "field_name")
    text = value.cast(pl.String)
    if validation_type == "format":
        if regex is None:
            raise InputError("the format lacks its regex", where="regex")
        wrong, reason = ~text.str.contains(regex), f"does not match {regex}"
    elif validation_type == "range":
        if min is None and max is None:
            raise InputError("the range lacks min and max", where="min")
        number = amount(value, dtype)
        wrong = value.is_not_null() & number.is_null()
        wrong = wrong | (number < min if min is not None else pl.lit(value=False))
        wrong = wrong | (number > max if max is not None else pl.lit(value=False))
        reason = f"is not between {min} and {max}"
    elif validation_type == "required":
        empty = text.str.strip_chars() == "" if dtype == pl.String else pl.lit(value=False)
        wrong, reason = value.is_null() | empty, "is missing"
    else:
        right = {"cusip": cusip_is_right, "luhn": luhn_is_right}[algorithm]
        wrong = ~text.map_elements(right, return_dtype=pl.Boolean)
        reason = f"has a wrong check digit ({algorithm})"
    if WHOLE in data.collect_schema():  # of what is whole there only, the fields are not known any more
        wrong = wrong & pl.col(WHOLE).is_null()
    told = pl.when(wrong.fill_null(value=False)).then(pl.concat_list(pl.lit(error_message or f"{field_name} {reason}")))
    before = pl.col(REJECTED) if REJECTED in data.collect_schema() else pl.lit([], dtype=pl.List(pl.String))
    return data.with_columns(before.list.concat(told.fill_null(pl.lit([], dtype=pl.List(pl.String)))).alias(REJECTED))


def split_rejected(data: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Records that passed every check, and those kept aside with their reasons in ``_rejected``."""
    if REJECTED not in data.collect_schema():
        return data, data.head(0).with_columns(pl.lit([], dtype=pl.List(pl.String)).alias(REJECTED))
    inner = [name for name in (REJECTED, WHOLE) if name in data.collect_schema()]
    return data.filter(~rejected()).drop(inner), data.filter(rejected())


@step("field_masking")
def field_masking(
    data: pl.LazyFrame,
    *,
    field_name: str,
    operation: Literal["mask"] = "mask",
    display_chars: int = 4,
    mask_char: str = "X",
    mask_position: Literal["prefix", "suffix"] = "prefix",
) -> pl.LazyFrame:
    """Hide a text but for its last (``prefix``) or first (``suffix``) letters and digits; signs between them stay.

    ``123-45-6789`` becomes ``XXX-XX-6789``. A text no longer than what is shown is hidden whole.

    Raises
    ------
    InputError
        No such field.
    """
    value, _ = field(field_name, data, "field_name")

    def hide(text: str) -> str:
        places = [at for at, char in enumerate(text) if char.isalnum()]
        shown = places[-display_chars:] if mask_position == "prefix" else places[:display_chars]
        if display_chars <= 0 or len(places) <= display_chars:
            shown = []
        return "".join(mask_char if char.isalnum() and at not in shown else char for at, char in enumerate(text))

    return data.with_columns(value.cast(pl.String).map_elements(hide, return_dtype=pl.String).alias(field_name))


def cusip_is_right(text: str) -> bool:
    """Whether the ninth character of a CUSIP is its check digit (ANSI X9.6-2020, modulus 10 double add double)."""
    if not re.fullmatch(r"[0-9A-Z*@#]{8}[0-9]", text):
        return False
    total = 0
    for at, char in enumerate(text[:8]):
        value = int(char) if char.isdigit() else {"*": 36, "@": 37, "#": 38}.get(char, ord(char) - 55)
        value *= 1 + at % 2
        total += value // 10 + value % 10
    return (10 - total % 10) % 10 == int(text[8])


def luhn_is_right(text: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in re.sub(r"[\s-]", "", text) if char.isdigit()]
    if len(digits) < 2 or re.sub(r"[\s-]", "", text) != "".join(map(str, digits)):
        return False
    doubled = [digit * 2 - 9 * (digit > 4) if at % 2 else digit for at, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
