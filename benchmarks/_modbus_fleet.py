"""Devices of the Modbus benchmarks: ``python -m benchmarks._modbus_fleet PORT DEVICES TAGS [SILENT]``."""

from __future__ import annotations

import asyncio
import struct
import sys
import time

from benchmarks._fleet import asset, tag, values
from workbench.model.tags import ModbusMap
from workbench.simulate.servers.modbus import ModbusServer
from workbench.simulate.servers.net import Address


def tag_map(tags: int) -> dict[str, object]:
    """Clock in the first four registers, then one float after the other."""
    return {
        "protocol": "modbus",
        "clock": {"register": 0, "format": "unix_ms"},
        "tags": {tag(i): {"register": 4 + 2 * i, "type": "float32"} for i in range(tags)},
    }


async def serve(port: int, devices: int, tags: int, silent: int = -1) -> None:
    server = ModbusServer(Address("127.0.0.1", port))
    checked = ModbusMap.model_validate(tag_map(tags))
    units = {}
    for device in range(devices):
        if device != silent:
            server.add(asset(device), device + 1, checked, [tag(i) for i in range(tags)])
            units[device] = server._assets[asset(device)][1]

    def show(second: int) -> None:
        clock = list(struct.unpack(">4H", struct.pack(">Q", second * 1000)))
        for device, unit in units.items():
            registers = values(second, device, tags).astype(">f4").view(">u2").tolist()
            unit.tables = {"holding": clock + registers}

    show(int(time.time()))
    await server.start()
    print("serving", flush=True)
    second = int(time.time())
    while True:
        second += 1
        await asyncio.sleep(max(0.0, second - time.time()))
        show(second)
        if (late := time.time() - second) > 0.5:
            print(f"the devices themselves are late: {late:.2f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
