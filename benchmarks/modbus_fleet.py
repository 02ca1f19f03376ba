"""Modbus at scale: 50 devices × 2,000 float32 at 1 s (100,000 values/s), decoded, into the store, for five minutes.

The devices are a process of their own, so is the collector (``workbench collect`` on a catalog, with its keeper)
and so is the reader whose live ring gives the ages. At the end the store is compared with what the devices said,
value by value: what they say at a second is a function of the second.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import _fleet
from benchmarks._modbus_fleet import tag_map
from benchmarks.figures import Figure, free_port

DEVICES, TAGS = 50, 2_000


def figures() -> Iterator[Figure]:
    port = free_port()
    outcome = _fleet.run(
        "benchmarks._modbus_fleet",
        [port, DEVICES, TAGS],
        devices=DEVICES,
        tags=TAGS,
        tag_map=tag_map(TAGS),
        entry={
            "driver": "modbus",
            "host": f"127.0.0.1:{port}",
            "connection": "device",
            "assets": {_fleet.asset(i): i + 1 for i in range(DEVICES)},
        },
        seconds=_fleet.seconds_of_load(300),
    )
    yield from outcome.figures(age=1.0, cores=1.0, memory=1500, devices="pymodbus servers")
