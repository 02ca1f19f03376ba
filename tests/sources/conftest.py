"""Fixtures of the source tests: a sink that remembers, and the harness of each protocol."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from workbench.model.samples import Event, Sample

sys.path.insert(0, str(Path(__file__).parent))  # the harness_*.py modules beside this file


class Sink:
    """Keeps what it is given; durable at once, or when told to."""

    def __init__(self, *, durable: bool = True) -> None:
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.arrived: list[float] = []
        self.pending: list[asyncio.Future[None]] = []
        self.notes: dict[str, object] = {}
        self._durable = durable

    def put(self, samples: Sequence[Sample], *, held: bool = False):
        self.samples.extend(samples)
        self.arrived.extend([time.monotonic()] * len(samples))
        future = asyncio.get_running_loop().create_future()
        if self._durable:
            future.set_result(None)
        else:
            self.pending.append(future)
        return future

    def event(self, event: Event) -> None:
        self.events.append(event)

    def remember(self, key: str, value) -> None:
        self.notes[key] = value

    def recall(self, key: str):
        return self.notes.get(key)

    def of(self, asset: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.asset == asset]

    def times(self, asset: str) -> list[int]:
        return [sample.time for sample in self.of(asset)]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def make_sink() -> type[Sink]:
    return Sink


@contextlib.asynccontextmanager
async def _running(source, sink):
    task = asyncio.create_task(source.run(sink))
    try:
        yield task
        assert not task.done(), f"run ended by itself: {task!r}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)


@pytest.fixture
def running():
    """``async with running(source, sink)``: the source runs inside; it must not end by itself."""
    return _running


async def _eventually(condition, seconds: float = 8.0, why: str = ""):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        await asyncio.sleep(0.02)
    pytest.fail(f"not within {seconds} s: {why or condition}")


@pytest.fixture
def eventually():
    """``await eventually(condition, seconds)``: wait until the condition holds; fail where it does not."""
    return _eventually


@pytest.fixture(scope="session")
def opcua_thread():
    """One OPC UA server for all tests, on a loop of its own."""
    from harness_opcua import ServerThread

    made = ServerThread()
    yield made
    made.end()
