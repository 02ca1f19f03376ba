"""States that change: the records behind status variables."""

from __future__ import annotations

import numpy as np

from workbench.model.quality import Quality
from workbench.model.samples import Event, Sample, SeriesKey, Shape
from workbench.model.vocabulary import Term, vocabulary

_UNUSABLE = int(Quality.BAD | Quality.INVALID)


class StatusWatch:
    """Turns changes of status variables into events with their exact source time.

    The first value seen of a variable is its state, not a change. Values the source calls bad are no
    statement about the state.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self._terms: dict[Shape, tuple[np.ndarray, list[Term]]] = {}
        # Kept by series, not by shape: one variable may arrive in samples of several shapes.
        self._last: dict[tuple[SeriesKey, str, str], float] = {}
        self._seen: dict[tuple[Shape, str], np.ndarray] = {}

    def changes(self, sample: Sample) -> list[Event]:
        """Events for the status variables of ``sample`` that differ from the asset's last known state."""
        watched = self._terms.get(sample.shape)
        if watched is None:
            watched = self._terms[sample.shape] = _status_terms(sample.shape)
        places, terms = watched
        if not terms:
            return []
        values = sample.values[places]
        key = (sample.shape, sample.asset)
        seen = self._seen.get(key)
        if seen is not None and np.array_equal(values, seen, equal_nan=True):
            return []
        self._seen[key] = values
        events = []
        for place, term, value in zip(places, terms, values, strict=True):
            if np.isnan(value) or (sample.quality is not None and sample.quality[place] & _UNUSABLE):
                continue
            name = (sample.shape.key, sample.asset, term.name)
            last = self._last.get(name)
            self._last[name] = float(value)
            if last is not None and last != value:
                events.append(_event(self.site, sample, term, last, float(value)))
        return events


def _status_terms(shape: Shape) -> tuple[np.ndarray, list[Term]]:
    words = vocabulary()
    found = [
        (place, term)
        for place, name in enumerate(shape.variables)
        if (term := words.get(name)) is not None and term.kind == "status"
    ]
    return np.array([place for place, _ in found], dtype=np.intp), [term for _, term in found]


def _event(site: str, sample: Sample, term: Term, before: float, after: float) -> Event:
    old, new = state_name(term, before), state_name(term, after)
    code = term.name.endswith(("_code", "_alarm", "_warning"))
    kind = ("warning" if "warning" in term.name else "alarm") if code else "status"
    if code:
        severity = "info" if after == 0 else ("low" if kind == "warning" else "high")
        text = f"{term.long_name} cleared" if after == 0 else f"{term.long_name} {new}"
    else:
        severity = "high" if new in {"fault", "emergency_stop", "tripped"} else "info"
        text = f"{term.long_name}: {old} → {new}"
    return Event(
        site=site,
        asset=sample.asset,
        time=sample.time,
        kind=kind,
        name=term.name,
        value=new,
        text=text,
        severity=severity,
        source=str(sample.shape.key),
        attributes={"before": old},
    )


def state_name(term: Term, code: float) -> str:
    """Name of a state by its code; the code itself where it has no name."""
    for name, number in (term.states or {}).items():
        if number == code:
            return name
    return f"{code:g}"
