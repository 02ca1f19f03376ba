"""Runs simulated sites in step with the wall clock and serves them by the protocols their catalog entries name."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.samples import NS, SeriesKey
from workbench.model.tags import ModbusMap, MqttMap, OpcUaMap
from workbench.simulate.servers.broker import BrokerKind
from workbench.simulate.servers.entries import ServedEntry, served_entries
from workbench.simulate.servers.modbus import ModbusServer, Order
from workbench.simulate.servers.mqtt import MqttServer
from workbench.simulate.servers.net import Address, check_free, check_host, parse_address
from workbench.simulate.servers.opcua import OpcUaServer, parse_url
from workbench.simulate.truth import TruthLog

if TYPE_CHECKING:
    from workbench.model.assets import Site
    from workbench.simulate.plant import SimulatedSite

__all__ = ["Endpoint", "Plant", "ServedEntry", "ServiceStatus", "SimulationService", "build_plants", "served_entries"]


class Frame(Protocol):
    """One tick of one series."""

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """[assets, variables] in the vocabulary's units, NaN for what there is not."""

    @property
    def quality(self) -> npt.NDArray[np.uint16] | None:
        """[assets, variables] or None where all is good."""


class Plant(Protocol):
    """A simulated site, as ``workbench.simulate.plant`` builds it."""

    @property
    def keys(self) -> Mapping[SeriesKey, tuple[Sequence[str], Sequence[str]]]:
        """Series to its assets and variables, the axes of its frames."""

    def tick(self, t_ns: int) -> Mapping[SeriesKey, Frame]:
        """The state at ``t_ns`` [ns since 1970 UTC]."""


Server = ModbusServer | OpcUaServer | MqttServer


@dataclass
class _Feed:
    """One entry's way from the plant's frames to a server and into the truth."""

    entry: ServedEntry
    server: Server
    every: int  #: cadence [ns]
    assets: list[str]
    rows: list[int]  #: of the frame
    columns: list[int]  #: of the truth
    width: int


@dataclass(frozen=True)
class Endpoint:
    """What stands where, for the user's eyes."""

    entry: str
    asset: str
    address: str  #: of the server, with its scheme
    place: str  #: there: ``unit 1``, ``folder WTG01``, ``topic …``
    variables: int


@dataclass
class ServiceStatus:
    """Figures of a running service."""

    ticks: int = 0
    skipped: int = 0  #: whole seconds at which nothing could be served in time
    values: int = 0
    busiest: float = 0.0  #: longest tick [s]
    last_time: int = 0  #: source time of the newest tick [ns]


