"""Steps that bring records of two sources together, and that leave out what came twice: lazy, no row unaccounted for.

A missing key is equal to no other key, not even to another missing one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from workbench.model.errors import InputError, did_you_mean
from workbench.steps import step
from workbench.transforms.aside import beside
from workbench.transforms.other_sources import Source, name_of, open_other
from workbench.transforms.records import field, moment, path, paths, remark_counted

Names = str | Sequence[str]
#: Fields to bring: their names, or names here by names there.
Fields = str | Sequence[str] | Mapping[str, str]
Multiple = Literal["error", "first", "all"]
Value = str | float | bool | None

_KEY, _FOUND, _ROW, _TIME, _ALL = "__key", "__found", "__row", "__time", "__all"


@step("record_join")
def record_join(
    data: pl.LazyFrame,
    *,
    source: Source,
    on: Names | None = None,
    left_on: Names | None = None,
    right_on: Names | None = None,
    how: Literal["left", "inner", "semi", "anti"] = "left",
    fields: Fields | None = None,
    prefix: str = "",
    multiple: Multiple = "error",
    ignore_case: bool = False,
) -> pl.LazyFrame:
    """Join with another source: ``left`` keeps every record, ``inner`` those with a match.

    ``semi`` keeps the records that the other source knows and ``anti`` those it does not; they bring no fields.
    The order of the records stays.

    Parameters
    ----------
    data
        Records.
    source
        The other records: a frame, a file or an entry of a catalog.
    on, left_on, right_on
        The fields of the key, dotted for nested ones: ``on`` where both call them the same.
    fields
        What to bring: names, or ``{name there: name here}``; all but the key by default.
    prefix
        Put before the names of what is brought.
    multiple
        What to do where the other source has a key several times: an ``error``, its ``first`` record, or ``all`` of
        them, a row each.
    ignore_case
        Whether keys that are texts are compared without regard to case.

    Raises
    ------
    InputError
        No such field; keys that cannot be compared; a key that the other source has several times; a new field would
        hide one that is there.
    """
    own, theirs = _key_names(on, left_on, right_on)
    brings = how in ("left", "inner")
    if not brings and (fields is not None or prefix):
        raise InputError(f"{how} joins bring no fields", where="fields" if fields is not None else "prefix")
    other = open_other(source)
    left, right = _key(data, other, own, theirs, ignore_case=ignore_case)
    wanted = _wanted(other, fields, theirs, data.collect_schema(), prefix) if brings else []
    keys = list(left)
    made, other = _side(data, left, [pl.all()]), _side(other, right, wanted).drop_nulls(keys)
    if brings:
        other = _single(other, keys, theirs, multiple, name_of(source))
    order: Literal["left", "left_right"] = "left_right" if brings else "left"
    return made.join(other, on=keys, how=how, maintain_order=order, coalesce=True if brings else None).drop(keys)


@step("field_lookup")
def field_lookup(
    data: pl.LazyFrame,
    *,
    source: Source,
    fields: Fields,
    on: Names | None = None,
    left_on: Names | None = None,
    right_on: Names | None = None,
    prefix: str = "",
    default: Value | Mapping[str, Value] = None,
    flag_field: str = "",
    multiple: Literal["error", "first"] = "error",
    ignore_case: bool = False,
) -> pl.LazyFrame:
    """Fields of another source by key, beside each record's own. No record is lost or multiplied.

    How many records have no entry there is remarked when the result is computed.

    Parameters
    ----------
    data
        Records.
    source, on, left_on, right_on, prefix, ignore_case
        As in :func:`record_join`.
    fields
        What to bring: a name, names, or ``{name there: name here}``.
    default
        For records that have no entry there: one value, or one by each field's name here. What an entry has not
        stays missing.
    flag_field
        A field that says whether a record has no entry.
    multiple
        What to do where the other source has a key several times: an ``error``, or its ``first`` record.

    Raises
    ------
    InputError
        No such field; keys that cannot be compared; a key that the other source has several times; a new field would
        hide one that is there; a default of the wrong type.
    """
    own, theirs = _key_names(on, left_on, right_on)
    other = open_other(source)
    schema = data.collect_schema()
    left, right = _key(data, other, own, theirs, ignore_case=ignore_case)
    brought = _wanted(other, fields, theirs, schema, prefix)
    wanted, keys = [each.meta.output_name() for each in brought], list(left)
    if not wanted:
        raise InputError("no field to bring", where="fields")
    if flag_field and (flag_field in schema or flag_field in wanted):
        raise InputError("a new field would hide one that is there", where="flag_field", found=flag_field)
    defaults = _defaults(default, wanted)
    other = _single(_side(other, right, brought).drop_nulls(keys), keys, theirs, multiple, name_of(source))
    known = other.with_columns(pl.lit(value=True).alias(_FOUND))
    joined = _side(data, left, [pl.all()]).join(known, on=keys, how="left", maintain_order="left", coalesce=True)
    missing = pl.col(_FOUND).is_null()
    types = other.collect_schema()
    columns = []
    for name in wanted:
        value = pl.col(name)
        if defaults.get(name) is not None:
            value = pl.when(missing).then(_default(name, defaults[name], types[name])).otherwise(value)
        columns.append(value)
    text = f"field_lookup: {{count:,}} of {{all:,}} records have no entry in {name_of(source)}"
    columns[0] = remark_counted(columns[0], missing, text, types[wanted[0]])
    if flag_field:
        columns.append(missing.alias(flag_field))
    # A field brought is told by its name, whatever expression gives it.
    named = [each.alias(name) for each, name in zip(columns, [*wanted, flag_field], strict=False)]
    return joined.with_columns(named).drop(_FOUND, *keys)


@step("record_deduplication")
def record_deduplication(
    data: pl.LazyFrame,
    *,
    key_fields: Names,
    time_field: str | None = None,
    keep: Literal["last", "first"] = "last",
) -> pl.LazyFrame:
    """Of records with the same key, the ``last`` by time, or the ``first``. The order of the records stays.

    How many are left out is remarked when the result is computed. Records of which a part of the key is missing all
    stay.

    Parameters
    ----------
    data
        Records.
    key_fields
        The fields of the key, dotted for nested ones.
    time_field
        A time, an ISO 8601 text or a number; of the same ones the later row counts as later. A record without a time
        is kept only where no other of its key has one. The order of the rows decides by default.

    Raises
    ------
    InputError
        No such field; a time that is none.
    """
    names = _listed(key_fields)
    if not names:
        raise InputError("the key has no field", where="key_fields")
    return beside(data, lambda good: _deduplicated(good, names, time_field, keep))


def _deduplicated(
    data: pl.LazyFrame, names: list[str], time_field: str | None, keep: Literal["last", "first"]
) -> pl.LazyFrame:
    keys = [f"{_KEY}{number}" for number in range(len(names))]
    found = [field(name, data, "key_fields")[0] for name in names]
    lone = pl.any_horizontal([each.is_null() for each in found])
    # A record of its own: the row tells it from every other one.
    made = data.with_row_index(_ROW).with_columns(
        *[each.alias(key) for each, key in zip(found, keys, strict=True)],
        pl.when(lone).then(pl.col(_ROW)).alias(f"{_KEY}_lone"),
        pl.len().alias(_ALL),
    )
    if time_field is not None:
        value, dtype = field(time_field, data, "time_field")
        if not (dtype.is_numeric() or dtype.is_temporal() or dtype in (pl.String, pl.Null)):
            raise InputError("neither a time nor a number", where="time_field", found=f"{time_field}: {dtype}")
        when = value if dtype.is_numeric() or isinstance(dtype, pl.Duration | pl.Time) else moment(value, dtype)
        made = made.with_columns(when.alias(_TIME)).sort(_TIME, nulls_last=keep == "first", maintain_order=True)
    unique = made.unique(subset=[*keys, f"{_KEY}_lone"], keep=keep, maintain_order=True).sort(_ROW)
    first = next(iter(data.collect_schema()))
    text = "record_deduplication: {count:,} records left out, their key has one that is kept"
    counted = remark_counted(pl.col(first), pl.col(_ALL), text, data.collect_schema()[first], left_out=True)
    return unique.with_columns(counted.alias(first)).select(data.collect_schema().names())


def _listed(names: Names | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _key_names(on: Names | None, left_on: Names | None, right_on: Names | None) -> tuple[list[str], list[str]]:
    """The key's fields here and there. Raises InputError where they are not told once."""
    same, own, theirs = _listed(on), _listed(left_on), _listed(right_on)
    if same and (own or theirs):
        raise InputError("the key stands twice", where="on", expected="either on, or left_on and right_on")
    if same:
        return same, same
    if not own or not theirs:
        raise InputError("the key is missing", where="on", expected="on, or left_on and right_on")
    if len(own) != len(theirs):
        raise InputError(
            "the keys have different numbers of fields",
            where="right_on",
            found=f"{len(own)} and {len(theirs)}",
            expected="as many in left_on as in right_on",
        )
    return own, theirs


