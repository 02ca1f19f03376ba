"""Values of single nodes gathered into samples of assets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.model.quality import Quality
from workbench.model.samples import Event, Sample
from workbench.sources.opcua_wire import Values
from workbench.sources.scaling import Variables

#: A server says this of a node that has never had a value: nothing was measured, so nothing is passed on.
_WAITING_FOR_INITIAL_DATA = 0x80320000
#: Info bits of a status: a data value whose queue at the server ran over.
_OVERFLOW = 0x0480

#: Cadences by which a node's time may step back before it is taken for a clock that was set.
_BACK = 5
#: A source time further ahead of our clock than this [ns] binds nobody who comes after.
_AHEAD = 60_000_000_000

_GOOD, _UNCERTAIN, _BAD = 0, 1, 2  # severity: the two highest bits of a status


@dataclass(frozen=True)
class Gathered:
    """Samples, events of text that changed, and what is to be told of the assets."""

    samples: list[Sample]
    events: list[Event]
    overflowed: frozenset[str]
    #: asset -> by how much its clock was set back [ns]
    set_back: Mapping[str, int] = field(default_factory=dict)


class _Said(NamedTuple):
    """What was said before each value; ``row`` is its place in the same message, -1 where it was in another."""

    row: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    status: npt.NDArray[np.uint32]
    value: npt.NDArray[np.float64]


class Gatherer:
    """Makes samples of what a server publishes.

    Values of one asset that fall into one slot go into one sample, a second value of the same variable in
    the same slot into a second. What a node said last (same source time, status and value) is left out when
    it comes again: after a reconnect a server sends the newest value of each node once more. Whatever differs
    is news, also where its time is older than the last: a clock that was set back must not silence a device.

    A *handle* is ``asset number × number of variables + variable number``.
    """

    def __init__(self, site: str, source: str, variables: Variables, assets: Sequence[str], step: int) -> None:
        self._site, self._source = site, source
        self._variables = variables
        self._assets = list(assets)
        self._step = step
        size = len(assets) * len(variables)
        # What each node said last; time 0 before it said anything.
        self._time = np.zeros(size, dtype=np.int64)
        self._status = np.zeros(size, dtype=np.uint32)
        self._value = np.full(size, np.nan)
        self._texts: dict[int, str] = {}
        self._absent = np.zeros(size, dtype=bool)

    def handle(self, asset: str, variable: str) -> int:
        """Handle of a variable of an asset."""
        return self._assets.index(asset) * len(self._variables) + self._variables.index[variable]

    def names(self, handle: int) -> tuple[str, str]:
        """Asset and variable of a handle."""
        asset, variable = divmod(handle, len(self._variables))
        return self._assets[asset], self._variables.names[variable]

    def absent(self, handles: Iterable[int], asset: str) -> None:
        """Note which nodes of ``asset`` the server does not have: they are BAD in each of its samples."""
        first = self._assets.index(asset) * len(self._variables)
        self._absent[first : first + len(self._variables)] = False
        self._absent[list(handles)] = True

    def gather(self, values: Values, received: int, *, repeated: bool = False) -> Gathered:
        """Samples from ``values``.

        Parameters
        ----------
        values
            One row per value; ``handle`` as above.
        received
            When they arrived [ns since 1970 UTC]; stands in for a time that the server did not give.
        repeated
            Whether what was said last is to be passed on all the same.
        """
        handle, raw, status, time = values.columns()
        time[time == 0] = received
        known = (handle >= 0) & (handle < len(self._time)) & (status != _WAITING_FOR_INITIAL_DATA)
        texts = self._take_states({row: text for row, text in values.texts.items() if known[row]}, handle, raw)
        rows = np.flatnonzero(known)
        handle, raw, status, time = handle[rows], raw[rows], status[rows], time[rows]
        texts = {int(np.searchsorted(rows, row)): text for row, text in texts.items()}
        named = {int(np.searchsorted(rows, row)) for row in values.texts if known[row]}
        said = self._said_before(handle, raw, status, time)
        again = time == said.time
        # A server that calls a value bad need not repeat it: it is still the value of that instant.
        withheld = again & np.isnan(raw) & (status >> 30 >= _BAD)
        withheld[list(texts)] = False
        raw = np.where(withheld, said.value, raw)
        same = again & (status == said.status) & ((raw == said.value) | (np.isnan(raw) & np.isnan(said.value)))
        for row in np.flatnonzero(same & np.isnan(raw)).tolist():
            at, before = int(handle[row]), int(said.row[row])
            same[row] = texts.get(row) == (self._texts.get(at) if before < 0 else texts.get(before))
        step = said.time - time
        back = (step > _BACK * self._step) | ((said.time > received + _AHEAD) & (step > 0))
        set_back: dict[str, int] = {}
        for at, ns in zip(handle[back].tolist(), step[back].tolist(), strict=True):
            asset = self._assets[at // len(self._variables)]
            set_back[asset] = max(ns, set_back.get(asset, 0))
        self._time[handle], self._status[handle], self._value[handle] = time, status, raw
        new = np.ones(len(rows), dtype=bool) if repeated else ~same
        events = self._take_texts({row: text for row, text in texts.items() if new[row]}, handle, time)
        rows = np.flatnonzero(new)
        if len(rows) == 0:
            return Gathered([], [], frozenset())
        handle, raw, status, time = handle[rows], raw[rows], status[rows], time[rows]
        named = {int(np.searchsorted(rows, row)) for row in named if new[row]}
        samples = self._samples(handle, raw, status, time, received, named)
        over = handle[(status & _OVERFLOW) == _OVERFLOW]
        overflowed = frozenset(self._assets[h // len(self._variables)] for h in over.tolist())
        return Gathered(samples, events, overflowed, set_back)

    def _said_before(
        self,
        handle: npt.NDArray[np.int64],
        raw: npt.NDArray[np.float64],
        status: npt.NDArray[np.uint32],
        time: npt.NDArray[np.int64],
    ) -> _Said:
        """What the node of each value said before it: earlier in the same message, or in one before."""
        order = np.argsort(handle, kind="stable")
        row = np.full(len(handle), -1, dtype=np.int64)
        follows = np.flatnonzero(np.diff(handle[order]) == 0)
        row[order[follows + 1]] = order[follows]
        known = row < 0
        return _Said(
            row,
            np.where(known, self._time[handle], time[row]),
            np.where(known, self._status[handle], status[row]),
            np.where(known, self._value[handle], raw[row]),
        )

    def _samples(
        self,
        handle: npt.NDArray[np.int64],
        raw: npt.NDArray[np.float64],
        status: npt.NDArray[np.uint32],
        time: npt.NDArray[np.int64],
        received: int,
        texts: set[int],
    ) -> list[Sample]:
        width = len(self._variables)
        slot = time // self._step
        order = np.lexsort((time, slot, handle))
        # The how-maniest value of its node in its slot: 0 for nearly all.
        rank = np.zeros(len(order), dtype=np.int64)
        again = (np.diff(handle[order]) == 0) & (np.diff(slot[order]) == 0)
        if again.any():
            run = np.zeros(len(order), dtype=np.int64)
            for i in np.flatnonzero(again) + 1:
                run[i] = run[i - 1] + 1
            rank[order] = run
        keys = np.stack([handle // width, slot, rank])
        (asset_of, _, _), row = np.unique(keys, axis=1, return_inverse=True)
        row = row.reshape(-1)
        n = len(asset_of)
        column = handle % width
        table = np.full((n, width), np.nan)
        table[row, column] = raw
        sent = np.zeros((n, width), dtype=bool)
        sent[row, column] = True
        if texts:
            at = sorted(texts)
            sent[row[at], column[at]] = ~(np.isnan(raw[at]) & self._variables.textual[column[at]])
        flags = np.zeros((n, width), dtype=np.uint16)
        severity = status >> 30
        flags[row, column] = np.where(
            severity >= _BAD, int(Quality.BAD), np.where(severity == _UNCERTAIN, int(Quality.UNCERTAIN), 0)
        ).astype(np.uint16)
        flags[self._absent.reshape(-1, width)[asset_of]] = int(Quality.BAD)
        newest = np.zeros(n, dtype=np.int64)
        np.maximum.at(newest, row, time)
        scaled, quality = self._variables.scale(table, flags, sent)
        shape, assets = self._variables.shape, self._assets
        flagged = np.zeros(n, dtype=bool) if quality is None else np.any(quality != 0, axis=1)
        samples = [
            Sample(
                shape,
                assets[asset],
                when,
                scaled[i],
                None if quality is None or not flagged[i] else quality[i],
                received,
            )
            for i, (asset, when) in enumerate(zip(asset_of.tolist(), newest.tolist(), strict=True))
        ]
        samples.sort(key=lambda sample: sample.time)
        return samples

    def _take_states(
        self, texts: Mapping[int, str], handle: npt.NDArray[np.int64], raw: npt.NDArray[np.float64]
    ) -> dict[int, str]:
        """Turn names of states into their codes; the texts that are none."""
        others = {}
        for row, text in texts.items():
            _, name = self.names(int(handle[row]))
            if text in self._variables.state_names.get(self._variables.index[name], {}):
                raw[row] = self._variables.raw(name, text)
            else:
                others[row] = text
        return others

    def _take_texts(
        self, texts: Mapping[int, str], handle: npt.NDArray[np.int64], time: npt.NDArray[np.int64]
    ) -> list[Event]:
        """Events of texts that changed."""
        events = []
        for row, text in texts.items():
            at = int(handle[row])
            asset, name = self.names(at)
            before = self._texts.get(at)
            self._texts[at] = text
            if before is not None and before != text:
                events.append(Event(self._site, asset, int(time[row]), "status", name, text, source=self._source))
        return events
