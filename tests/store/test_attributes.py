"""Attributes of the variables of a series."""

from __future__ import annotations

from workbench.model.samples import SeriesKey
from workbench.store.attributes import variable_attrs


def test_attributes_are_those_of_the_series_kind_of_asset() -> None:
    assert variable_attrs("active_power", SeriesKey("wind_turbine", "1s"))["iec61400_25"] == "WGEN.W"
    assert variable_attrs("active_power", SeriesKey("grid_meter", "1s"))["iec61400_25"] == "MMXU.TotW"
    mean = variable_attrs("voltage", SeriesKey("string", "10min"))
    assert (mean["long_name"], mean["cell_methods"]) == ("string voltage", "time: mean")
    lowest = variable_attrs("voltage_min", SeriesKey("string", "10min"))
    assert lowest["long_name"] == "minimum of string voltage"
