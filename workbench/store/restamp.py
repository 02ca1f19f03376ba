"""Sets back the time of commits that were made while the machine's clock was ahead.

Icechunk takes no commit that is older than the one before it: once the clock is right again, the store stays
shut until the time of the last commit has come, which may be in years. Nothing but that time is changed.

A snapshot's file is a head, whose last byte names the compression, and a Flatbuffer with the time in
microseconds since 1970: https://icechunk.io/en/stable/reference/spec/
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import icechunk
import pyarrow as pa

from workbench.store.telemetry import BRANCH, Telemetry, TelemetryError

_HEAD, _ZSTD = 39, 1
_MICROSECOND = timedelta(microseconds=1)


def restamp(telemetry: Telemetry, now: datetime) -> int:
    """Put the commits from after ``now`` right behind the last one before it; returns how many.

    Raises
    ------
    TelemetryError
        A file is not as expected; all are then as they were.
    """
    repository = telemetry.repository()
    if repository is None:
        return 0
    ahead: list[icechunk.SnapshotInfo] = []
    before: dict[Path, bytes] = {}
    try:
        last = None
        for one in repository.ancestry(branch=BRANCH):  # the newest first
            if one.written_at <= now:
                last = one.written_at
                break
            ahead.append(one)
        if not ahead:
            return 0
        last = last or now - (len(ahead) + 1) * _MICROSECOND
        for place, one in enumerate(reversed(ahead), 1):
            path = telemetry.folder / "snapshots" / one.id
            before[path] = path.read_bytes()
            _replace(path, stamped(before[path], one.written_at, last + place * _MICROSECOND))
        _check(Telemetry(telemetry.folder), now)
    except (TelemetryError, icechunk.IcechunkError, OSError, ValueError) as error:
        for path, content in before.items():
            _replace(path, content)
        raise TelemetryError(f"{telemetry.folder}: the time of a commit cannot be set: {error}") from error
    return len(ahead)


def stamped(content: bytes, old: datetime, new: datetime) -> bytes:
    """A snapshot's file with the time ``new`` where it has ``old``."""
    head, body = content[:_HEAD], content[_HEAD:]
    if head[-1:] != bytes([_ZSTD]):
        raise ValueError("a snapshot that is not compressed by zstd")
    plain = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
    if plain.count(_bytes(old)) != 1:
        raise ValueError("a snapshot whose time is not found")
    compressed = pa.Codec("zstd").compress(plain.replace(_bytes(old), _bytes(new)), asbytes=True)
    return bytes(head + compressed)


def _bytes(when: datetime) -> bytes:
    epoch = datetime.fromtimestamp(0, when.tzinfo)
    return ((when - epoch) // _MICROSECOND).to_bytes(8, "little")


def _replace(path: Path, content: bytes) -> None:
    # Beside the repository: Icechunk takes whatever is in this folder for a snapshot.
    draft = path.parents[2] / f"{path.name}.tmp"
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _check(telemetry: Telemetry, now: datetime) -> None:
    """Whether a repository that is opened anew finds everything, in order and in the past."""
    repository = telemetry.repository()
    if repository is None:
        raise ValueError("the repository is gone")
    times = [one.written_at for one in repository.ancestry(branch=BRANCH)]
    if times != sorted(times, reverse=True) or times[0] > now:
        raise ValueError("the commits are not in order")
    snapshot = telemetry.snapshot()
    for key in snapshot.series():
        snapshot.group(key)
