"""Values of single nodes gathered into samples of assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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

_GOOD, _UNCERTAIN, _BAD = 0, 1, 2  # severity: the two highest bits of a status


@dataclass(frozen=True)
class Gathered:
    """Samples, events of text that changed, and what is to be told of the assets."""

    samples: list[Sample]
    events: list[Event]
    overflowed: frozenset[str]


class Gatherer:
    """Makes samples of what a server publishes.

    Values of one asset that fall into one slot go into one sample, a second value of the same variable in
    the same slot into a second. What was seen before (same node, same source time) is left out: after a
    reconnect a server sends the newest value of each node again.

    A *handle* is ``asset number × number of variables + variable number``.
    """

    def __init__(self, site: str, source: str, variables: Variables, assets: Sequence[str], step: int) -> None:
        self._site, self._source = site, source
        self._variables = variables
        self._assets = list(assets)
        self._step = step
        self._newest = np.zeros(len(assets) * len(variables), dtype=np.int64)
        self._texts: dict[int, str] = {}
        self._absent = np.zeros(len(assets) * len(variables), dtype=bool)

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
            Whether values at or before the newest known time are to be passed on all the same.
        """
        handle, raw, status, time = values.columns()
        time[time == 0] = received
        known = (handle >= 0) & (handle < len(self._newest)) & (status != _WAITING_FOR_INITIAL_DATA)
        place = np.where(known, handle, 0)
        if not repeated:
            known &= time > self._newest[place]
        texts = {row: text for row, text in values.texts.items() if known[row]}
        events = self._take_texts(texts, handle, raw, time)
        rows = np.flatnonzero(known)
        if len(rows) == 0:
            return Gathered([], [], frozenset())
        handle, raw, status, time = handle[rows], raw[rows], status[rows], time[rows]
        np.maximum.at(self._newest, handle, time)
        samples = self._samples(handle, raw, status, time, received, {int(np.searchsorted(rows, r)) for r in texts})
        over = handle[(status & _OVERFLOW) == _OVERFLOW]
        return Gathered(samples, events, frozenset(self._assets[h // len(self._variables)] for h in over.tolist()))

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
            sent[row[at], column[at]] = ~np.isnan(raw[at])
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

    def _take_texts(
        self,
        texts: dict[int, str],
        handle: npt.NDArray[np.int64],
        raw: npt.NDArray[np.float64],
        time: npt.NDArray[np.int64],
    ) -> list[Event]:
        """Turn names of states into their codes; other text becomes an event when it changes."""
        events = []
        for row, text in texts.items():
            at = int(handle[row])
            asset, name = self.names(at)
            states = self._variables.state_names.get(self._variables.index[name], {})
            if text in states:
                raw[row] = self._variables.raw(name, text)
                continue
            before = self._texts.get(at)
            self._texts[at] = text
            if before is not None and before != text:
                events.append(Event(self._site, asset, int(time[row]), "status", name, text, source=self._source))
        return events
