"""A real solar plant through the catalog of the checkout: one inverter, its weather, and the pipeline over a summer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.analytics.solar import performance_indicators
from workbench.analytics.solar.rating import with_weather
from workbench.catalog import Catalog, open_catalog
from workbench.model.errors import InputError


@pytest.fixture(scope="module")
def catalog(checkout: Path, test_data: Path) -> Catalog:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
        opened = open_catalog(checkout / "catalogs")
        for name in ("power", "weather"):
            opened[f"pvdaq_50.{name}"].require()
    return opened


def test_power_and_weather(catalog: Catalog) -> None:
    power, weather = (catalog[f"pvdaq_50.{name}"].read() for name in ("power", "weather"))
    assert dict(power.sizes) == {"time": 95_232, "asset": 1}
    assert power["time"].values[0] == np.datetime64("2011-04-15T07:00")
    assert float(power["total_ac_power"].max()) == pytest.approx(3.368, abs=1e-3)
    assert power["rated_capacity"].item() == 3.37
    assert dict(weather.sizes) == {"time": 52_608, "asset": 1}
    assert set(map(str, weather.data_vars)) >= {"irradiance_ghi", "temperature"}


def test_key_figures_of_a_year(catalog: Catalog) -> None:
    power, weather = (catalog[f"pvdaq_50.{name}"].read(time="2012") for name in ("power", "weather"))
    data = with_weather(power, weather, ("irradiance_ghi", "temperature"))
    found = performance_indicators(data, by="year", timezone="Etc/GMT+7", irradiance="irradiance_ghi").groups
    whole = found.sel(period="2012").squeeze()
    # the energy of 2012 is the sum of the record
    local = power["total_ac_power"].sel(time=slice("2012-01-01T07:00", None))
    assert whole["energy"].item() == pytest.approx(float(local.sum()) / 4, rel=1e-5)
    assert 0.9 < whole["coverage"].item() <= 1
    assert 1400 < whole["specific_yield"].item() < 1600
    with pytest.raises(InputError, match="in the time of the data"):
        with_weather(
            power, weather.assign_coords(time=weather["time"] + np.timedelta64(9000, "D")), ("irradiance_ghi",)
        )
