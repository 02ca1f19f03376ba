"""Live entries: what was collected, the newest values, and the devices asked directly."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from workbench.catalog import SiteView, open_catalog, open_portfolio, open_site
from workbench.model.errors import InputError
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.sources.base import SourceError
from workbench.store import SiteStore

from .conftest import LIVE

Write = Callable[..., Path]
START = 1_704_067_200 * NS  # 2024-01-01


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with five seconds of two turbines and one that the catalog does not name."""
    root = tmp_path / "store"
    shape = Shape(SeriesKey("wind_turbine", "1s"), ("power_output", "wind_speed"), ("f4", "f4"))
    second = np.repeat(np.arange(5), 3)
    time = START + second * NS + 250_000_000
    batch = Batch(
        shape,
        ("T1", "T2", "T9"),
        slot=START + second * NS,
        asset=np.tile(np.arange(3, dtype=np.int32), 5),
        time=time,
        received=time,
        count=np.ones(15, np.uint16),
        values=np.column_stack([100.0 + np.arange(15), np.full(15, 7.0)]),
    )
    site = SiteStore(root, "hill")
    site.journal.append([batch])
    site.close()
    return root


def test_read_gives_what_was_collected(write: Write, store: Path) -> None:
    entry = open_catalog(write(text=LIVE), store=store)["hill.live"]
    data = entry.read()
    assert data["power_output"].chunks is not None  # lazy
    assert list(data["asset"].values) == ["T1", "T2"]  # its own assets, not all of the series
    assert data["power_output"].values.tolist() == [[100 + 3 * i, 101 + 3 * i] for i in range(5)]
    assert data["rated_capacity"].values.tolist() == [2000, 2000]
    assert data.attrs["entry"] == "hill.live"
    part = entry.read(time=slice("2024-01-01T00:00:01", "2024-01-01T00:00:03"), assets="T2", variables="wind_speed")
    assert part["wind_speed"].shape == (2, 1)
    assert "power_output" not in part
    with pytest.raises(InputError, match="did you mean 'wind_speed'"):
        entry.read(variables="wind_sped")


def test_the_newest_values(write: Write, store: Path) -> None:
    data = open_catalog(write(text=LIVE), store=store)["hill.live"].live()
    assert data["power_output"].dims == ("asset",)
    assert data["power_output"].values.tolist() == [112, 113]
    assert data["power_output_time"].values.astype("int64").tolist() == [START + 4_250_000_000] * 2


def test_describe_says_where_and_since_when(write: Write, store: Path) -> None:
    about = open_catalog(write(text=LIVE), store=store)["hill.live"].describe()
    assert about["where"] == ["127.0.0.1:1502"]
    assert about["variables"] == {"power_output": "kW", "wind_speed": "m/s"}
    assert [str(time)[:19] for time in about["span"]] == ["2024-01-01T00:00:00", "2024-01-01T00:00:04"]


def test_nothing_collected_yet(write: Write, tmp_path: Path) -> None:
    entry = open_catalog(write(text=LIVE), store=tmp_path / "empty")["hill.live"]
    for ask in (entry.read, entry.live):
        with pytest.raises(InputError, match=r"nothing has been collected from hill\.live yet"):
            ask()
    assert entry.describe()["span"] is None
    assert not (tmp_path / "empty").exists()  # looking makes nothing


STORED = """\
site: hill
entries:
  seen: {driver: store, asset_type: wind_turbine, cadence: 1s}
"""


def test_an_entry_that_shows_the_store(write: Write, store: Path) -> None:
    entry = open_catalog(write(text=STORED), store=store)["hill.seen"]
    assert entry.kind == "store"
    assert list(entry.read()["asset"].values) == ["T1", "T2", "T9"]
    assert entry.live()["power_output"].values.tolist() == [112, 113, 114]
    with pytest.raises(InputError, match="there is no device to ask"):
        entry.live(direct=True)


def test_sources_for_the_collector(write: Write) -> None:
    [source] = open_catalog(write(text=LIVE)).sources("hill")
    assert source.name == "hill.live"
    assert source.series == SeriesKey("wind_turbine", "1s")
    assert source.assets == ("T1", "T2")
    assert open_catalog(write(text=LIVE)).sources("elsewhere") == []


