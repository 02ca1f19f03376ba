"""Orders to the demo's turbines: written by Modbus, followed by the plant, noted in the truth."""

from __future__ import annotations

import asyncio
import socket
import time

import numpy as np
import pytest

from workbench.catalog import open_catalog
from workbench.catalog.served import live_entries
from workbench.model.samples import NS, SeriesKey
from workbench.simulate.service import SimulationService, build_plants
from workbench.simulate.truth import TruthLog, read_orders, read_truth, read_truth_tables

SITE, KEY = "coastal_flats", SeriesKey("wind_turbine", "1s")


@pytest.fixture
def catalog(checkout, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WORKBENCH_MODBUS_COASTAL_FLATS", f"127.0.0.1:{probe.getsockname()[1]}")
    return open_catalog(checkout / "catalogs")


async def test_a_set_point_written_by_modbus_curtails_the_turbine(catalog, tmp_path):
    entries = [entry for entry in live_entries(catalog) if entry.name == f"{SITE}.scada"]
    plants = build_plants({SITE: catalog.portfolio.sites[SITE]}, 1)
    service = SimulationService(plants, entries, truth=TruthLog(tmp_path))
    source = next(source for source in catalog.sources() if source.name == f"{SITE}.scada")
    await service.start()
    run = asyncio.create_task(service.run())
    try:
        began = time.time_ns()
        await source.write("CF-T02", "power_setpoint", 700.0)
        read = {sample.asset: sample for sample in await source.read()}
        await asyncio.sleep(2.2)
        later = {sample.asset: sample for sample in await source.read()}
    finally:
        service.request_stop()
        await run
        await service.stop()
    place = read["CF-T02"].shape.variables.index("power_setpoint")
    assert read["CF-T02"].values[place] == 700.0, "at once"
    assert later["CF-T02"].values[place] == 700.0, "and for as long as it stands"
    assert later["CF-T01"].values[place] > 700.0

    (order,) = read_orders(tmp_path / SITE)
    assert (order["asset"], order["series"], order["values"]) == ("CF-T02", "wind_turbine/1s", {"power_setpoint": 700})
    assert began <= order["time"] <= began + 5 * NS
    (fault,) = plants[SITE].truth()
    assert (fault["kind"], fault["asset"], fault["end"]) == ("curtailment", "CF-T02", None)
    assert fault["magnitude"] == pytest.approx(700.0 / 2050.0)

    # what was shown in two ways is held against nobody; all else is compared as ever
    told = read_truth_tables(tmp_path / SITE)[KEY]
    truth = read_truth(tmp_path / SITE)[KEY].sel(asset="CF-T02")["power_setpoint"]
    shown = {
        int(when): float(value) for when, value in zip(truth["time"].values.astype(int), truth.values, strict=True)
    }
    assert all(np.isnan(shown[when]) for when in order["ticks"] if when in shown)
    assert all(value == 700.0 for when, value in shown.items() if when > max(order["ticks"]))
    assert set(shown) == set(told["time"].to_list())


def test_the_plant_follows_and_the_rating_ends_it(catalog):
    site = catalog.portfolio.sites[SITE]
    start = 1_700_000_000 * NS
    plant = build_plants({SITE: site}, 1, start)[SITE]
    assets, names = plant.keys[KEY]
    row, power = assets.index("CF-T03"), names.index("power_output")

    def run(first: int, seconds: int) -> np.ndarray:
        return np.array([plant.tick(start + (first + n) * NS)[KEY].values[row, power] for n in range(seconds)])

    free = run(0, 30)
    least = float(free.min())
    assert least > 50.0, "there is wind"
    plant.order("CF-T03", "power_setpoint", 0.4 * least)
    held = run(30, 120)
    assert held[60:].max() <= 0.4 * least * 1.01
    plant.order("CF-T03", "power_setpoint", 0.2 * least)
    assert run(150, 120)[60:].max() <= 0.2 * least * 1.01
    plant.order("CF-T03", "power_setpoint", 2050.0)
    assert run(270, 120)[60:].min() > 0.4 * least
    assert [fault["end"] is not None for fault in plant.truth()] == [True, True]
    plant.order("CF-T03", "reactive_power_setpoint", 10.0)
    plant.order("CF-GRID", "power_setpoint", 10.0)
