"""Strings, MPPT inputs and inverters' DC sides against their peers: which lost what, since when, and of which kind."""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.analytics.solar.clipping import clipped_values
from workbench.analytics.solar.fault_fields import (
    Bools,
    Days,
    Faults,
    Floats,
    Ints,
    check,
    check_light,
    coded,
    days_of,
    field,
    median_of,
    need,
    numbers,
    quantile_of,
    quiet,
    table_of,
    texts,
)
from workbench.analytics.solar.string_peers import Compared, Peers, compared, groups_of
from workbench.analytics.solar.string_spans import CERTAIN, CLASSES, Span, View, rows_in, spans_in
from workbench.model.errors import InputError

#: Fields of current, voltage and power by kind of asset.
FIELDS = {
    "string": ("current", "voltage", "power"),
    "mppt": ("input_current", "input_voltage", "input_power"),
    "inverter": ("total_dc_current", "total_dc_voltage", "total_dc_power"),
}
_WEEKS = 21  #: days before and after a fault from which the energy expected in it is set


@quiet
def string_faults(
    data: xr.Dataset, *, kind: str = "", parent: str = "parent", orientation: str = "orientation",
    least_loss: float = 0.04, low_light: float = 0.1, least_days: int = 2, nominal_voltage: float | None = None,
    price: float | None = None,
) -> Faults:  # fmt: skip
    """Faults of strings, MPPT inputs or inverters' DC sides, by comparison with their peers.

    Each is held against the median of its peers, each over its usual share: those of the same parent and orientation, or where
    they are fewer than four all of its orientation. So clouds, low light, an inverter that stands or limits, and missing data are
    common to all and do not count; a gain of a sensor or a mismatch of modules is part of the usual share. A share is learned
    from all the data: the highest level that lasts. Faults are changes of the level of the daily index.

    Parameters
    ----------
    data
        dims (time, asset), an asset per string (``current`` [A], ``voltage`` [V], ``power`` [kW]), per MPPT (``input_current``, …) or
        per inverter (``total_dc_current``, …): the current or the power at least. Coordinates on asset, where there: ``parent``
        (inverter or combiner), ``orientation`` (any text) or ``tilt`` and ``azimuth`` [degree], ``string_count`` (strings in
        parallel behind one measurement: then an open one is told by its share), ``modules_per_string``, ``asset_type``.
    kind
        ``string``, ``mppt`` or ``inverter``; by default by the fields that are there.
    parent, orientation
        Coordinates.
    least_loss
        Share of current or power that is worth an event [1].
    low_light
        Share of the usual top below which a slot is too dark to tell [1].
    least_days
        Days that an event lasts at least; a current that stops, and a clear fall on the last day of the data, need not.
    nominal_voltage
        For the energy where neither voltage nor power is measured [V].
    price
        Of energy [currency/kWh].

    Returns
    -------
    Faults
        ``fault``: ``open string`` (no current, or less by the share of a whole number of those in parallel; ``detail`` says by how much,
        with its standard error, and where that is too large to tell), ``input out`` (an input of several strings without current),
        ``weak string`` (low all day, by another share: dirt, age, mismatch), ``shaded`` (low at some hours), ``shorted modules`` (voltage
        low by thirds of a module: shorted modules, or bypass diodes), ``mppt stuck`` (its voltage does not move), ``sensor`` (reversed or
        of another scale; nothing is lost). ``index``: what was measured over what its share of the peers says.

    Raises
    ------
    InputError
        Neither current nor power; another unit than the field says; reversed signs throughout; night alone; parameters out of range.

    Notes
    -----
    Kinds of faults after IEC 62446-3 and IEA PVPS T13-10 (2018); a bypass diode bridges a third of a usual module. A current sensor
    that gives zero looks like an open string. What all peers suffer alike cannot be seen.
    """
    if not 0 < least_loss < 1 or not 0 < low_light < 1 or least_days < 1:
        raise InputError(
            "a parameter is out of range", where="least_loss, low_light, least_days",
            found=f"{least_loss}, {low_light}, {least_days}", expected="0 to 1, 0 to 1, 1 or more",
        )  # fmt: skip
    check(data)
    kind = kind or _kind(data)
    names = FIELDS[kind]
    current, voltage, power = (field(data, name, kind) for name in names)
    values, main = (current, names[0]) if current is not None else (power, names[2])
    if values is None:
        values = need(data, names[0], kind, "nor a power")
    check_light(values, main)
    scaled = _check_power(current, voltage, power, names[2])
    if power is None:
        volts = voltage if voltage is not None else nominal_voltage
        power = None if current is None or volts is None else current * volts / 1000.0
    days = days_of(data, values)
    groups, why = groups_of(data, values, days, parent, orientation)
    names_ = [str(a) for a in data["asset"].values]
    reasons = {names_[c]: text for c, text in why.items()}
    for c in np.flatnonzero(~np.isfinite(values).any(axis=0)):
        reasons[names_[c]] = f"no value of {main}: it is not judged"
    clipped = None
    if kind == "inverter":
        clipped = np.asarray(clipped_values(data, variable=names[2] if names[2] in data else main).values)
    found = _Found(data, days, kind, texts(data, parent), price)
    parallel, modules = np.nan_to_num(numbers(data, "string_count"), nan=1.0), numbers(data, "modules_per_string")
    for group in groups:
        at = group.columns
        lit = _lit(values[:, at], days, low_light)
        here, light = np.ix_(lit, at), days.only(lit)
        view = View(
            values[here], None if voltage is None else voltage[here], None if power is None else power[here],
            None if scaled is None else scaled[here], parallel[at], modules[at], kind,
        )  # fmt: skip
        side = None if clipped is None else clipped[here]
        beside = compared(view.values, light, group, low_light=low_light, parallel=view.parallel, clipped=side)
        spans = spans_in(beside, view, light, least_loss, least_days)
        found.add(group, lit, light, view, beside, spans, side)
    if power is None:
        reasons |= {
            a: "no power and no voltage: the energy lost cannot be told (nominal_voltage=…)"
            for a in names_
            if a not in reasons
        }
    return found.result(reasons)


