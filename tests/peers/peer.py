"""A server that nobody here wrote, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer:
    """A server process that is told on its standard input what to show."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self.keys: dict[str, Any] = {}
        self._command = command
        self._said: queue.Queue[str] = queue.Queue()
        self.start()

    def start(self) -> None:
        """Start it; returns when it listens."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        self._wait("ready", 60)

    def show(self, **what: Any) -> None:
        """Show something; returns when a client can see it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        self._wait("shown", 10)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait(10)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in process.stdout:
                self._said.put(line.strip())
        self._said.put("")

    def _wait(self, word: str, seconds: float) -> None:
        said = []
        with contextlib.suppress(queue.Empty):
            while (line := self._said.get(timeout=seconds)) != word:
                said.append(line)
                if self._process.poll() is not None and self._said.empty():
                    break
            else:
                return
        pytest.fail(f"{self._command[:2]} did not say {word!r}:\n" + "\n".join(said))


@contextlib.contextmanager
def peer(*command: object) -> Iterator[Peer]:
    """A running peer; ``PORT`` in its command is a free port."""
    port = free_port()
    made = Peer([str(port) if word == "PORT" else str(word) for word in command], port)
    try:
        yield made
    finally:
        made.kill()
