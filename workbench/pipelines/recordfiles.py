"""Records in files: read lazily where their form allows it, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
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


def read_records(file: str | Path) -> pl.LazyFrame:
    """The records of a JSON file (a list, or one record), NDJSON, CSV or Parquet; nested ones stay nested.

    Records of one file may have different fields: what one has not is missing.

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
            lazy = pl.scan_parquet(path) if ending == ".parquet" else pl.scan_csv(path, infer_schema_length=10_000)
            lazy.collect_schema()  # what is no such file is told now, not when it is computed
            return lazy
        found = _lines(path) if ending in (".ndjson", ".jsonl") else _list(path)
        return pl.from_dicts(found, infer_schema_length=None).lazy() if found else pl.LazyFrame()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise InputError("the records cannot be read", file=path, found=str(error).splitlines()[0]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot read the file", file=path, found=str(error)) from error


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
