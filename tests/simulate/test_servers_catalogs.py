"""The demo catalogs from both sides: what the servers serve for them, their sources read to the bit."""

from __future__ import annotations

import asyncio
import socket
import time

import numpy as np
import pytest

from workbench.catalog import open_catalog
from workbench.catalog.served import live_entries
from workbench.demo.addresses import ADDRESSES
from workbench.model.samples import SeriesKey
from workbench.model.vocabulary import vocabulary
from workbench.simulate.service import SimulationService, build_plants
from workbench.simulate.truth import TruthLog, read_truth, truth_sites

SITES = ("coastal_flats", "north_ridge", "sun_valley")


class Frame:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.quality = None


class AnyPlant:
    """Values all over the valid range of every variable: what a real plant would take years to show."""

    def __init__(self, entries: list) -> None:
        self.keys = {entry.series: (tuple(entry.assets), tuple(entry.tags.tags)) for entry in entries}

    def tick(self, t_ns: int) -> dict[SeriesKey, Frame]:
        rng = np.random.default_rng(t_ns // 10**9)
        frames = {}
        for key, (assets, names) in self.keys.items():
            values = np.empty((len(assets), len(names)))
            for i, name in enumerate(names):
                term = vocabulary()[name]
                if term.states:
                    values[:, i] = rng.choice(list(term.states.values()), len(assets))
                else:
                    values[:, i] = rng.uniform(term.valid_min, term.valid_max, len(assets))
            frames[key] = Frame(values)
        return frames


@pytest.fixture
def addresses(monkeypatch) -> dict[str, str]:
    """Free ports for everything the demo catalogs name."""
    chosen = {}
    probes = [socket.socket() for _ in ADDRESSES]
    for probe, (name, (form, _)) in zip(probes, ADDRESSES.items(), strict=True):
        probe.bind(("127.0.0.1", 0))
        chosen[name] = form.format(port=probe.getsockname()[1])
        monkeypatch.setenv(name, chosen[name])
    for probe in probes:
        probe.close()
    return chosen


@pytest.fixture
def catalog(addresses, checkout):
    return open_catalog(checkout / "catalogs")


def test_catalogs_and_tag_maps_are_without_fault(catalog):
    assert [str(error) for error in catalog.check() if "la_haute_borne" not in str(error.file)] == []
    assert {entry.site for entry in live_entries(catalog)} == set(SITES)


def test_every_state_has_a_code_and_every_variable_fits_its_asset(catalog):
    words = vocabulary()
    for entry in live_entries(catalog):
        for name, tag in entry.tags.tags.items():
            assert entry.series.asset_type in words[name].asset_types, (entry.name, name)
            if words[name].states:
                assert set(tag.states.values()) == set(words[name].states), (entry.name, name)


def test_a_device_answers_everything_in_one_read(catalog):
    from workbench.simulate.servers.encode import ModbusEncoder

    for entry in live_entries(catalog):
        if entry.driver == "modbus":
            blocks = ModbusEncoder(entry.tags, list(entry.tags.tags)).blocks
            assert len(blocks) == 1
            assert next(iter(blocks.values()))[1] <= entry.tags.max_registers, entry.name


def test_everything_the_plants_know_is_served(catalog):
    entries = live_entries(catalog)
    plants = build_plants({site: catalog.portfolio.sites[site] for site in SITES}, 1, time.time_ns() // 10**9 * 10**9)
    served = {(entry.site, entry.series): (set(entry.assets), set(entry.tags.tags)) for entry in entries}
    known = {
        (site, key): (set(assets), set(variables))
        for site, plant in plants.items()
        for key, (assets, variables) in plant.keys.items()
    }
    assert served == known


async def test_sources_read_what_the_truth_says_to_the_bit(catalog, tmp_path):
    entries = live_entries(catalog)
    plants = {site: AnyPlant([entry for entry in entries if entry.site == site]) for site in SITES}
    service = SimulationService(plants, entries, truth=TruthLog(tmp_path))
    await service.start()
    run = asyncio.create_task(service.run())
    read: list[tuple[str, SeriesKey, list]] = []
    try:
        for _ in range(2):
            for source in catalog.sources():
                read.append((source.site, source.series, await source.read()))
            await asyncio.sleep(1.0)
    finally:
        service.request_stop()
        await run
        await service.stop()
    truth = {site: read_truth(folder) for site, folder in truth_sites(tmp_path).items()}
    assert set(truth) == set(SITES)
    values = 0
    for site, key, samples in read:
        assert {sample.asset for sample in samples} == set(plants[site].keys[key][0])
        for sample in samples:
            row = truth[site][key].sel(asset=sample.asset, time=np.datetime64(sample.time, "ns"))
            true = np.array([float(row[name]) for name in sample.shape.variables])
            np.testing.assert_array_equal(sample.values, true, err_msg=f"{site} {sample.asset}")
            values += len(true)
    assert values > 2 * 500
