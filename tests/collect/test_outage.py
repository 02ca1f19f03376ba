"""A device that was away for longer than any pause grows is read again within ten seconds of its return."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from harness import Told
from harness_modbus import ModbusHarness

from workbench.collect import Collector, read_health
from workbench.model.samples import NS
from workbench.store import SiteStore

#: After this the pause between two tries is the longest there is, as after an hour: 0.5, 1, 2, then 4 s ± 25 %.
OUTAGE = 14.0


async def test_a_device_is_read_again_within_ten_seconds_of_its_return(tmp_path: Path):
    device = ModbusHarness()
    await device.start()
    source = device.source()
    collector = Collector(tmp_path, [source], flush=0.05, keeper=False)
    running = asyncio.create_task(collector.run())
    site = SiteStore(tmp_path, source.site)

    async def tell(until: float) -> None:
        while time.monotonic() < until:
            for asset in ("T1", "T2"):
                await device.tell(asset, Told(time.time_ns(), power_output=100.0))
            await asyncio.sleep(0.2)

    def last() -> int:
        return max((int(batch.received.max()) for batch in site.journal.since(0)), default=0)

    try:
        await tell(time.monotonic() + 3)
        assert last()
        await device.stop()
        await asyncio.sleep(OUTAGE)
        assert read_health(tmp_path / source.site)["sources"][source.name]["devices"]["T1"]["state"] == "down"
        before = last()
        await device.start()
        back = time.time_ns()
        telling = asyncio.create_task(tell(time.monotonic() + 14))
        while last() <= before and time.time_ns() < back + 13 * NS:
            await asyncio.sleep(0.1)
        after = (last() - back) / NS
        telling.cancel()
        assert 0 < after <= 10.0
    finally:
        collector.stop()
        await asyncio.wait_for(running, 20)
        site.close()
        await device.release()
