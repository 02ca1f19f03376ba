"""Child processes that end with us, whatever happens to us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1


class Child:
    """A ``workbench`` child process with its log file.

    It runs in its own session, so that Ctrl-C reaches only the parent, which then ends it in order; on
    Linux the kernel ends it should the parent be killed.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        nice: int = 0,
        stdout: int | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = log.open("ab")

        def prepare() -> None:
            os.nice(nice)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._file if stdout is None else stdout,
            stderr=self._file,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=prepare,  # no threads are running yet when children start
        )

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self.process.poll() is None

    def end(self, patience: float = 20.0) -> int:
        """Ask it to end, insist after ``patience`` [s], and return its exit code."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._file.close()
        return code

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])
