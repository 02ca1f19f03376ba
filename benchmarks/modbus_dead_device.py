"""One dead device of fifty: what it does to the others, on connections of their own and behind one gateway.

The same fleet is collected twice, all alive and with one device that never answers. What the others lose, and how
much later their values are at a live ring, is the slip.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import _fleet
from benchmarks._modbus_fleet import tag_map
from benchmarks.figures import Figure, free_port

DEVICES, TAGS, DEAD = 50, 50, 24


def figures() -> Iterator[Figure]:
    for connection, words in (("device", "own connections"), ("shared", "one gateway")):
        alive, dead = (collect(connection, silent) for silent in ((), (DEAD,)))
        slip = dead.age_p99 - alive.age_p99
        about = f"p99 {alive.age_p99:.3f} s all alive, {dead.age_p99:.3f} s with one dead; {dead.expected:,} values"
        yield Figure(f"{words}: values of the others lost", dead.lost + dead.wrong, "values", 0, note=about)
        yield Figure(f"{words}: the others' period slips by", round(100 * max(0.0, slip), 1), "%", 5.0, note=about)


def collect(connection: str, silent: tuple[int, ...]) -> _fleet.Outcome:
    port = free_port()
    return _fleet.run(
        "benchmarks._modbus_fleet",
        [port, DEVICES, TAGS, *silent],
        devices=DEVICES,
        tags=TAGS,
        tag_map=tag_map(TAGS),
        entry={
            "driver": "modbus",
            "host": f"127.0.0.1:{port}",
            "connection": connection,
            "assets": {_fleet.asset(i): i + 1 for i in range(DEVICES)},
        },
        seconds=_fleet.seconds_of_load(60),
        silent=silent,
    )
