"""Server of the OPC UA benchmark: ``python -m benchmarks._opcua_fleet PORT DEVICES TAGS``.

asyncua, a folder for each device. It is the slower side by far: writing 10,000 nodes a second takes it most of a core.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time

import numpy as np

from benchmarks._fleet import asset, tag, values
from workbench.model.tags import OpcUaMap
from workbench.simulate.servers.opcua import OpcUaServer

NAMESPACE = "urn:fleet"


def tag_map(tags: int) -> dict[str, object]:
    return {
        "protocol": "opcua",
        "namespace": NAMESPACE,
        "tags": {tag(i): {"node": tag(i), "type": "float"} for i in range(tags)},
    }


async def serve(port: int, devices: int, tags: int) -> None:
    server = OpcUaServer(f"opc.tcp://127.0.0.1:{port}/fleet")
    checked = OpcUaMap.model_validate(tag_map(tags))
    names = [tag(i) for i in range(tags)]
    for device in range(devices):
        server.add(asset(device), asset(device), checked, names)
    await server.prepare()

    async def show(second: int) -> None:
        for device in range(devices):
            server.encode(asset(device), second * 10**9, values(second, device, tags), np.zeros(tags, np.uint16))
        await server.publish()

    await show(int(time.time()))
    await server.start()
    gc.collect()
    gc.freeze()
    print("serving", flush=True)
    second = int(time.time())
    while True:
        second += 1
        await asyncio.sleep(max(0.0, second - time.time()))
        await show(second)
        if (late := time.time() - second) > 0.95:
            print(f"the server itself is late: {late:.2f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(*map(int, sys.argv[1:4])))
