"""What the conformance suite needs of each protocol: a real server with two devices and a way to break it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from workbench.sources.base import Source
from workbench.sources.registry import driver

SITE = "test_site"
ASSETS = ("T1", "T2")
#: Variables every harness serves, in the vocabulary's units.
GOOD = {"power_output": 1234.5, "wind_speed": 8.25, "ambient_temperature": 15.0, "turbine_status": 2.0}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Told:
    """What a device says at one instant, in the vocabulary's units."""

    time: int
    power_output: float = 1234.5  # [kW]; on the wire W
    wind_speed: float = 8.25  # [m/s]; NaN is sent as what the protocol has for no number
    ambient_temperature: float = 15.0  # [degC]; on the wire degF
    generating: bool = True  # turbine_status: device code 10 or 20
    bad: bool = False  # the source itself calls wind_speed bad, where it can
    uncertain: bool = False
    words: bool = False  # wind_speed is said in words, where the protocol has any

    @property
    def fahrenheit(self) -> float:
        return self.ambient_temperature * 9 / 5 + 32

    @property
    def code(self) -> int:
        return 10 if self.generating else 20

    @property
    def no_wind(self) -> bool:
        return math.isnan(self.wind_speed)


@dataclass
class Harness:
    """One protocol under test. ``gaps`` names what the protocol has no way to do, and why."""

    driver: str
    gaps: dict[str, str] = field(default_factory=dict)
    cadence: str = "200ms"

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    async def release(self) -> None:
        """The test is over."""
        await self.stop()

    async def tell(self, asset: str, told: Told) -> None:
        """Make ``asset`` show a new reading."""
        raise NotImplementedError

    async def silence(self, asset: str) -> None:
        """Make ``asset`` not answer any more."""
        raise NotImplementedError

    @property
    def served_at(self) -> int:
        """Port of the server."""
        return int(self.port)  # type: ignore[attr-defined]

    async def babble(self) -> None:
        """After ``stop``: something else answers in the server's place, without sense or end."""
        self._babbler = await asyncio.start_server(_babble, "127.0.0.1", self.served_at)

    async def hush(self) -> None:
        """It is gone."""
        await _end(self._babbler)

    def tags(self, *, extra: bool = False) -> Any:
        """The tag map; with ``extra`` also a variable that the device does not have."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    def config_at(self, port: int) -> dict[str, Any]:
        """The configuration with the server at another port."""
        return {**self.config(), "host": f"127.0.0.1:{port}"}

    def wrong_config(self) -> dict[str, Any]:
        """A configuration whose address nobody listens at."""
        raise NotImplementedError

    def source(self, config: dict[str, Any] | None = None, *, extra: bool = False, **keys: Any) -> Source:
        base = {"asset_type": "wind_turbine", "cadence": self.cadence}
        keys = {**base, **(self.config() if config is None else config), **keys}
        return driver(self.driver).from_config(f"{SITE}.{self.driver}", SITE, keys, self.tags(extra=extra))


async def _babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1000):
            writer.write(os.urandom(300))
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    await asyncio.sleep(0)


class Relay:
    """Passes a TCP connection on, until it is cut."""

    def __init__(self, to: int) -> None:
        self.to, self.port = to, 0
        self._tasks: set[asyncio.Task] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        await _end(self._server)
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        self._tasks, self._writers = set(), set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pump(source, target)))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
        target.close()


class Witness:
    """A thread that notes when this process was not let run: on a busy machine for longer than a cadence here.

    What a device said meanwhile nobody could read, and no source is to blame for it. A loop that our own code holds
    up does not stop this thread, so that is no excuse.
    """

    _LOOK, _STOOD_STILL = 0.01, 0.04  # [s]

    def __enter__(self) -> Self:
        self._still: list[tuple[int, int]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.time_ns()
        while not self._end.wait(self._LOOK):
            now = time.time_ns()
            if now - before > (self._LOOK + self._STOOD_STILL) * 1e9:
                self._still.append((before, now))
            before = now

    def excuses(self, when: int, period: int) -> bool:
        """Whether the process stood still while what was said at ``when`` could be read, or shortly before [ns]."""
        return any(start < when + period and when - period < end for start, end in self._still)