def _wanted(
    other: pl.LazyFrame, fields: Fields | None, keys: Sequence[str], own: pl.Schema, prefix: str
) -> list[pl.Expr]:
    """What to bring, under its name here. Raises InputError for a field that is not there or would hide another."""
    schema = other.collect_schema()
    if fields is None:
        pairs = [(name, name) for name in schema if name not in keys]
    elif isinstance(fields, Mapping):
        pairs = list(fields.items())
    else:
        pairs = [(name, name.rpartition(".")[2] if name not in schema else name) for name in _listed(fields)]
    found: dict[str, pl.Expr] = {}
    for there, here in pairs:
        name = prefix + here
        value = path(there, schema)
        if value is None:
            raise InputError(
                "no such field in the other source",
                where="fields",
                found=there,
                hint=did_you_mean(there, paths(schema)),
            )
        if name in own or name in found:
            message = "a new field would hide one that is there" if name in own else "two fields of the same name"
            raise InputError(message, where="fields", found=name, hint="rename it by {there: here}, or give a prefix")
        found[name] = value[0].alias(name)
    return list(found.values())


def _key(
    data: pl.LazyFrame, other: pl.LazyFrame, own: Sequence[str], theirs: Sequence[str], *, ignore_case: bool
) -> tuple[dict[str, pl.Expr], dict[str, pl.Expr]]:
    """The parts of the key of both sides, of types that can be compared, by one name.

    Raises InputError for a field that is not there, or two that cannot be compared.
    """
    left: dict[str, pl.Expr] = {}
    right: dict[str, pl.Expr] = {}
    here_is, there_is = ("on", "on") if own is theirs else ("left_on", "right_on")
    schema = other.collect_schema()
    for number, (here, there) in enumerate(zip(own, theirs, strict=True)):
        mine, kind = field(here, data, here_is)
        found = path(there, schema)
        if found is None:
            raise InputError(
                "no such field in the other source",
                where=there_is,
                found=there,
                hint=did_you_mean(there, paths(schema)),
            )
        common = _common(kind, found[1])
        if common is None:
            raise InputError(
                "the keys cannot be compared",
                where=there_is,
                found=f"{here}: {kind}, {there}: {found[1]}",
                expected="fields of one type",
                hint="field_operation with text or number makes them so",
            )
        for side, value in ((left, mine), (right, found[0])):
            made = value.cast(common)
            side[f"{_KEY}{number}"] = made.str.to_lowercase() if ignore_case and common == pl.String else made
    return left, right


