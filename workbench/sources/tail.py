"""Append-only CSV and NDJSON files as live sources: what data loggers and gateways leave behind.

A file is looked at a few times a second; whole new lines become samples, a line that is still being
written waits. A file that was replaced (rotated) or cut short is read anew from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal, Self

import orjson
from pydantic import Field

from workbench.model.errors import InputError
from workbench.model.samples import Sample, SeriesKey
from workbench.model.tags import MqttMap, TagMap
from workbench.model.time import Cadence
from workbench.sources.base import Capability, FoundTag, Sink, Source, SourceConfig, SourceError, check_config
from workbench.sources.mqtt_message import MessageDecoder, MessageError, leaves, parse_path, pick, state_numbers
from workbench.sources.scaling import Variables

#: Most that is read of a file at once [bytes], so that a long file leaves room for the other sources.
_CHUNK = 1 << 20


class TailConfig(SourceConfig):
    """Keys of a catalog entry with ``driver: tail``."""

    path: str = Field(description="the file; it need not exist yet")
    format: Literal["auto", "csv", "ndjson"] = Field("auto", description="auto goes by the file's ending")
    assets: list[str] | dict[str, str] = Field(
        min_length=1, description="assets, or asset to what stands for it in the file"
    )
    asset_path: str | None = Field(
        None, description="column or JSON path that names the asset; needed where there are several"
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="csv: between two fields")
    start: Literal["end", "beginning"] = Field("end", description="where to start in a file that is there already")
    interval: float | None = Field(None, gt=0, description="seconds between two looks; a fifth of the cadence if none")


class TailSource(Source):
    """Follows a growing file."""

    protocol: ClassVar[str] = "tail"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.POLL, Capability.DISCOVER})
    Config: ClassVar[type[SourceConfig]] = TailConfig

    def __init__(self, name: str, site: str, config: TailConfig, tagmap: MqttMap) -> None:
        super().__init__(name, site)
        self.config = config
        self._series = SeriesKey(config.asset_type, config.cadence)
        period = Cadence.parse(config.cadence).ns / 1e9
        self._interval = config.interval or min(max(period / 5, 0.05), 2.0)
        self._variables = Variables(self._series, tagmap.tags, name)
        places = config.assets if isinstance(config.assets, dict) else {asset: asset for asset in config.assets}
        self._assets = {place: asset for asset, place in places.items()}
        if config.asset_path is None and len(places) > 1:
            raise InputError(
                "several assets need the column or path that names them", where=f"{name}.asset_path", expected="a name"
            )
        csv_ending = Path(config.path).suffix.lower() in (".csv", ".txt", ".tsv")
        self._is_csv = config.format == "csv" or (config.format == "auto" and csv_ending)
        self._separator = config.delimiter if self._is_csv else ""
        try:
            self._decoder = MessageDecoder(tagmap, columns=self._is_csv)
            path = config.asset_path
            self._asset_path = None if path is None else (path,) if self._is_csv else parse_path(path)
        except ValueError as error:
            raise InputError(str(error), where=f"{name}.tags") from None
        if tagmap.time is None:
            raise InputError("a line needs a time stamp", where=f"{name}.tags.time", expected="a column or JSON path")

    @classmethod
    def from_config(
        cls, name: str, site: str, config: Mapping[str, Any] | SourceConfig, tagmap: TagMap | None = None
    ) -> Self:
        """A source from the keys of its catalog entry; see :class:`TailConfig`.

        Its tag map is one with ``protocol: mqtt``: a line is a message. For CSV a path is a column's name.
        """
        if not isinstance(tagmap, MqttMap):
            raise InputError(
                "no tag map for messages",
                where=f"{name}.tags",
                found=None if tagmap is None else f"protocol: {tagmap.protocol}",
                expected="a file with protocol: mqtt",
            )
        return cls(name, site, check_config(name, TailConfig, config), tagmap)

    @property
    def series(self) -> SeriesKey:
        """The series its samples belong to."""
        return self._series

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets it reads."""
        return tuple(self.config.assets)

    # -- the interface --------------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Deliver each new line until cancelled."""
        follower = Follower(Path(self.config.path), header=self._separator, at_end=self.config.start == "end")
        for asset in self.assets:
            self.health.device(asset).state = "connecting"
        try:
            while True:
                try:
                    # In a thread: a file on a network drive that hangs is a device that does not answer.
                    lines = await asyncio.to_thread(follower.read)
                except OSError as error:
                    self._absent(error)
                else:
                    samples = self._samples(lines, follower.columns)
                    for sample in samples:
                        self.health.device(sample.asset).took(sample)
                    if samples:
                        sink.put(samples)
                await asyncio.sleep(0 if follower.more else self._interval)
        finally:
            follower.close()
            for asset in self.assets:
                self.health.device(asset).state = "idle"

    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        """The newest line of each asset. Raises SourceError where there is none."""
        wanted = self._known(assets)
        newest: dict[str, Sample] = {}
        for lines, columns in await asyncio.to_thread(self._whole_file):
            for sample in self._samples(lines, columns):
                if sample.asset in wanted and sample.time >= newest.get(sample.asset, sample).time:
                    newest[sample.asset] = sample
        if not newest:
            raise SourceError(f"{self.name}: no line of {', '.join(wanted)} in {self.config.path}")
        return [newest[asset] for asset in wanted if asset in newest]

    async def discover(self, pattern: str = "*", asset: str | None = None) -> list[FoundTag]:
        """Columns or JSON paths of the last line that match the glob."""
        from fnmatch import fnmatchcase

        if asset is not None:
            self._known([asset])
        last: Any = {}
        for lines, columns in await asyncio.to_thread(self._whole_file):
            for line in lines:
                with contextlib.suppress(MessageError):
                    message = self._message(line, columns)
                    last = message if asset is None or self._asset(message) == asset else last
        return [
            FoundTag(path, path, "" if value is None else type(value).__name__, None, value)
            for path, value in (last.items() if self._is_csv else leaves(last))
            if fnmatchcase(path, pattern)
        ]

    # -- lines ----------------------------------------------------------------------------------------

    def _samples(self, lines: Sequence[bytes], columns: Sequence[str]) -> list[Sample]:
        samples = []
        received = time.time_ns()
        for line in lines:
            try:
                message = self._message(line, columns)
                asset = self._asset(message)
                if asset is None:
                    continue  # a line of somebody else
                decoded = self._decoder.take(message)
            except MessageError as error:
                for name in self.assets:
                    self.health.device(name).failed(f"{self.config.path}: {error}", self.health.device(name).state)
                continue
            codes, texts = state_numbers(decoded.texts, self._variables.state_names)
            for i, code in codes.items():
                decoded.raw[i] = code
            sent = decoded.sent
            if texts:
                sent = sent.copy()
                sent[list(texts)] = False
            values, quality = self._variables.scale(decoded.raw, None, sent)
            samples.append(Sample(self._variables.shape, asset, decoded.time, values, quality, received))
        return samples

    def _message(self, line: bytes, columns: Sequence[str]) -> Any:
        if not self._is_csv:
            try:
                return orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise MessageError(f"not JSON: {error}") from None
        try:
            (fields,) = csv.reader([line.decode("utf-8")], delimiter=self.config.delimiter, strict=True)
        except (ValueError, csv.Error) as error:
            raise MessageError(f"not a line of CSV: {error}") from None
        if len(fields) != len(columns):
            raise MessageError(f"a line of {len(fields)} fields below a header of {len(columns)}")
        return {name: _number(text) for name, text in zip(columns, fields, strict=True) if text != ""}

    def _asset(self, message: Any) -> str | None:
        if self._asset_path is None:
            return self.assets[0]
        place = pick(message, self._asset_path)
        return self._assets.get(str(place))

    def _whole_file(self) -> list[tuple[list[bytes], list[str]]]:
        follower = Follower(Path(self.config.path), header=self._separator, at_end=False)
        parts = []
        try:
            while True:
                parts.append((follower.read(), follower.columns))
                if not follower.more:
                    return parts
        except OSError as error:
            raise SourceError(f"{self.name}: {error}") from None
        finally:
            follower.close()

    def _absent(self, error: OSError) -> None:
        for asset in self.assets:
            health = self.health.device(asset)
            if health.state != "down":  # told once, not five times a second
                health.failed(f"{self.config.path}: {error.strerror or error}", "down")


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
    """

    def __init__(self, path: Path, *, header: str, at_end: bool) -> None:
        self.columns: list[str] = []
        self.more = False  #: whether there is more to read at once
        self._path = path
        self._header = header
        self._at_end = at_end
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
        data = file.read(_CHUNK)
        self.more = len(data) == _CHUNK
        if replaced and not self.more:
            # Nobody writes to the old file any more: its last line is as whole as it will ever be.
            self.close()
            self.more = self._path.exists()
            data += b"\n"
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        lines = [line for line in (raw.rstrip(b"\r") for raw in whole.split(b"\n")) if line]
        if self._header and not self.columns and lines:
            self.columns = _names(lines.pop(0), self._header)
        return lines

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        at_end, self._at_end = self._at_end, False
        file: BinaryIO = self._path.open("rb", buffering=0)
        self._file, self._rest, self.columns = file, b"", []
        if at_end:
            first = file.readline()
            if first.endswith(b"\n"):
                if self._header:
                    self.columns = _names(first.rstrip(b"\r\n"), self._header)
                self._seek_last_line(file)
            else:
                file.seek(0)
        return file

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


def _names(line: bytes, delimiter: str) -> list[str]:
    text = line.decode("utf-8-sig", "replace")
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()
