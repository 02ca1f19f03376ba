"""An MQTT broker on this machine: mosquitto where it is installed, otherwise amqtt inside this process."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from workbench.model.errors import InputError
from workbench.simulate.servers.net import Address, bind_error, check_free, reachable

BrokerKind = Literal["auto", "mosquitto", "amqtt"]

_SECONDS_TO_START = 10.0


def find_mosquitto() -> str | None:
    """Path of the mosquitto broker, None where it is not installed. It often stands outside of ``PATH``."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])
    return shutil.which("mosquitto", path=places)


class Broker:
    """A broker without passwords on one port, ended with :meth:`stop`.

    Parameters
    ----------
    kind
        ``auto`` takes mosquitto where it is installed.
    name
        Entry served, for messages.
    """

    def __init__(self, address: Address, kind: BrokerKind = "auto", name: str = "mqtt") -> None:
        self.address = address
        self.name = name
        self.kind = ("mosquitto" if find_mosquitto() else "amqtt") if kind == "auto" else kind
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._embedded: Any = None

    @property
    def pid(self) -> int | None:
        """Process id of mosquitto, None where the broker runs inside this process."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Listen. Raises InputError where the port cannot be had or mosquitto is missing."""
        check_free(self.address, self.name)
        if self.kind == "mosquitto":
            await self._start_mosquitto()
        else:
            await self._start_amqtt()

    async def _start_mosquitto(self) -> None:
        program = find_mosquitto()
        if program is None:
            raise InputError(
                "mosquitto is not installed", where=self.name, hint="leave the choice of broker to us: auto"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="workbench-mosquitto-")
        folder = Path(self._folder.name)
        config = folder / "mosquitto.conf"
        lines = [
            f"listener {self.address.port} {self.address.host}",
            "allow_anonymous true",
            "persistence false",
            # a client that is away for a while finds its QoS 1 messages when it comes back
            "max_queued_messages 100000",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # it would otherwise change to a user who may not read this folder
        config.write_text("\n".join(lines) + "\n")
        log = folder / "mosquitto.log"
        self._process = _child([program, "-c", str(config)], log)
        loop = asyncio.get_running_loop()
        end = loop.time() + _SECONDS_TO_START
        while True:
            if self._process.poll() is not None or loop.time() > end:
                said = log.read_text(errors="replace").strip()
                await self.stop()
                raise bind_error(OSError(f"mosquitto did not start: {said}"), self.address, self.name)
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(reachable(self.address.host), self.address.port)
                writer.close()
                return
            await asyncio.sleep(0.05)

    async def _start_amqtt(self) -> None:
        from amqtt.broker import Broker as Embedded
        from amqtt.errors import BrokerError

        class Quiet(Embedded):  # type: ignore[misc]
            """amqtt, not upset by a client that hangs up first (as one does whose MQTT 5 it has refused)."""

            async def stream_connected(self, *arguments: Any, **named: Any) -> None:
                with contextlib.suppress(OSError):
                    await super().stream_connected(*arguments, **named)

        self._embedded = Quiet(
            {
                "listeners": {"default": {"type": "tcp", "bind": str(self.address)}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        try:
            await self._embedded.start()
        except BrokerError as error:
            self._embedded = None
            raise bind_error(OSError(str(error)), self.address, self.name) from error

    async def stop(self) -> None:
        """End the broker, and the process where it is one. A second call does nothing."""
        if self._embedded is not None:
            embedded, self._embedded = self._embedded, None
            await embedded.shutdown()
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _child(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start ``command``; from the main thread, since the kernel ends the child with the thread that made it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # its own session: Ctrl-C reaches us, and we end it after the last message
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )


def _die_with_parent() -> None:
    """Ask Linux to end the child when this process is killed: no broker is left behind by ``kill -9``."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
