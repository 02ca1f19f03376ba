"""RTU: answers that come too late, noise on the line, and a machine that stood still."""

from __future__ import annotations

import asyncio
import time

import pytest
from harness import Told
from harness_modbus import SerialHarness
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, WriteMultipleRegistersRequest

from workbench.sources.modbus_link import _Limit
from workbench.sources.modbus_rtu import Expected, RtuAnswers


def frame(*body: int) -> bytes:
    data = bytes(body)
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def answer(unit: int, registers: list[int]) -> bytes:
    return frame(unit, 3, 2 * len(registers), *(byte for each in registers for byte in each.to_bytes(2, "big")))


def framer(request) -> RtuAnswers:
    made = RtuAnswers(DecodePDU(False))
    made.expected = Expected.of(request)
    return made


READ = ReadHoldingRegistersRequest(address=10, count=2, dev_id=7)
RIGHT = answer(7, [0x1234, 0x5678])
#: What must not be taken for the answer: of another unit, another length, another function, or broken.
WRONG = st.sampled_from(
    [
        answer(6, [1, 2]),
        answer(7, [1, 2, 3]),
        answer(7, []),
        frame(7, 4, 4, 0, 1, 0, 2),
        frame(7, 0x84, 2),
        RIGHT[:-1] + bytes([RIGHT[-1] ^ 1]),
        RIGHT[:5],
        b"\x00",
        b"\x07\x03\x04",
        b"\xff" * 9,
    ]
)


@given(st.lists(WRONG, max_size=4), st.lists(WRONG, max_size=2))
def test_the_answer_is_found_among_everything_else(before, after):
    made = framer(READ)
    data = b"".join([*before, RIGHT, *after])
    used, pdu = made.handleFrame(data, 7, 0)
    assert pdu is not None
    assert pdu.registers == [0x1234, 0x5678]
    assert data[:used].endswith(RIGHT)


@given(st.lists(WRONG, max_size=6), st.integers(0, 8))
def test_nothing_else_is_taken_for_it(noise, cut):
    made = framer(READ)
    used, pdu = made.handleFrame(b"".join(noise) + RIGHT[:cut], 7, 0)
    assert (used, pdu) == (0, None), "and nothing is thrown away that may be its beginning"


@given(st.binary(max_size=600))
def test_a_line_that_only_makes_noise(noise):
    used, pdu = framer(READ).handleFrame(noise, 7, 0)
    assert pdu is None
    assert len(noise) - used <= 256


def test_refusals_and_writes():
    _, pdu = framer(READ).handleFrame(answer(7, [1]) + frame(7, 0x83, 2), 7, 0)
    assert (pdu.isError(), pdu.exception_code) == (True, 2)
    write = WriteMultipleRegistersRequest(address=10, registers=[1, 2], dev_id=7)
    other, own = frame(7, 16, 0, 11, 0, 2), frame(7, 16, 0, 10, 0, 2)
    assert framer(write).handleFrame(other, 7, 0)[1] is None
    assert framer(write).handleFrame(other + own, 7, 0)[1].address == 10


async def test_time_in_which_we_stood_still_is_not_held_against_the_device():
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    _Limit(loop, waiting, 0.1)
    await asyncio.sleep(0)
    time.sleep(0.2)  # the machine had other things to do
    await asyncio.sleep(0.03)
    assert not waiting.done()
    with pytest.raises(TimeoutError):
        await waiting
    punctual = loop.create_future()
    _Limit(loop, punctual, 0.05)
    began = loop.time()
    with pytest.raises(TimeoutError):
        await punctual
    assert loop.time() - began >= 0.05


async def test_an_answer_that_comes_too_late_is_no_answer_to_the_next_question(sink, running, eventually):
    """Both blocks of this device are of one length: the late answer would be believed."""
    line = SerialHarness()
    await line.start()
    try:
        for n, asset in enumerate(("T1", "T2")):
            await line.tell(asset, Told(time.time_ns(), power_output=100.0 * (n + 1)))
        source = line.source()
        async with running(source, sink):
            await eventually(lambda: sink.of("T1") and sink.of("T2"))
            line.units[1].delay = 0.15  # beyond the time-out
            end = time.monotonic() + 3
            while time.monotonic() < end:
                for n, asset in enumerate(("T1", "T2")):
                    await line.tell(asset, Told(time.time_ns(), power_output=100.0 * (n + 1)))
                await asyncio.sleep(0.1)
            line.units[1].delay = 0.0
            errors = source.health.device("T1").errors
            assert errors > 0, "nothing was late"
            before = len(sink.of("T1"))
            for _ in range(100):
                await line.tell("T1", Told(time.time_ns(), power_output=100.0))
                await asyncio.sleep(0.1)
                if len(sink.of("T1")) > before:
                    break
            assert len(sink.of("T1")) > before
        for n, asset in enumerate(("T1", "T2")):
            assert {sample.values[0] for sample in sink.of(asset)} == {100.0 * (n + 1)}
        assert source.health.device("T2").state in ("ok", "idle")
    finally:
        await line.stop()
        line.unplug()
