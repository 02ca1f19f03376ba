"""Devices of the Modbus benchmark, a process of its own: ``python -m benchmarks._modbus_fleet PORT DEVICES TAGS``."""

from __future__ import annotations

import asyncio
import struct
import sys
import time

import numpy as np

from workbench.model.tags import ModbusMap
from workbench.simulate.servers.modbus import ModbusServer
from workbench.simulate.servers.net import Address


def tag_map(tags: int) -> dict[str, object]:
    """Clock in the first four registers, then one float after the other."""
    return {
        "protocol": "modbus",
        "clock": {"register": 0, "format": "unix_ms"},
        "tags": {f"tag_{i:04d}": {"register": 4 + 2 * i, "type": "float32"} for i in range(tags)},
    }


def values(second: np.ndarray | int, device: np.ndarray | int, tags: int) -> np.ndarray:
    """What a device says at a second: exact in float32, another number at each second and for each tag."""
    whole = (np.asarray(second) + 97 * np.asarray(device)) % 4096
    return whole[..., None] + np.arange(tags) / 2048.0


async def serve(port: int, devices: int, tags: int) -> None:
    server = ModbusServer(Address("127.0.0.1", port))
    names = [f"tag_{i:04d}" for i in range(tags)]
    checked = ModbusMap.model_validate(tag_map(tags))
    units = []
    for device in range(devices):
        server.add(f"D{device:03d}", device + 1, checked, names)
        units.append(server._assets[f"D{device:03d}"][1])

    def show(second: int) -> None:
        clock = list(struct.unpack(">4H", struct.pack(">Q", second * 1000)))
        for device, unit in enumerate(units):
            registers = values(second, device, tags).astype(">f4").view(">u2").tolist()
            unit.tables = {"holding": clock + registers}

    show(int(time.time()))
    await server.start()
    print("serving", flush=True)
    second = int(time.time())
    while True:
        second += 1
        await asyncio.sleep(max(0.0, second - time.time()))
        late = time.time() - second
        if late > 0.5:
            print(f"late {late:.2f}", file=sys.stderr, flush=True)
        show(second)


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:4])))
