"""A device comes back after an hour: with the pauses as they are then, and at the worst instant of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from harness import Told
from harness_modbus import ModbusHarness

from workbench.collect import Collector
from workbench.model.samples import NS
from workbench.sources.modbus import ModbusSource
from workbench.store import SiteStore

#: Tries in an hour, and more.
AN_HOUR = 1_000


def source(server: ModbusHarness, asset: str) -> ModbusSource:
    config = {
        "asset_type": "wind_turbine",
        "cadence": "1s",
        "host": f"127.0.0.1:{server.port}",
        "assets": {asset: 1},
        "timeout": 1.0,
    }
    return ModbusSource.from_config(f"hill.{asset}", "hill", config, server.tags())


async def test_after_an_hour_too_and_at_the_worst_instant(tmp_path: Path, monkeypatch):
    """One server is stopped, the other goes on and its unit says nothing. Both come back just after they were asked.

    The jitter is at its longest, and so many tries are behind them as an hour has.
    """
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    servers = {"GONE": ModbusHarness(), "SILENT": ModbusHarness()}
    for server in servers.values():
        await server.start()
    sources = {asset: source(server, asset) for asset, server in servers.items()}
    collector = Collector(tmp_path, list(sources.values()), flush=0.05, keeper=False)
    site = SiteStore(tmp_path, "hill")
    running = asyncio.create_task(collector.run())

    async def until(condition, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)

    async def speak() -> None:
        while True:
            for server in servers.values():
                await server.tell("T1", Told(time.time_ns()))
            await asyncio.sleep(0.2)

    async def away(asset: str) -> float:
        """Seconds from the return of a device until the journal has its first sample."""
        device = sources[asset]._running[asset]
        if asset == "GONE":
            await servers[asset].stop()
            await until(lambda: device.health.state == "down", 10)
            device.link._attempts = AN_HOUR
        else:
            await servers[asset].silence("T1")
            await until(lambda: device.health.state == "down", 10)
            device._silent = AN_HOUR
        errors = device.health.errors
        await until(lambda: device.health.errors > errors, 15)  # it was just asked
        if asset == "GONE":
            await servers[asset].start()
        else:
            servers[asset].units[1].silent = False
        back = time.time_ns()

        def heard() -> list[int]:
            batches = [batch for batch in site.journal.since(0) if asset in batch.assets]
            own = [batch.received[batch.asset == batch.assets.index(asset)] for batch in batches]
            return [int(when) for each in own for when in each if when > back]

        await until(heard, 14)
        return (min(heard()) - back) / NS

    speaking = asyncio.create_task(speak())
    try:
        await until(lambda: all(one.health.device(name).state == "ok" for name, one in sources.items()), 10)
        took = await asyncio.gather(*(away(asset) for asset in servers))
        assert max(took) <= 10.0, took
        assert min(took) > 3.0, "the pause was not that of an hour"
    finally:
        speaking.cancel()
        collector.stop()
        await asyncio.wait_for(running, 20)
        for server in servers.values():
            await server.stop()
        site.close()
