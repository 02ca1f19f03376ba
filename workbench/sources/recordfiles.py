"""Records in files: read lazily where their form allows it, written whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from workbench.model import wholefile
from workbench.model.errors import InputError

#: Forms that records are read from.
READ = (".json", ".ndjson", ".jsonl", ".csv", ".parquet")


def is_record_file(name: str) -> bool:
    """Whether an input is a file of records, by its ending."""
    return Path(name).suffix.lower() in READ


#: Lines of an NDJSON file that tell the types of fields which are asked for by name, and those that tell the order.
SAMPLE, ORDER = 1_000, 100


def read_records(file: str | Path, *, fields: Collection[str] | None = None) -> pl.LazyFrame:
    """The records of a JSON file (a list, or one record), NDJSON, CSV or Parquet; nested ones stay nested.

    Records of one file may have different fields: what one has not is missing.

    Parameters
    ----------
    fields
        What is needed, dotted for what is nested (``line_items.price``, also inside lists); all by default. Other
        fields may be left out, which costs much less; see :func:`workbench.pipelines.needed.needed_fields`.

    Raises
    ------
    InputError
        There is no such file, its ending is not known, or it is not of its form (with the line).
    """
    path = Path(file)
    ending = path.suffix.lower()
    if ending not in READ:
        raise InputError("cannot read records from this file", file=path, expected="one of " + ", ".join(READ))
    if not path.is_file():
        raise InputError("no such file", file=path)
    try:
        if ending in (".csv", ".parquet"):
            lazy = pl.scan_parquet(path) if ending == ".parquet" else _table(path)
            lazy.collect_schema()  # what is no such file is told now, not when it is computed
            return lazy
        if ending in (".ndjson", ".jsonl"):
            try:
                return _ndjson(path, fields).lazy()
            except pl.exceptions.PolarsError:
                pass  # what reads more slowly takes more, and says in which line it is wrong
        found = _lines(path) if ending in (".ndjson", ".jsonl") else _list(path)
        return records_of(found, fields=fields)
    except InputError as error:
        raise error.at(file=path) from error
    except pl.exceptions.PolarsError as error:
        raise InputError("the records cannot be read", file=path, found=str(error).splitlines()[0]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot read the file", file=path, found=str(error)) from error


def _table(path: Path) -> pl.LazyFrame:
    """A CSV file; a column in which a number begins with a zero holds codes (postcodes, CUSIPs) and stays text."""
    lazy = pl.scan_csv(path, infer_schema_length=10_000)
    numbers = [name for name, dtype in lazy.collect_schema().items() if dtype.is_numeric()]
    if not numbers:
        return lazy
    plain = pl.scan_csv(path, infer_schema=False).select(numbers)
    coded = plain.select(pl.all().str.contains(r"^\s*0\d").any()).collect(engine="streaming")
    codes = [name for name in numbers if coded[name].item()]
    return pl.scan_csv(path, infer_schema_length=10_000, schema_overrides=dict.fromkeys(codes, pl.String))


def records_of(found: Sequence[Mapping[str, Any]], *, fields: Collection[str] | None = None) -> pl.LazyFrame:
    """Records out of mappings, as :func:`read_records` gives those of a file.

    Raises
    ------
    InputError
        A field is of types that do not go together.
    """
    if not found:
        return pl.LazyFrame()
    asked = _asked(fields) if fields else None
    less = found if asked is None else [_pruned(each, asked) for each in found]
    if not any(less):
        less = found  # records without fields would be none
    try:
        return pl.from_dicts(less, infer_schema_length=None).lazy()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise InputError("the records cannot be read", found=str(error).splitlines()[0]) from error


def _pruned(value: Any, asked: _Asked) -> Any:
    """What is asked for of an object, or of those in a list."""
    if isinstance(value, dict):  # what json gives; to ask for a Mapping costs as much as all the rest
        return {
            name: value[name] if below is None else _pruned(value[name], below)
            for name, below in asked.items()
            if name in value
        }
    if isinstance(value, list):
        return [_pruned(each, asked) for each in value]
    return value


def _ndjson(path: Path, fields: Collection[str] | None) -> pl.DataFrame:
    """An NDJSON file by polars' own reader. Raises ``PolarsError`` for what it does not take."""
    schema = None
    if fields:
        asked = _asked(fields)
        # Types of what is asked for by name are those of the first lines: where another line differs, the reader
        # refuses it. What those lines do not tell, only all lines do.
        wanted, absent, unsure = _part(_struct(path, SAMPLE), asked)
        if not unsure and wanted.fields and not _may_have(path, absent):
            schema = wanted
    if schema is None:
        schema = _struct(path, None)
        wanted = _part(schema, asked)[0] if fields else schema
        schema = wanted if wanted.fields else schema
    with path.open(encoding="utf-8") as lines:
        first = [json.loads(line) for line, _ in zip(lines, range(ORDER), strict=False) if line.strip()]
    try:
        return pl.read_ndjson(path, schema=_ordered(schema, first).to_schema())
    except pl.exceptions.PolarsError:
        if not fields:
            raise
        return _ndjson(path, None)


