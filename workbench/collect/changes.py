"""States that change: the records behind status variables."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.quality import Quality
from workbench.model.samples import NS, Event, Sample, SeriesKey, Shape
from workbench.model.time import Cadence
from workbench.model.vocabulary import Term, vocabulary

if TYPE_CHECKING:
    import xarray as xr

_UNUSABLE = int(Quality.BAD | Quality.INVALID)
#: Cadences, and at least so many ns, without anything newer after which an older time is believed again.
_SET_BACK, _LEAST = 5, 5 * NS


@dataclass(slots=True)
class _State:
    """The last known state of a variable of an asset: since when, and when it was last heard of."""

    code: float = math.nan
    time: int = 0
    received: int = 0


class StatusWatch:
    """Turns changes of status variables into events with their exact source time.

    The first value ever seen of a variable is its state, not a change. Values the source calls bad are no
    statement about the state, and neither are those older than the last one, unless the source's clock was
    set back.

    Parameters
    ----------
    recall
        Gives what :meth:`notes` said of a key in an earlier life, so that a change that happened while nobody
        collected is an event too; None where nothing is kept.
    """

    def __init__(self, site: str, recall: Callable[[str], Any] | None = None) -> None:
        self.site = site
        self._recall = recall
        self._terms: dict[Shape, tuple[npt.NDArray[np.intp], list[Term]]] = {}
        # Kept by series, not by shape: one variable may arrive in samples of several shapes.
        self._assets: dict[tuple[SeriesKey, str], dict[str, _State]] = {}
        self._rows: dict[tuple[Shape, str], list[_State]] = {}
        self._news: set[tuple[SeriesKey, str]] = set()

    def changes(self, sample: Sample) -> list[Event]:
        """Events for the status variables of ``sample`` that differ from the asset's last known state."""
        shape = sample.shape
        watched = self._terms.get(shape)
        if watched is None:
            watched = self._terms[shape] = _status_terms(shape)
        places, terms = watched
        if not terms:
            return []
        states = self._rows.get((shape, sample.asset))
        if states is None:
            known = self._known(shape.key, sample.asset)
            states = self._rows[(shape, sample.asset)] = [known.setdefault(term.name, _State()) for term in terms]
        flags = None if sample.quality is None else (sample.quality[places] & _UNUSABLE).tolist()
        events = []
        for i, value in enumerate(sample.values[places].tolist()):
            if value != value or (flags is not None and flags[i]):  # NaN: not sent, or no number
                continue
            state = states[i]
            if sample.time < state.time and sample.received - state.received < _patience(shape.key.cadence):
                continue
            state.time, state.received = sample.time, sample.received
            if value == state.code:
                continue
            before, state.code = state.code, value
            self._news.add((shape.key, sample.asset))
            if not math.isnan(before):
                events.append(change(self.site, sample.asset, sample.time, shape.key, terms[i], before, value))
        return events

    @property
    def news(self) -> bool:
        """Whether :meth:`notes` has something to say."""
        return bool(self._news)

    def notes(self) -> dict[str, Any]:
        """The states that changed since the last call, by key, as ``recall`` is to give them."""
        news, self._news = self._news, set()
        return {
            _note(*name): {
                variable: [state.code, state.time]
                for variable, state in self._assets[name].items()
                if not math.isnan(state.code)
            }
            for name in news
        }

    def _known(self, key: SeriesKey, asset: str) -> dict[str, _State]:
        known = self._assets.get((key, asset))
        if known is None:
            kept = None if self._recall is None else self._recall(_note(key, asset))
            now = time.time_ns()
            known = {name: _State(float(code), int(when), now) for name, (code, when) in (kept or {}).items()}
            self._assets[(key, asset)] = known
        return known


def _note(key: SeriesKey, asset: str) -> str:
    return f"states {key} {asset}"


@lru_cache
def _patience(cadence: str) -> int:
    return max(_SET_BACK * Cadence.parse(cadence).ns, _LEAST)


def _status_terms(shape: Shape) -> tuple[npt.NDArray[np.intp], list[Term]]:
    words = vocabulary()
    found = [
        (place, term)
        for place, name in enumerate(shape.variables)
        if (term := words.get(name)) is not None and term.kind == "status"
    ]
    return np.array([place for place, _ in found], dtype=np.intp), [term for _, term in found]


def changes_in(site: str, key: SeriesKey, data: xr.Dataset) -> list[Event]:
    """The changes of state in a series, dims (time, asset), as a collector would have recorded them.

    A change is stamped with the first time that shows the new state; a missing value is no change.
    """
    words = vocabulary()
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    events = []
    for name in map(str, data.data_vars):
        term = words.get(name)
        if term is None or term.kind != "status":
            continue
        codes = data[name].transpose("time", "asset").values
        for column, asset in enumerate(map(str, data["asset"].values)):
            there = np.flatnonzero(~np.isnan(codes[:, column]))
            said = codes[there, column]
            for at in np.flatnonzero(said[1:] != said[:-1]) + 1:
                when = int(times[there[at]])
                events.append(change(site, asset, when, key, term, float(said[at - 1]), float(said[at])))
    return events


def change(site: str, asset: str, time: int, key: SeriesKey, term: Term, before: float, after: float) -> Event:
    """The record of a change of state at ``time`` [ns]; ``before`` and ``after`` are codes."""
    old, new = state_name(term, before), state_name(term, after)
    code = term.name.endswith(("_code", "_alarm", "_warning"))
    kind = ("warning" if "warning" in term.name else "alarm") if code else "status"
    if code:
        severity = "info" if after == 0 else ("low" if kind == "warning" else "high")
        if term.states:
            text = f"{term.long_name}: {new}"
        else:
            text = f"{term.long_name} cleared" if after == 0 else f"{term.long_name} {new}"
    else:
        severity = "high" if new in {"fault", "emergency_stop", "tripped"} else "info"
        text = f"{term.long_name}: {old} → {new}"
    return Event(
        site=site,
        asset=asset,
        time=time,
        kind=kind,
        name=term.name,
        value=new,
        text=text,
        severity=severity,
        source=str(key),
        attributes={"before": old},
    )


def state_name(term: Term, code: float) -> str:
    """Name of a state by its code; the code itself where it has no name."""
    for name, number in (term.states or {}).items():
        if number == code:
            return name
    return f"{code:g}"
