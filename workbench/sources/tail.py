"""Append-only CSV and NDJSON files as live sources: what data loggers and gateways leave behind.

A file is looked at a few times a second; whole new lines become samples, a line that is still being
written waits. A file that was replaced (rotated) or cut short is read anew from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import time
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import orjson
import structlog
from pydantic import Field

from workbench.model.errors import InputError
from workbench.model.samples import Sample, SeriesKey
from workbench.model.tags import MqttMap, TagMap
from workbench.model.time import Cadence
from workbench.sources.base import Capability, FoundTag, Sink, Source, SourceConfig, SourceError, check_config
from workbench.sources.mqtt_message import MessageDecoder, MessageError, leaves, parse_path, pick, state_numbers
from workbench.sources.scaling import Variables
from workbench.sources.tail_file import Follower, Position

log = structlog.get_logger("workbench.sources")

#: Parts of a file that may be on their way to the disk; while it is full the file waits where it is.
_UNDER_WAY = 4


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
    start: Literal["end", "beginning"] = Field("end", description="where to start in a file that has never been read")
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
        note = f"tail {self.name}"
        follower = Follower(
            Path(self.config.path),
            header=self._separator,
            at_end=self.config.start == "end",
            resume=self._resume(sink.recall(note)),
        )
        for asset in self.assets:
            self.health.device(asset).state = "connecting"
        noted: Position | None = None
        under_way: deque[Awaitable[None]] = deque()
        try:
            while True:
                try:
                    # In a thread: a file on a network drive that hangs is a device that does not answer, and
                    # lines take their time to decode.
                    samples, errors = await asyncio.to_thread(self._look, follower)
                except OSError as error:
                    self._absent(error)
                else:
                    if follower.gone:
                        follower.gone = False
                        errors.append("the file that was read last is gone: what was written to it since is not read")
                        log.error("file is gone", source=self.name, path=self.config.path)
                    self._blame(errors)
                    for sample in samples:
                        self.health.device(sample.asset).took(sample)
                    if samples:
                        under_way.append(sink.put(samples, held=True))
                    if follower.position not in (None, noted):
                        # With the samples or not at all: no line is lost by a restart, none comes twice.
                        noted = follower.position
                        sink.remember(note, {"path": self.config.path, "position": noted})
                    while len(under_way) > _UNDER_WAY:
                        await under_way.popleft()
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
            samples, errors = self._samples(lines, columns)
            self._blame(errors)
            for sample in samples:
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

    def _look(self, follower: Follower) -> tuple[list[Sample], list[str]]:
        lines = follower.read()
        return self._samples(lines, follower.columns)

    def _samples(self, lines: Sequence[bytes], columns: Sequence[str]) -> tuple[list[Sample], list[str]]:
        """Samples of lines, and what is wrong with those that are none."""
        samples, errors = [], []
        received = time.time_ns()
        for line in lines:
            try:
                message = self._message(line, columns)
                asset = self._asset(message)
                if asset is None:
                    continue  # a line of somebody else
                decoded = self._decoder.take(message)
            except MessageError as error:
                errors.append(str(error))
                continue
            codes, texts = state_numbers(decoded.texts, self._variables.state_names)
            for i, code in codes.items():
                decoded.raw[i] = code
            sent = decoded.sent
            if texts:
                sent = sent.copy()
                sent[[i for i in texts if self._variables.textual[i]]] = False
            values, quality = self._variables.scale(decoded.raw, None, sent)
            samples.append(Sample(self._variables.shape, asset, decoded.time, values, quality, received))
        return samples, errors

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

    def _resume(self, note: Any) -> Position | None:
        if not note or note["path"] != self.config.path:
            return None
        return Position(*note["position"])

    def _blame(self, errors: Sequence[str]) -> None:
        for error in errors:
            for name in self.assets:
                health = self.health.device(name)
                health.failed(f"{self.config.path}: {error}", health.state)

    def _absent(self, error: OSError) -> None:
        for asset in self.assets:
            health = self.health.device(asset)
            if health.state != "down":  # told once, not five times a second
                health.failed(f"{self.config.path}: {error.strerror or error}", "down")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()