def _kind(data: xr.Dataset) -> str:
    for kind, names in FIELDS.items():
        if names[0] in data or names[2] in data:
            return kind
    raise InputError(
        "there is neither a current nor a power of strings, MPPTs or inverters", where="data",
        found=", ".join(str(n) for n in list(data.data_vars)[:12]),
        expected="current, input_current or total_dc_current; or the power",
    )  # fmt: skip


def _lit(values: Floats, days: Days, low_light: float) -> Ints:
    """Slots in which two of a group give anything, and the first of each day: half of a year is night, of which nothing is told."""
    with np.errstate(invalid="ignore"):
        top = quantile_of(np.where(values > 0, values, np.nan), 0.9)
        top = np.fmax(top, 0.2 * np.nanmedian(top)) if np.isfinite(top).any() else np.ones(values.shape[1])
        lit = (np.abs(values) > min(0.02, 0.2 * low_light) * top).sum(axis=1) >= 2
    lit[days.first] = True
    return np.flatnonzero(lit)


def _check_power(current: Floats | None, voltage: Floats | None, power: Floats | None, name: str) -> Floats | None:
    """Power over current times voltage, [slot, asset]; None where one is not measured."""
    if current is None or voltage is None or power is None:
        return None
    product = current * voltage / 1000.0
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(np.abs(product) > 0.1 * np.nanquantile(np.abs(product), 0.98), power / product, np.nan)
    usual = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else np.nan
    if np.isfinite(usual) and not 0.5 < abs(usual) < 2.0:
        raise InputError(
            f"{name} is not current times voltage: watts taken for kilowatts?", where=name,
            found=f"{usual:.4g} times current x voltage", expected="about 1",
            hint="set the attribute 'units' to what they are, or the step `unit_conversion`",
        )  # fmt: skip
    return np.asarray(ratio)