class SimulationService:
    """Real servers on loopback for simulated sites.

    Parameters
    ----------
    sites
        Site to its simulated plant.
    entries
        The live catalog entries to serve; those of other sites are left out.
    truth
        Where to write down what was served.
    broker
        MQTT broker to start: ``auto`` takes mosquitto where it is installed.
    host
        Listen there in place of the hosts that the entries name. Without it, an entry that names a host
        other than this machine is refused.
    each
        Called with the source time [ns] before each tick, such as ``FaultFile.look``.

    Raises
    ------
    InputError
        An entry names an asset, a variable or a driver that the simulator has not.

    Notes
    -----
    Ticks fall on whole seconds of the wall clock and carry that second as their source time. A second that
    could not be served before the next one began is skipped and counted, never served late with an old
    time stamp. A series with a longer cadence shows new values on multiples of it.
    """

    def __init__(
        self,
        sites: Mapping[str, Plant],
        entries: Iterable[ServedEntry],
        *,
        truth: TruthLog | None = None,
        broker: BrokerKind = "auto",
        host: str | None = None,
        each: Callable[[int], None] | None = None,
    ) -> None:
        self.sites = dict(sites)
        self._each = each
        self.truth = truth
        self.status = ServiceStatus()
        self._broker = broker
        self._host = host
        self._servers: dict[tuple[str, Address], Server] = {}
        self._feeds: list[_Feed] = []
        self._started: list[Server] = []
        self._stopping = asyncio.Event()
        self._columns: dict[tuple[str, SeriesKey], list[str]] = {}
        errors: list[InputError] = []
        for entry in entries:
            if entry.site not in self.sites:
                continue
            try:
                self._feeds.append(self._feed(entry))
            except InputError as error:
                errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else InputErrors(errors)
        if not self._feeds:
            raise InputError("nothing to serve: no live entry belongs to these sites", found=", ".join(self.sites))

    # -- setting up -----------------------------------------------------------------------------------

    def _feed(self, entry: ServedEntry) -> _Feed:
        keys = self.sites[entry.site].keys
        if entry.series not in keys:
            raise InputError(
                "the simulated plant has no such series",
                where=entry.name,
                found=str(entry.series),
                expected=", ".join(map(str, keys)),
            )
        assets, variables = keys[entry.series]
        index = {asset: row for row, asset in enumerate(assets)}
        server = self._server(entry)
        served: tuple[str, ...] = ()
        rows = []
        for asset, place in entry.assets.items():
            if asset not in index:
                raise InputError(
                    "the simulated plant has no such asset",
                    where=f"{entry.name}.assets",
                    found=asset,
                    expected=", ".join(assets),
                    hint=did_you_mean(asset, assets),
                )
            rows.append(index[asset])
            served = self._add(server, entry, asset, place, variables)
        columns = self._columns.setdefault((entry.site, entry.series), [])
        columns.extend(name for name in served if name not in columns)
        return _Feed(
            entry,
            server,
            cadence_ns(entry.series.cadence),
            list(entry.assets),
            rows,
            [columns.index(name) for name in served],
            len(served),
        )

    def _server(self, entry: ServedEntry) -> Server:
        """The server of an entry's address, made where it is new."""
        if entry.driver == "opcua":
            address = parse_url(entry.address, f"{entry.name}.url")
        else:
            address = parse_address(entry.address, where=f"{entry.name}.host")
        if self._host is not None:
            address = Address(self._host, address.port)
        key = (entry.driver, address if address.port else Address(entry.name, 0))
        known = self._servers.get(key)
        if isinstance(known, ModbusServer) and known.framing != entry.framing:
            raise InputError("two framings on one port", where=f"{entry.name}.transport", found=str(address))
        if known is None:
            if entry.driver == "opcua":
                known = OpcUaServer(entry.address, entry.name, bind=self._host)
            elif entry.driver == "mqtt":
                known = MqttServer(address, self._broker, entry.name)
            else:
                known = ModbusServer(address, entry.framing, entry.name)
                known.on_order = partial(self._ordered, known)
            self._servers[key] = known
        return known

    @staticmethod
    def _add(
        server: Server, entry: ServedEntry, asset: str, place: int | str, variables: Sequence[str]
    ) -> tuple[str, ...]:
        tags = entry.tags
        if isinstance(server, ModbusServer) and isinstance(tags, ModbusMap):
            return server.add(asset, int(place), tags, variables)
        if isinstance(server, OpcUaServer) and isinstance(tags, OpcUaMap):
            return server.add(asset, str(place), tags, variables)
        if isinstance(server, MqttServer) and isinstance(tags, MqttMap):
            return server.add(asset, str(place), tags, variables, entry.qos)
        raise InputError(
            "the tag map is of another protocol",
            where=f"{entry.name}.tags",
            found=f"protocol: {tags.protocol}",
            expected=f"protocol: {entry.driver}",
        )

    # -- running --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all servers; the first tick is there before the first client can ask.

        Raises
        ------
        InputError
            A port is taken, or not on this machine.
        """
        for server in self._servers.values():
            check_host(server.address, allowed=self._host, where=server.name)
            check_free(server.address, server.name)
        if self.truth is not None:
            for (site, key), columns in self._columns.items():
                self.truth.open(site, key, columns)
            self._note_faults(self.truth)
            self._note_soiling(self.truth)
        try:
            for server in self._servers.values():
                await server.prepare()
            # the address space of OPC UA is nearly half a million objects: out of the garbage collector's way,
            # which would stop everything for a tenth of a second or more each time it walks through them
            gc.collect()
            gc.freeze()
            # all cadences begin together, so that the slow series have something to say from the start
            slowest = max(feed.every for feed in self._feeds) // NS or 1
            first = (time.time_ns() // NS // slowest + 1) * slowest
            while time.time_ns() < first * NS and not self._stopping.is_set():
                await self._wait_until(first)
            await self._tick(first)
            for server in self._servers.values():
                self._started.append(server)
                await server.start()
        except BaseException:
            await self.stop()
            raise

    async def run(self, seconds: float | None = None) -> None:
        """Tick until :meth:`request_stop`, or for so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        # what passed while the servers were starting was never promised
        following = max(self.status.last_time // NS + 1, time.time_ns() // NS)
        while not self._stopping.is_set() and (end is None or time.monotonic() < end):
            await self._wait_until(following)
            now = time.time_ns() // NS
            if self._stopping.is_set() or now < following:
                if following - now > 2:  # somebody set the clock back
                    following = now + 1
                continue
            self.status.skipped += now - following
            if not await self._tick(now, in_time=(now + 1) * NS):
                self.status.skipped += 1
            following = now + 1
        # servers go on answering until stop, so that the last tick can still be read
        if self.truth is not None:
            self.truth.flush()
            self._note()

    def request_stop(self) -> None:
        """End :meth:`run` after the tick under way. Fit for a signal handler."""
        self._stopping.set()

    async def stop(self) -> None:
        """Stop all servers and close the truth. A second call does nothing."""
        self._stopping.set()
        started, self._started = self._started, []
        await asyncio.gather(*(server.stop() for server in started))
        if self.truth is not None:
            self._note()
            self._note_soiling(self.truth)
            self.truth.close()

    async def _wait_until(self, second: int) -> None:
        """Sleep until the wall clock shows ``second``, or until told to stop."""
        delay = second - time.time()
        if delay > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), min(delay, 1.0))
            except TimeoutError:
                return

    async def _tick(self, second: int, in_time: int | None = None) -> bool:
        """Serve one second: physics, registers, publish, truth.

        Returns False, and shows nothing, where the physics took beyond ``in_time`` [ns].
        """
        began = time.perf_counter()
        t = second * NS
        if self._each is not None:
            self._each(t)
        frames = {site: plant.tick(t) for site, plant in self.sites.items()}
        if in_time is not None and time.time_ns() >= in_time:
            return False
        notes: list[tuple[_Feed, npt.NDArray[np.float64]]] = []
        for feed in self._feeds:
            frame = frames[feed.entry.site].get(feed.entry.series)
            if frame is None or t % feed.every:
                continue
            seen = np.full((len(feed.rows), len(self._columns[feed.entry.site, feed.entry.series])), np.nan)
            for n, (asset, row) in enumerate(zip(feed.assets, feed.rows, strict=True)):
                quality = None if frame.quality is None else frame.quality[row]
                seen[n, feed.columns] = feed.server.encode(asset, t, frame.values[row], quality)
            notes.append((feed, seen))
        for server in self._servers.values():
            await server.publish()
        for feed, seen in notes:
            self.status.values += len(feed.rows) * feed.width
            if self.truth is not None:
                self.truth.append(feed.entry.site, feed.entry.series, t, feed.assets, seen)
        self.status.ticks += 1
        self.status.last_time = t
        self.status.busiest = max(self.status.busiest, time.perf_counter() - began)
        if self.truth is not None and self.truth.flush(force=False):
            self._note()
        if self.truth is not None and second % 3600 == 0:
            self._note_soiling(self.truth)
        return True

    def _note_faults(self, truth: TruthLog) -> None:
        """Write down the faults there are, and those to come."""
        for site, plant in self.sites.items():
            book = getattr(plant, "faults", None)
            if book is not None:
                for record in book.truth():
                    truth.fault(site, {"action": "inject", **record})
                book.listen(partial(truth.fault, site))

    def _note_soiling(self, truth: TruthLog) -> None:
        for site, plant in self.sites.items():
            told = getattr(plant, "soiling", None)
            records = [] if told is None else told()
            if records:
                truth.soiling(site, records)

    def _ordered(self, server: Server, order: Order) -> None:
        """A device took an order: written down, and told to the plant."""
        entry = next(feed.entry for feed in self._feeds if feed.server is server and order.asset in feed.assets)
        if self.truth is not None:
            self.truth.order(entry.site, entry.series, order.asset, order.time, order.values, order.ticks)
        follow = getattr(self.sites[entry.site], "order", None)
        if follow is not None:
            for variable, value in order.values.items():
                follow(order.asset, variable, value)

    def _note(self) -> None:
        if self.truth is not None:
            status = self.status
            self.truth.summary(
                {
                    "ticks": status.ticks,
                    "skipped_ticks": status.skipped,
                    "values": status.values,
                    "busiest_s": status.busiest,
                }
            )

    # -- telling --------------------------------------------------------------------------------------

    def endpoints(self) -> list[Endpoint]:
        """What stands where, an asset a line."""
        return [
            Endpoint(feed.entry.name, asset, *feed.server.describe(asset), feed.width)
            for feed in self._feeds
            for asset in feed.assets
        ]


def cadence_ns(text: str) -> int:
    """Length of a cadence such as ``1s`` or ``10min`` [ns]."""
    from workbench.model.time import Cadence

    return int(Cadence.parse(text).ns)


def build_plants(sites: Mapping[str, Site], seed: int, start: int | None = None) -> dict[str, SimulatedSite]:
    """A simulated plant per site of a portfolio, starting at ``start`` [ns], by default now."""
    from workbench.simulate.plant import build_sites

    return build_sites(sites, seed, time.time_ns() // NS * NS if start is None else start)