def _side(data: pl.LazyFrame, key: Mapping[str, pl.Expr], fields: Sequence[pl.Expr]) -> pl.LazyFrame:
    """Fields of one side, and the parts of the key."""
    return data.select(*fields, *[value.alias(name) for name, value in key.items()])


def _common(one: pl.DataType, two: pl.DataType) -> pl.DataType | None:
    """The type in which keys of two types are compared; None where they cannot be."""
    if one == two:
        return one
    if pl.Null in (one, two):
        return two if one == pl.Null else one
    if one.is_integer() and two.is_integer():
        return pl.Int128()
    if one.is_numeric() and two.is_numeric():
        return pl.Float64()
    texts = (pl.String, pl.Categorical, pl.Enum)
    if one in texts and two in texts:
        return pl.String()
    if isinstance(one, pl.Datetime) and isinstance(two, pl.Datetime) and one.time_zone == two.time_zone:
        return pl.Datetime("ns", one.time_zone)
    return None


def _single(
    right: pl.LazyFrame, keys: list[str], names: Sequence[str], multiple: Multiple, source: str
) -> pl.LazyFrame:
    """The other side with each key once, unless all are wanted.

    Raises InputError naming a key that is there several times. To know, the other side is read here, once: it has to
    be in memory for a join in any case.
    """
    if multiple == "all":
        return right
    if multiple == "first":
        return right.unique(subset=keys, keep="first", maintain_order=True)
    read = right.collect()
    twice = read.group_by(keys, maintain_order=True).len().filter(pl.col("len") > 1)
    if twice.height:
        *key, count = twice.row(0)
        told = ", ".join(f"{name} {value!r}" for name, value in zip(names, key, strict=True))
        more = f", and {twice.height - 1:,} more keys" if twice.height > 1 else ""
        raise InputError(
            f"a key is several times in {source}",
            where="multiple",
            found=f"{told}, {count:,} times{more}",
            expected="each key once",
            hint='multiple: "first" takes the first record of each key',
        )
    return read.lazy()


def _defaults(default: Value | Mapping[str, Value], wanted: Sequence[str]) -> dict[str, Value]:
    if not isinstance(default, Mapping):
        return dict.fromkeys(wanted, default)
    for name in default:
        if name not in wanted:
            raise InputError(
                "a default for a field that is not brought",
                where="default",
                found=name,
                expected=", ".join(wanted),
                hint=did_you_mean(name, wanted),
            )
    return dict(default)


def _default(name: str, value: Value, dtype: pl.DataType) -> pl.Expr:
    """A default in the type of its field. Raises InputError where it has none there."""
    if dtype == pl.Null:
        return pl.lit(value)
    fits = {str: dtype == pl.String, bool: dtype == pl.Boolean}.get(type(value), dtype.is_numeric())
    whole = dtype.is_integer() and isinstance(value, float) and not value.is_integer()
    if not fits or whole:
        raise InputError(
            "the default is of another type than its field",
            where="default",
            found=repr(value),
            expected=f"{name}: {dtype}",
        )
    return pl.lit(value).cast(dtype)