class _Found:
    """Events and fields of all groups."""

    def __init__(self, data: xr.Dataset, days: Days, kind: str, parents: list[str], price: float | None) -> None:
        self.data, self.days, self.kind, self.parents, self.price = data, days, kind, parents, price
        shape, daily = (data.sizes["time"], data.sizes["asset"]), (len(days.dates), data.sizes["asset"])
        self.loss, self.code = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int8)
        self.index = np.full(daily, np.nan)
        self.rows: list[dict[str, object]] = []

    def add(
        self, group: Peers, lit: Ints, light: Days, view: View, beside: Compared, spans: list[Span], clipped: Bools | None
    ) -> None:  # fmt: skip
        """Spans of one group, of whose slots ``lit`` were looked at; ``light`` are their days."""
        self.index[:, group.columns] = beside.index
        judged = {c: [s for s in spans if s.column == c] for c in {s.column for s in spans}}
        power = _PowerOf(view, beside, light, judged, clipped)
        times, edges = self.data["time"].values, np.r_[self.days.first, len(self.data["time"])]
        for span in sorted(spans, key=lambda s: (s.column, s.first)):
            column = int(group.columns[span.column])
            rows = np.arange(*np.searchsorted(light.number, (span.first, span.stop)))
            first, last = _exact(rows, span, beside, view)
            whole = rows[0] == first, rows[-1] == last
            rows = rows[(rows >= first) & (rows <= last)]
            lost = power.lost(span, rows)
            told = np.nan_to_num(lost)
            self.loss[lit[rows], column] += told.astype(np.float32)
            # with the night before and after, where the day is not divided
            begin = int(edges[span.first] if whole[0] else lit[first])
            end = int(edges[span.stop] - 1 if whole[1] else lit[last])
            self.code[begin : end + 1, column] = CLASSES.index(span.kind) + 1
            ongoing = span.stop >= len(self.days.dates)
            seen = int(np.isfinite(beside.index[span.first : span.stop, span.column]).sum())
            self.rows.append(
                {
                    "asset": str(self.data["asset"].values[column]),
                    "parent": self.parents[column],
                    "fault": span.kind,
                    "begin": times[begin],
                    "end": times[end],
                    "ongoing": ongoing,
                    "days": seen,
                    "ratio": span.ratio,
                    "confidence": _confidence(span, seen),
                    "lost_energy": float(lost.sum()) if np.isfinite(lost).all() else np.nan,
                    "detail": span.detail,
                }
            )

    def result(self, reasons: dict[str, str]) -> Faults:
        table = table_of(self.rows, ("detail",), self.price)
        days, dims = self.days, ("time", "asset")
        coords = {"asset": self.data["asset"]}
        worst = np.maximum.reduceat(self.code, days.first, axis=0)
        daily = xr.Dataset(
            {
                "index": (dims, self.index, {"units": "1", "long_name": "measured over what the peers say"}),
                "loss": (dims, days.sums(self.loss.astype(np.float64)), {"units": "kWh", "long_name": "energy lost to faults"}),
                "fault": coded(self.data, worst, CLASSES, "class of the fault"),
            },
            coords={"time": days.dates.astype("datetime64[ns]"), **coords},
        )  # fmt: skip
        slots = xr.Dataset(
            {
                "loss": (dims, self.loss, {"units": "kWh", "long_name": "energy lost to faults"}),
                "fault": coded(self.data, self.code, CLASSES, "class of the fault"),
            },
            coords={"time": self.data["time"], **coords},
        )
        return Faults(table, daily, slots, reasons, days.number)


def _exact(rows: np.ndarray, span: Span, beside: Compared, view: View) -> tuple[int, int]:
    """First and last slot of a fault that shows in single slots; of the others the whole days."""
    if span.ratio > 0.6 and span.ratio < 1.1:
        return int(rows[0]), int(rows[-1])
    valid = rows[beside.valid[rows, span.column]]
    if not len(valid):
        return int(rows[0]), int(rows[-1])
    ratio = view.values[valid, span.column] / (beside.reference[valid] * beside.share[span.column])
    off = (ratio - 1.0) / (min(span.ratio, 2.0) - 1.0) > 0.5
    if not off.any():
        return int(rows[0]), int(rows[-1])
    at = np.flatnonzero(off)
    # what is dark or missing before the first slot of which it is known belongs to neither; a later one ends it
    first = int(valid[at[0]]) if at[0] > 0 else int(rows[0])
    last = int(valid[at[-1]]) if at[-1] < len(valid) - 1 else int(rows[-1])
    return first, last


