"""Every condition, formula and limit of the specification compiles as it stands, in all forms it is written in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.expressions import compile_expression
from workbench.model.jsonfile import load_plain

#: Keys whose texts and objects are expressions, wherever they stand.
KEYS = ("condition", "formula", "calculation")
#: Keys whose texts are expressions, where they hold no plain number.
LIMITS = ("min", "max", "max_delta")

#: The specification's objects. They run without its files.
OBJECTS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "within a range of dates": (
        {
            "field": "transaction_date",
            "operator": "within_date_range",
            "parameters": {"start_date": "2025-01-01", "end_date": "2025-01-31"},
        },
        [
            {"transaction_date": np.datetime64("2024-12-31T23:59:59", "ns"), "is": False},
            {"transaction_date": np.datetime64("2025-01-01", "ns"), "is": True},
            {"transaction_date": np.datetime64("2025-01-31T23:59:59", "ns"), "is": True},
            {"transaction_date": np.datetime64("2025-02-01", "ns"), "is": False},
            {"transaction_date": np.datetime64("NaT", "ns"), "is": None},
        ],
    ),
    "one of several texts": (
        {"field": "access_level", "operator": "in", "values": ["clinical_staff", "admin"]},
        [
            {"access_level": "admin", "is": True},
            {"access_level": "billing", "is": False},
            {"access_level": None, "is": None},
        ],
    ),
    "two at once": (
        {
            "and": [
                {"field": "temperature", "operator": ">", "value": 80},
                {"field": "vibration_level", "operator": ">", "value": 3.0},
            ]
        },
        [
            {"temperature": 81.0, "vibration_level": 3.5, "is": True},
            {"temperature": 81.0, "vibration_level": 3.0, "is": False},
            {"temperature": 79.0, "vibration_level": None, "is": False},
            {"temperature": 81.0, "vibration_level": None, "is": None},
        ],
    ),
}


def expressions(content: Any) -> Iterator[Any]:
    """What stands under the keys of expressions, anywhere in a specification."""
    if isinstance(content, dict):
        for key, value in content.items():
            limit = key in LIMITS and isinstance(value, str) and not value.startswith(("P", "20"))
            if (key in KEYS and isinstance(value, (str, dict))) or limit:
                yield value
            else:
                yield from expressions(value)
    elif isinstance(content, list):
        for value in content:
            yield from expressions(value)


def test_every_file_of_the_specification_compiles(test_data, require):
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    found: list[tuple[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        found += [(path.name, each) for each in expressions(load_plain(path).data)]
    assert len(found) >= 24
    assert {type(each) for _, each in found} == {str, dict}
    for file, each in found:
        expression = compile_expression(each)
        assert compile_expression(str(expression)) == expression, (file, each)
        assert expression.names or each == "DEFAULT", (file, each)


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_give_what_they_say_on_all_three(case):
    given, rows = OBJECTS[case]
    expression = compile_expression(json.loads(json.dumps(given)))
    expected = [row["is"] for row in rows]
    kinds = {
        name: "time" if isinstance(value, np.datetime64) else "text" if isinstance(value, str) else "number"
        for name, value in rows[0].items()
        if name != "is"
    }
    columns = {name: [row[name] for row in rows] for name in kinds}
    of = {"time": "datetime64[ns]", "text": object, "number": float}
    data = xr.Dataset({name: ("row", np.array(values, dtype=of[kinds[name]])) for name, values in columns.items()})
    assert [None if each != each else bool(each) for each in expression.evaluate(data).values] == expected
    frame = pl.from_pandas(data.to_dataframe())
    assert frame.select(expression.polars(frame.schema)).to_series().to_list() == expected
    live = expression.sampled(kinds, gap=0)
    assert [live(row, 0) for row in rows] == expected
