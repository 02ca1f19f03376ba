"""Viewers of the wallboard, a process of its own: ``python -m benchmarks._wall_viewers PORT VIEWERS REFRESH SECONDS``."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import time

STALE = 5.0  #: older data than this should not be in a snapshot of a plant that lives [s]


class Crowd:
    def __init__(self, port: int) -> None:
        self.port = port
        self.waited: list[float] = []
        self.unchanged = self.failed = self.stale = self.size = 0

    async def view(self, refresh: float, end: float) -> None:
        await asyncio.sleep(random.uniform(0, refresh))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        etag = ""
        try:
            while time.monotonic() < end:
                began = time.monotonic()
                try:
                    etag = await asyncio.wait_for(self.ask(reader, writer, etag), refresh)
                    self.waited.append(time.monotonic() - began)
                except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
                    self.failed += 1
                    return
                await asyncio.sleep(max(0.0, refresh - (time.monotonic() - began)))
        finally:
            writer.close()

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, etag: str) -> str:
        known = f"If-None-Match: {etag}\r\n" if etag else ""
        writer.write(
            f"GET /wallboard/snapshot HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept-Encoding: gzip\r\n{known}\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        status = int(head[0].split()[1])
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if status == 304:
            self.unchanged += 1
            return etag
        if status != 200:
            raise ValueError(head[0])
        self.size = max(self.size, len(body))
        if random.random() < 0.05:  # what is looked at costs the viewers' process only
            newest = json.loads(gzip.decompress(body))["newest"] / 1000
            self.stale += time.time() - newest > STALE
        return headers["etag"]


async def main(port: int, viewers: int, refresh: float, seconds: float) -> None:
    crowd = Crowd(port)
    end = time.monotonic() + seconds
    await asyncio.gather(*(crowd.view(refresh, end) for _ in range(viewers)))
    waited = sorted(crowd.waited)
    told = {
        "answers": len(waited),
        "unchanged": crowd.unchanged,
        "failed": crowd.failed,
        "stale": crowd.stale,
        "kb": crowd.size / 1000,
        "p95": waited[int(0.95 * len(waited))] if waited else float("nan"),
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
