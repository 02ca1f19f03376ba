"""The wallboard at 200 viewers that ask every 10 s, over a store that lives.

The plant, the server (as ``workbench dashboards`` runs it, its pages included) and the viewers are processes of their
own. Each viewer keeps a connection, asks as the wallboard's script does (packed, with the etag it has), and looks how
old the data is that it gets. What the viewers take is what the server takes with them less what it takes without; the
server's looking at the store and all it has loaded are shown beside it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Watched, free_port

VIEWERS, REFRESH = 200, 10.0
ALONE, SECONDS = 30, 90


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as store, contextlib.ExitStack() as ending:
        port = free_port()
        start("benchmarks._plant", store, ending=ending, wait=True)
        server = start("benchmarks._pages_server", store, str(port), "20", ending=ending)
        await_pages(f"http://127.0.0.1:{port}/portfolio")
        time.sleep(10)  # the first look at everything, and what a first page has loaded
        alone = Watched(server.pid)
        before = watch(alone, ALONE)
        viewers = start("benchmarks._wall_viewers", str(port), str(VIEWERS), str(REFRESH), str(SECONDS), ending=ending)
        time.sleep(REFRESH + 2)  # all have come
        crowd = Watched(server.pid)
        after = watch(crowd, SECONDS - REFRESH - 5)
        told, _ = viewers.communicate(timeout=60)
        seen = json.loads(told.splitlines()[-1])
    about = f"{seen['answers']:,} answers, {seen['unchanged']:,} of them 304, {seen['kb']:.1f} kB each packed"
    yield Figure("a server with 200 viewers, all it does", round(crowd.share, 4), "core", 0.05, note=about)
    yield Figure("the same without viewers", round(alone.share, 4), "core", note="looks at the store each second")
    yield Figure("200 viewers' memory in all", round(max(after - before, 0.0), 1), "MB", 150)
    yield Figure(
        "the server's memory in all", round(after, 1), "MB", note="Panel, xarray, the store and rings included"
    )
    yield Figure("viewers that got no answer or stale data", seen["failed"] + seen["stale"], "answers", 0)
    yield Figure("answer, p95", round(1000 * seen["p95"], 1), "ms")


def start(module: str, *words: str, ending: contextlib.ExitStack, wait: bool = False) -> subprocess.Popen[str]:
    """A module as a process of its own, ended with ``ending``; with ``wait``, once it has said something."""
    process = subprocess.Popen([sys.executable, "-m", module, *words], stdout=subprocess.PIPE, text=True)

    def end() -> None:
        process.kill()
        process.wait(10)

    ending.callback(end)
    if wait:
        assert process.stdout is not None
        process.stdout.readline()
    return process


def await_pages(url: str, seconds: float = 60.0) -> None:
    """Wait until the pages are served and the store has been read."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=30) as answer:
            if b"Reading the store" not in answer.read():
                return
        time.sleep(0.5)
    raise TimeoutError(url)


def watch(process: Watched, seconds: float) -> float:
    """Look at a process now and then; its greatest resident memory meanwhile [MB]."""
    most = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1.0)
        process.look()
        most = max(most, resident_mb(process.pid))
    return most


def resident_mb(pid: int) -> float:
    """Resident memory of a process now [MB]."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
