"""What docs/expressions.md says, is so."""

from __future__ import annotations

import re

import polars as pl
import xarray as xr

from workbench.expressions import FUNCTIONS, compile_expression


def test_every_example_reads_and_the_code_runs(checkout):
    text = (checkout / "docs" / "expressions.md").read_text()
    examples, code = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)[:2]
    for line in examples.strip().splitlines():
        compile_expression(line)
    data = xr.Dataset(
        {name: ("time", [1.0, 2.0], {"units": unit}) for name, unit in (("wind_speed", "m/s"), ("power_output", "kW"))},
        coords={"time": ["2025-01-01", "2025-01-02"]},
    )
    data["time"] = data["time"].astype("datetime64[ns]")
    frame = pl.DataFrame({"wind_speed": [1.0], "power_output": [1.0], "time": [None]}).lazy()
    known = {"data": data, "frame": frame, "now": 0}
    exec(code, known)
    assert known["alarm"]({"wind_speed": 3.0, "power_output": 0.0}, 1) is False
    (row,) = [line for line in text.splitlines() if line.startswith("| functions")]
    assert all(name in row.upper() for name in FUNCTIONS)
