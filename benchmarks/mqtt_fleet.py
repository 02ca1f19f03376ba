"""MQTT at scale: 500 messages a second of 200 values each, QoS 1, through mosquitto, into the store.

A message carries the second in which it was due; messages are spread over the second, so that an age counts up to
0.8 s of waiting for its turn. Broker and publisher are a process of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import _fleet
from benchmarks._mqtt_fleet import tag_map
from benchmarks.figures import Figure, free_port

DEVICES, TAGS = 500, 200


def figures() -> Iterator[Figure]:
    port = free_port()
    outcome = _fleet.run(
        "benchmarks._mqtt_fleet",
        [port, DEVICES, TAGS],
        devices=DEVICES,
        tags=TAGS,
        tag_map=tag_map(TAGS),
        entry={
            "driver": "mqtt",
            "host": f"127.0.0.1:{port}",
            "topic": "fleet/{asset}",
            "assets": [_fleet.asset(i) for i in range(DEVICES)],
        },
        seconds=_fleet.seconds_of_load(120),
    )
    yield from outcome.figures(age=2.0, cores=0.3, devices="one paho publisher; mosquitto not counted")