@pytest.fixture
def device() -> Iterator[int]:
    """A Modbus server with two units; gives its port."""
    ready = threading.Event()
    ports: list[int] = []
    loop = asyncio.new_event_loop()
    holder: list[ModbusTcpServer] = []

    async def serve() -> None:
        units = [
            SimDevice(id=unit, simdata=SimData(0, values=[1000 * unit, 750], datatype=DataType.REGISTERS))
            for unit in (1, 2)
        ]
        server = ModbusTcpServer(units, address=("127.0.0.1", 0))
        holder.append(server)
        await server.serve_forever(background=True)
        ports.append(server.transport.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    yield ports[0]
    asyncio.run_coroutine_threadsafe(holder[0].shutdown(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_asking_the_devices(write: Write, device: int) -> None:
    entry = open_catalog(write(text=LIVE.replace("1502", str(device))))["hill.live"]
    data = entry.live(direct=True)
    assert data["power_output"].values.tolist() == [1000, 2000]
    assert data["wind_speed"].values.tolist() == [7.5, 7.5]
    assert data["rated_capacity"].values.tolist() == [2000, 2000]
    assert not np.isnat(data["wind_speed_time"].values).any()


async def test_asking_the_devices_from_a_running_loop(write: Write, device: int) -> None:
    """As in a notebook, where a loop is running already."""
    entry = open_catalog(write(text=LIVE.replace("1502", str(device))))["hill.live"]
    assert entry.live(direct=True)["power_output"].values.tolist() == [1000, 2000]


def test_a_dead_device_says_so(write: Write) -> None:
    entry = open_catalog(write(text=LIVE.replace("127.0.0.1:1502", "127.0.0.1:9")))["hill.live"]
    with pytest.raises(SourceError, match=r"hill\.live") as caught:
        entry.live(direct=True)
    whole = "".join(traceback.format_exception(caught.value))
    assert "another exception occurred" not in whole
    assert "event loop" not in whole


@pytest.fixture
def view(folder: Path, store: Path) -> SiteView:
    return open_site("hill", store, portfolio=open_portfolio(folder / "portfolio"))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"series": "wind_turbine/1s"},
        {"series": "wind_turbine"},
        {"series": SeriesKey("wind_turbine", "1s")},
        {"asset_type": "wind_turbine"},
        {"cadence": "1s"},
    ],
)
def test_a_series_of_a_site(view: SiteView, asked: dict[str, object]) -> None:
    data = view.telemetry(**asked)  # type: ignore[arg-type]
    assert data.sizes == {"time": 5, "asset": 3}
    np.testing.assert_array_equal(data["rated_capacity"].values, [2000, 2000, np.nan])
    assert data["farm_id"].values.tolist() == ["hill"] * 3


def test_a_site(view: SiteView) -> None:
    assert repr(view) == "<SiteView hill: wind_turbine/1s>"
    assert [asset.id for asset in view.assets] == ["T1", "T2", "MAST"]
    assert view.facts is not None
    assert view.facts.timezone == "Europe/Paris"
    assert view.tree()["wind_turbine/1s"]["power_output"].shape == (5, 3)
    assert view.latest()["power_output"].values.tolist() == [112, 113, 114]
    assert view.events().is_empty()


def test_errors_of_a_site(view: SiteView, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="no series 'wind_turbine/5s' at hill\n  expected: one of wind_turbine/1s\n  hint: "
    ):
        view.telemetry("wind_turbine/5s")
    with pytest.raises(InputError, match="not both"):
        view.telemetry("wind_turbine/1s", cadence="1s")
    portfolio = open_portfolio(folder / "portfolio")
    with pytest.raises(InputError, match="no site 'hil'\n  expected: one of hill\n  hint:     did you mean 'hill'"):
        open_site("hil", tmp_path, portfolio=portfolio)
    with pytest.raises(InputError, match="the store has nothing of hill"):
        open_site("hill", tmp_path / "empty", portfolio=portfolio).telemetry()
