"""OPC UA at scale: 10,000 nodes (50 devices × 200) that change each second, by subscription, into the store.

The server is a process of its own, and not what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import _fleet
from benchmarks._opcua_fleet import tag_map
from benchmarks.figures import Figure, free_port

DEVICES, TAGS = 50, 200


def figures() -> Iterator[Figure]:
    port = free_port()
    outcome = _fleet.run(
        "benchmarks._opcua_fleet",
        [port, DEVICES, TAGS],
        devices=DEVICES,
        tags=TAGS,
        tag_map=tag_map(TAGS),
        entry={
            "driver": "opcua",
            "url": f"opc.tcp://127.0.0.1:{port}/fleet",
            "assets": {_fleet.asset(i): _fleet.asset(i) for i in range(DEVICES)},
        },
        seconds=_fleet.seconds_of_load(120),
    )
    yield from outcome.figures(age=2.0, cores=1.0, devices="asyncua server")