def _struct(path: Path, lines: int | None) -> pl.Struct:
    return pl.Struct(pl.scan_ndjson(path, infer_schema_length=lines).collect_schema())


_Asked = dict[str, "_Asked | None"]


def _asked(fields: Collection[str]) -> _Asked:
    """Dotted names as a tree; None is all that is below."""
    tree: _Asked = {}
    for name in fields:
        at = tree
        *heads, last = name.split(".")
        for head in heads:
            below = at.setdefault(head, {})
            if below is None:
                break
            at = below
        else:
            at[last] = None
    return tree


def _part(schema: pl.Struct, asked: _Asked) -> tuple[pl.Struct, set[str], bool]:
    """What is asked for of a type, names that are not in it, and whether the type of something is not told by it."""
    kept, absent, unsure = [], set(), False
    known = {each.name: each.dtype for each in schema.fields}
    absent = {name for name in asked if name not in known}
    for name, dtype in known.items():
        if name not in asked:
            continue
        below, depth, inner = asked[name], 0, dtype
        while isinstance(inner, pl.List):
            inner, depth = inner.inner, depth + 1
        if isinstance(inner, pl.Struct) and below is not None:
            inner, missing, odd = _part(inner, below)
            absent |= missing
            unsure |= odd or not inner.fields
        else:
            unsure |= isinstance(inner, pl.Struct) or inner == pl.Null
        for _ in range(depth):
            inner = pl.List(inner)
        kept.append(pl.Field(name, inner))
    return pl.Struct(kept), absent, unsure


def _may_have(path: Path, names: Collection[str]) -> bool:
    """Whether a key may be in a file: its text is, or keys are written with escapes."""
    if not names:
        return False
    pattern = '"(?:' + "|".join(re.escape(name) for name in sorted(names)) + r')"|\\u00[4-7]'
    found: bool = pl.scan_lines(path).select(pl.nth(0).str.contains(pattern).any()).collect().item()
    return found


def _ordered(schema: pl.Struct, records: list[Any]) -> pl.Struct:
    """Fields in the order in which records bring them, those of later ones after them."""
    seen = {name: None for each in records if isinstance(each, dict) for name in each}
    known = {each.name: each.dtype for each in schema.fields}
    names = [*(name for name in seen if name in known), *(name for name in known if name not in seen)]
    fields = []
    for name in names:
        inner, depth = known[name], 0
        below = [each[name] for each in records if isinstance(each, dict) and name in each]
        while isinstance(inner, pl.List):
            inner, depth = inner.inner, depth + 1
            below = [one for each in below if isinstance(each, list) for one in each]
        if isinstance(inner, pl.Struct):
            inner = _ordered(inner, below)
        for _ in range(depth):
            inner = pl.List(inner)
        fields.append(pl.Field(name, inner))
    return pl.Struct(fields)


def _list(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON: {error.msg}", file=path, line=error.lineno, where=f"column {error.colno}"
        ) from error
    found = found if isinstance(found, list) else [found]
    for number, each in enumerate(found):
        if not isinstance(each, dict):
            raise InputError(
                "not a record", file=path, where=f"[{number}]", found=repr(each)[:60], expected="an object"
            )
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                each = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(
                    f"not valid JSON: {error.msg}", file=path, line=number, found=line.strip()[:60]
                ) from error
            if not isinstance(each, dict):
                raise InputError("not a record", file=path, line=number, found=line.strip()[:60], expected="an object")
            found.append(each)
    return found


def write_records(data: pl.DataFrame, out: Path, *, overwrite: bool = False) -> None:
    """Write records to ``.json``, ``.ndjson``, ``.csv`` (nested fields as JSON) or ``.parquet``.

    Raises
    ------
    InputError
        The ending is not known, the file is there already, or it cannot be written.
    """
    check_record_goal(out, overwrite=overwrite)
    with wholefile.whole(out) as part:
        _WRITERS[out.suffix.lower()](data, part)


def check_record_goal(out: Path, *, overwrite: bool = False) -> None:
    """Raise InputError where :func:`write_records` could not write to ``out``."""
    wholefile.check_goal(out, _WRITERS, overwrite=overwrite)


def _json(data: pl.DataFrame, path: Path) -> None:
    rows = [json.dumps(each, default=str, ensure_ascii=False) for each in data.to_dicts()]
    path.write_text("[\n" + ",\n".join(rows) + ("\n" if rows else "") + "]\n", encoding="utf-8")


def _csv(data: pl.DataFrame, path: Path) -> None:
    nested = [name for name, dtype in data.schema.items() if dtype.is_nested()]
    texts = [pl.Series(name, [_text(each) for each in data[name].to_list()], dtype=pl.String) for name in nested]
    data.with_columns(texts).write_csv(path)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=str, ensure_ascii=False)


_WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    ".json": _json,
    ".ndjson": lambda data, path: data.write_ndjson(path),
    ".jsonl": lambda data, path: data.write_ndjson(path),
    ".csv": _csv,
    ".parquet": lambda data, path: data.write_parquet(path),
}