def _confidence(span: Span, days: int) -> float:
    """Between 0.5 for what was just seen to 1 for many standard errors on many days."""
    return float(np.round(1.0 - 0.5 * np.exp(-max(span.sure - CERTAIN, 0.0) / 10.0 - (days - 1) / 10.0), 2))


class _PowerOf:
    """Power that the peers say, in the place of what a fault left."""

    def __init__(
        self, view: View, beside: Compared, days: Days, spans: dict[int, list[Span]], clipped: Bools | None
    ) -> None:
        self.view, self.beside, self.days, self.clipped = view, beside, days, clipped
        self.expected: dict[int, Floats] = {}
        if view.power is None or not spans:
            return
        p = np.where(beside.stopped, np.nan, view.power)
        top = np.nanquantile(np.where(p > 0, p, np.nan), 0.9, axis=0)
        like = beside.share / np.nanmedian(beside.share)
        top = np.where(np.isfinite(top) & (top > 0.2 * np.nanmedian(top) * like), top, np.nanmedian(top) * like)
        wrong = np.zeros(p.shape, bool)
        for column, found in spans.items():
            for span in found:
                wrong[rows_in(days, span.first, span.stop), column] = True
        clean = np.where(wrong, np.nan, p)
        for _ in range(2):
            reference = median_of(clean / top, 2)
            top = self._scaled(clean, reference, top)
        self.reference, self.power, self.wrong = reference, p, wrong
        for column in spans:
            self.expected[column] = top[column] * reference
            if clipped is not None:
                held = clipped[:, column]
                limit = np.nanmedian(p[held, column]) if held.any() else np.inf
                self.expected[column] = np.minimum(self.expected[column], limit)

    def _scaled(self, p: Floats, reference: Floats, top: Floats) -> Floats:
        use = self.beside.valid & np.isfinite(p) & np.isfinite(reference)[:, None]
        if self.clipped is not None:
            use &= ~self.clipped
        base = np.where(use, reference[:, None], 0.0).sum(axis=0)
        got = np.where(use, np.nan_to_num(p), 0.0).sum(axis=0)
        light = np.nansum(np.where(use.any(axis=1), reference, 0.0))
        known = base > 0.02 * light
        scale = np.where(known, got / np.where(base > 0, base, 1.0), np.nan)
        # what was never right takes the scale of the others
        return np.where(
            known, scale, np.nanmedian(scale / self.beside.share) * self.beside.share if known.any() else top
        )

    def _beside(self, span: Span) -> float:
        """What it gave of what is expected in the weeks before and after: seasons and dirt move a share by a per cent or so."""
        c, number = span.column, self.days.number
        near = (number >= span.first - _WEEKS) & (number < span.stop + _WEEKS)
        p, e = self.power[:, c], self.expected[c]
        use = near & ~self.wrong[:, c] & self.beside.valid[:, c] & np.isfinite(p) & np.isfinite(e)
        if len(np.unique(number[use])) < 5:
            return 1.0
        return float(np.clip(p[use].sum() / e[use].sum(), 0.9, 1.1))

    def lost(self, span: Span, rows: np.ndarray) -> Floats:
        """Energy lost in each of ``rows`` [kWh]; NaN where it cannot be told, 0 for a sensor."""
        if span.kind == "sensor":
            return np.zeros(len(rows))
        if span.column not in self.expected:
            return np.full(len(rows), np.nan)
        expected, actual = self.expected[span.column][rows], self.power[rows, span.column]
        expected = expected * self._beside(span)
        stopped = self.beside.stopped[rows, span.column]
        both = np.isfinite(expected) & np.isfinite(actual)
        share = 1.0 - actual[both].sum() / expected[both].sum() if both.any() and expected[both].sum() > 0 else 0.0
        if span.kind == "shorted modules":  # the voltage tells it better than the power
            actual, share = np.full(len(rows), np.nan), 1.0 - span.ratio
        lost = np.where(np.isfinite(actual), expected - actual, share * expected)
        lost = np.where(stopped, 0.0, np.nan_to_num(lost)) * self.days.hours
        return np.asarray(lost if lost.sum() > 0 else np.zeros(len(rows)))
