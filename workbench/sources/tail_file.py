"""Follow a growing file over rotation, truncation and restarts of the reader."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

#: Most that is read of a file at once [bytes], so that a long file leaves room for the other sources.
CHUNK = 1 << 18
#: Bytes before a position by which the file is known again.
_MARK = 256


class Position(NamedTuple):
    """How far a file was read.

    ``mark`` is a digest of what stands right before ``offset``: an inode may be given to another file, a
    device may have another number after a boot, and a file may be copied.
    """

    device: int
    inode: int
    offset: int
    mark: str


class Follower:
    """Whole new lines of a growing file.

    Parameters
    ----------
    path
        The file; it may come, go and be replaced.
    header
        The separator of the names in its first line; empty where there is no such line.
    at_end
        Whether to leave out what stands there at the first look. A file that comes later is read whole.
    resume
        Where an earlier reader got to; what was written since is read, also where the file was rotated.
    """

    def __init__(self, path: Path, *, header: str, at_end: bool, resume: Position | None = None) -> None:
        self.columns: list[str] = []
        self.more = False  #: whether there is more to read at once
        self.position: Position | None = None  #: behind the last line that was handed out
        self.gone = False  #: whether the file to resume was not found
        self._path = path
        self._header = header
        self._at_end = at_end
        self._resume = resume
        self._file: BinaryIO | None = None
        self._rest = b""

    def read(self) -> list[bytes]:
        """Lines that have been completed since the last call, without their ends, empty ones left out.

        Raises
        ------
        OSError
            The file is not there or cannot be read.
        """
        file = self._file or self._open()
        ours = os.fstat(file.fileno())
        try:
            now = self._path.stat()
            replaced = (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino)
        except FileNotFoundError:
            replaced = True
        if ours.st_size < file.tell():  # cut short: what stands there now is new
            file.seek(0)
            self._rest, self.columns = b"", []
        data = file.read(CHUNK)
        self.more = len(data) == CHUNK
        end = file.tell()
        last = replaced and not self.more
        if last:
            # Nobody writes to the old file any more: its last line is as whole as it will ever be.
            data += b"\n"
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        offset = end - len(self._rest)
        if self.position is None or self.position[:3] != (ours.st_dev, ours.st_ino, offset):
            self.position = Position(ours.st_dev, ours.st_ino, offset, _mark(file, offset))
        if last:
            self.close()
            self.more = self._path.exists()
        lines = [line for line in (raw.rstrip(b"\r") for raw in whole.split(b"\n")) if line]
        if self._header and not self.columns and lines:
            self.columns = column_names(lines.pop(0), self._header)
        return lines

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        at_end, self._at_end = self._at_end and self._resume is None, False
        if self._resume is not None and (found := self._find(self._resume)) is not None:
            file, at = found, self._resume.offset
        else:
            file, at = self._path.open("rb", buffering=0), 0
            self.gone = self._resume is not None
        self._resume = None
        self._file, self._rest, self.columns = file, b"", []
        if at_end or at:
            first = file.readline()
            if first.endswith(b"\n"):
                if self._header:
                    self.columns = column_names(first.rstrip(b"\r\n"), self._header)
                if at_end:
                    self._seek_last_line(file)
            else:
                file.seek(0)
            if at:
                file.seek(at)
        return file

    def _find(self, resume: Position) -> BinaryIO | None:
        """The file that ``resume`` speaks of, wherever it stands now; None where there is none."""
        for path in self._candidates(resume):
            try:
                file: BinaryIO = path.open("rb", buffering=0)
            except OSError:
                continue
            state = os.fstat(file.fileno())
            # A file of which nothing was read has nothing but its inode to be known by.
            known = resume.offset > 0 or state.st_ino == resume.inode
            if known and state.st_size >= resume.offset and _mark(file, resume.offset) == resume.mark:
                return file
            file.close()
        return None

    def _candidates(self, resume: Position) -> Iterator[Path]:
        """The most likely first: renamed, in its place, or copied under a name that begins like its own."""
        try:
            around = [Path(entry.path) for entry in os.scandir(self._path.parent) if entry.inode() == resume.inode]
            copies = sorted(path for path in self._path.parent.glob(f"{_glob(self._path.stem)}*") if path.is_file())
        except OSError:
            return
        if self._path in around:
            yield self._path
        yield from (path for path in around if path != self._path)
        yield self._path
        yield from copies

    @staticmethod
    def _seek_last_line(file: BinaryIO) -> None:
        """Go behind the last line end: a line that is being written is new when it is done."""
        at = file.seek(0, os.SEEK_END)
        while at > 0:
            start = max(0, at - 65536)
            file.seek(start)
            found = file.read(at - start).rfind(b"\n")
            if found >= 0:
                file.seek(start + found + 1)
                return
            at = start
        file.seek(0)


def _mark(file: BinaryIO, offset: int) -> str:
    start = max(0, offset - _MARK)
    return hashlib.blake2b(os.pread(file.fileno(), offset - start, start), digest_size=8).hexdigest()


def _glob(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def column_names(line: bytes, delimiter: str) -> list[str]:
    """Names in the first line of a CSV file."""
    text = line.decode("utf-8-sig", "replace")
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
