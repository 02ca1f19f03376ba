"""A past for simulated sites: the models of the live plant, run over the time before.

Ten-minute statistics come from substeps of 30 s (each an instant of the full model, gusts included), and
where one-second data is made as well, from that data. A statistic's ``count`` says for how many samples of
the series' own cadence its substeps stand: mean and standard deviation are unbiased by the substep, minima
and maxima of gusty variables are a little closer to the mean than those of 600 samples would be.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.quality import DTYPE, Quality, quality_attrs, quality_name
from workbench.model.samples import NS, SeriesKey
from workbench.simulate.noise import Floats

if TYPE_CHECKING:
    import xarray as xr

    from workbench.simulate.plant import Block, SimulatedSite

PERIOD = 600
STATISTICS = "10min"
SUBSTEP = 30  #: of the ten-minute past [s]
#: Values of these qualities do not enter statistics.
UNUSABLE = int(Quality.BAD | Quality.INVALID)

Kind = Literal["measurement", "angle", "held"]
_STATISTIC = {
    "": ("", "mean"),
    "_min": ("minimum of ", "minimum"),
    "_max": ("maximum of ", "maximum"),
    "_std": ("standard deviation of ", "standard_deviation"),
    "_count": ("number of good values of ", "sum"),
}


def past(
    site: SimulatedSite, start: int, end: int, *, fine: int = 3 * 3600, substep: int = SUBSTEP
) -> dict[SeriesKey, xr.Dataset]:
    """Ten-minute statistics over [``start``, ``end``) and the series themselves over its last part.

    Parameters
    ----------
    start, end
        [ns since 1970 UTC]. The statistics cover the whole periods of ten minutes in between; live ticks
        continue from ``end``, taken down to the second.
    fine
        How long before ``end`` the series themselves begin [s], taken to whole periods. Statistics of that
        part are computed from them.
    substep
        Spacing of the instants behind the other statistics [s]; it divides ten minutes.

    Returns
    -------
    ``{type/cadence: Dataset}`` for the last part and ``{type/10min: Dataset}`` for all, each with dims
    (time, asset), quality variables where anything is flagged, and ``sample_count``.

    Raises
    ------
    InputError
        ``substep`` does not divide ten minutes.
    """
    if substep < 1 or PERIOD % substep:
        raise InputError("the substep divides ten minutes", where="substep", found=substep, expected="such as 30 s")
    first = -(-int(start) // (PERIOD * NS)) * PERIOD * NS
    end = int(end) // NS * NS
    turn = max(first, (end - fine * NS) // (PERIOD * NS) * PERIOD * NS)
    statistics = _Statistics()
    series = _Series()
    if turn > first:
        for found in site.blocks(first, turn, substep):
            statistics.take(found)
    for found in site.blocks(turn, end, 1):
        series.take(found)
        statistics.take(found)
    return series.datasets(site) | statistics.datasets(site)


def history(site: SimulatedSite, start: int, end: int, cadence: str) -> dict[SeriesKey, xr.Dataset]:
    """What was measured in [``start``, ``end``).

    ``cadence`` ``"10min"``: statistics, by :func:`past`; the last three hours are computed by the second, so
    that a following call for those with ``"1s"`` gives just the data behind them. ``"1s"``: every series at
    its own cadence.

    Raises
    ------
    InputError
        For another cadence.
    """
    if cadence == STATISTICS:
        return {key: data for key, data in past(site, start, end).items() if key.cadence == STATISTICS}
    if cadence == "1s":
        series = _Series()
        for found in site.blocks(-(-int(start) // NS) * NS, int(end) // NS * NS, 1):
            series.take(found)
        return series.datasets(site)
    raise InputError("no history of this cadence", where="cadence", found=cadence, expected="1s or 10min")


class _Series:
    """Gathers the series themselves."""

    def __init__(self) -> None:
        self._times: dict[str, list[npt.NDArray[np.int64]]] = {}
        self._values: dict[str, dict[str, list[Floats]]] = {}
        self._flags: dict[str, dict[str, list[tuple[int, npt.NDArray[np.uint16]]]]] = {}
        self._length: dict[str, int] = {}

    def take(self, found: dict[str, Block]) -> None:
        from workbench.simulate.plant import cadence_ns

        for kind, block in found.items():
            every = cadence_ns(kind) // NS
            rows = np.flatnonzero(block.clock.second % every == 0) if every > 1 else slice(None)
            times = block.clock.ns[rows]
            self._times.setdefault(kind, []).append(times)
            columns = self._values.setdefault(kind, {})
            for name in block.variables:
                width = np.float64 if _wide(name) else np.float32
                columns.setdefault(name, []).append(block.values[name][rows].astype(width))
            begin = self._length.get(kind, 0)
            self._length[kind] = begin + len(times)
            if block.quality is not None:
                for v in np.flatnonzero(block.quality.any(axis=(0, 1))):
                    marks = block.quality[rows][:, :, v]
                    self._flags.setdefault(kind, {}).setdefault(block.variables[v], []).append((begin, marks))

    def datasets(self, site: SimulatedSite) -> dict[SeriesKey, xr.Dataset]:
        from workbench.simulate.plant import CADENCES

        made = {}
        for kind, times in self._times.items():
            key = SeriesKey(kind, CADENCES[kind])
            assets = site.keys[key][0]
            data: dict[str, Any] = {}
            for name, parts in self._values[kind].items():
                data[name] = (("time", "asset"), np.concatenate(parts), _attrs(name, kind))
            for name, marks in self._flags.get(kind, {}).items():
                whole = np.zeros((self._length[kind], len(assets)), dtype=DTYPE)
                for begin, part in marks:
                    whole[begin : begin + len(part)] = part
                data[quality_name(name)] = (("time", "asset"), whole, quality_attrs(name))
            count = np.ones((self._length[kind], len(assets)), dtype=np.uint16)
            made[key] = _dataset(np.concatenate(times), assets, data, count)
        return made


class _Statistics:
    """Gathers statistics over whole periods of ten minutes."""

    def __init__(self) -> None:
        self._times: dict[str, list[npt.NDArray[np.int64]]] = {}
        self._values: dict[str, dict[str, list[Floats]]] = {}
        self._counts: dict[str, list[npt.NDArray[np.uint16]]] = {}

    def take(self, found: dict[str, Block]) -> None:
        from workbench.simulate.plant import cadence_ns

        for kind, block in found.items():
            every = cadence_ns(kind) // NS
            step = max(int(block.clock.dt), 1)
            stride = max(1, every // step)  # of the instants, those at which the asset reports
            per = PERIOD // step
            whole = len(block.clock.ns) // per * per
            if not whole:
                continue
            shape = (whole // per, per // stride)
            stands = max(step, every) // every  # samples of its own cadence that one instant stands for
            self._times.setdefault(kind, []).append(block.clock.ns[:whole:per])
            columns = self._values.setdefault(kind, {})
            assets = len(block.values[block.variables[0]][0])
            groups: dict[tuple[Kind, float], list[str]] = {}
            for v, name in enumerate(block.variables):
                if block.quality is not None and block.quality[:, :, v].any():
                    marks = block.quality[:whole:stride, :, v].reshape(*shape, assets)
                    values = block.values[name][:whole:stride].reshape(*shape, assets)
                    usable = (marks & np.uint16(UNUSABLE)) == 0
                    for suffix, result in summarise(values, usable, kind_of(name), _low(name), stands):
                        columns.setdefault(name + suffix, []).append(result)
                else:
                    groups.setdefault((kind_of(name), _low(name)), []).append(name)
            for (how, low), names in groups.items():
                # all variables side by side: long rows are quick to reduce
                together = np.concatenate([block.values[name][:whole:stride] for name in names], axis=1)
                for suffix, result in summarise(together.reshape(*shape, -1), None, how, low, stands):
                    for i, name in enumerate(names):
                        columns.setdefault(name + suffix, []).append(result[:, i * assets : (i + 1) * assets])
            self._counts.setdefault(kind, []).append(np.full((shape[0], assets), shape[1] * stands, dtype=np.uint16))

    def datasets(self, site: SimulatedSite) -> dict[SeriesKey, xr.Dataset]:
        from workbench.simulate.plant import CADENCES

        made = {}
        for kind, times in self._times.items():
            assets = site.keys[SeriesKey(kind, CADENCES[kind])][0]
            data: dict[str, Any] = {}
            for name, parts in self._values[kind].items():
                base, suffix = _split(name, kind)
                width = np.float64 if _wide(base) and suffix != "_count" else np.float32
                values = np.concatenate(parts).astype(width)
                data[name] = (("time", "asset"), values, _statistic_attrs(base, suffix, kind))
            made[SeriesKey(kind, STATISTICS)] = _dataset(
                np.concatenate(times), assets, data, np.concatenate(self._counts[kind])
            )
        return made


def summarise(
    values: Floats, usable: npt.NDArray[np.bool_] | None, kind: Kind, low: float = 0.0, stands: int = 1
) -> list[tuple[str, Floats]]:
    """Statistics of ``values`` [period, instant, asset] over the instants, of the ``usable`` ones or all.

    ``measurement``: mean, minimum, maximum, standard deviation of the population, count. ``angle`` [degree]:
    circular mean in [low, low + 360), standard deviation after Yamartino, count. ``held``: last value, count.

    Returns
    -------
    Pairs of the suffix of the variable's name and [period, asset] values.

    References
    ----------
    R. J. Yamartino, J. Climate Appl. Meteor. 23 (1984) 1362-1366.
    """
    good = (
        np.full((len(values), values.shape[2]), float(values.shape[1])) if usable is None else usable.sum(axis=1) * 1.0
    )
    n = np.where(good > 0, good, np.nan)
    count = good * stands
    if kind == "held":
        if usable is None:
            return [("", values[:, -1].copy()), ("_count", count)]
        last = values.shape[1] - 1 - np.argmax(usable[:, ::-1], axis=1)
        taken = np.take_along_axis(values, last[:, None], axis=1)[:, 0]
        return [("", np.where(good > 0, taken, np.nan)), ("_count", count)]
    if kind == "angle":
        turned = np.deg2rad(values)
        sine, cosine = np.sin(turned), np.cos(turned)
        if usable is not None:
            sine, cosine = np.where(usable, sine, 0.0), np.where(usable, cosine, 0.0)
        s, c = sine.sum(axis=1) / n, cosine.sum(axis=1) / n
        spread = np.sqrt(np.clip(1.0 - (s * s + c * c), 0.0, 1.0))
        mean = (np.rad2deg(np.arctan2(s, c)) - low) % 360.0 + low
        std = np.rad2deg(np.arcsin(spread) * (1.0 + (2.0 / np.sqrt(3.0) - 1.0) * spread**3))
        return [("", mean), ("_std", std), ("_count", count)]
    clean = values if usable is None else np.where(usable, values, 0.0)
    mean = clean.sum(axis=1) / n
    off = clean - mean[:, None]
    if usable is None:
        least, most = values.min(axis=1), values.max(axis=1)
    else:
        off = np.where(usable, off, 0.0)
        least = np.where(good > 0, np.where(usable, values, np.inf).min(axis=1), np.nan)
        most = np.where(good > 0, np.where(usable, values, -np.inf).max(axis=1), np.nan)
    std = np.sqrt(np.einsum("pia,pia->pa", off, off) / n)
    return [("", mean), ("_min", least), ("_max", most), ("_std", std), ("_count", count)]


@cache
def kind_of(name: str) -> Kind:
    """How a variable is summed up: states and counters by their last value, angles on the circle."""
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(name)
    if term is None or term.kind in {"measurement", "setpoint"}:
        return "measurement"
    return "angle" if term.kind == "angle" else "held"


@cache
def _low(name: str) -> float:
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(name)
    return -180.0 if term is not None and term.valid_min is not None and term.valid_min < 0 else 0.0


def _wide(name: str) -> bool:
    from workbench.model.vocabulary import vocabulary

    return vocabulary().dtype(name) == "f8"


def _split(name: str, asset_type: str) -> tuple[str, str]:
    """The variable and the suffix of a statistic's name."""
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(name)
    if term is None or asset_type not in term.asset_types:  # a battery has a cell_temperature_min of its own
        for suffix in ("_min", "_max", "_std", "_count"):
            if name.endswith(suffix):
                return name.removesuffix(suffix), suffix
    return name, ""


def _attrs(name: str, asset_type: str) -> dict[str, Any]:
    from workbench.model.vocabulary import vocabulary

    return vocabulary().attrs(name, asset_type)


def _statistic_attrs(base: str, suffix: str, asset_type: str) -> dict[str, Any]:
    attrs = _attrs(base, asset_type)
    words, method = _STATISTIC[suffix]
    if not suffix:
        attrs["cell_methods"] = "time: point" if kind_of(base) == "held" else "time: mean"
        return attrs
    for gone in ("iec61400_25", "valid_range", "flag_values", "flag_meanings"):
        attrs.pop(gone, None)
    attrs["long_name"] = words + str(attrs.get("long_name", base))
    attrs["cell_methods"] = f"time: {method}"
    if suffix == "_count":
        attrs["units"] = "1"
        attrs.pop("standard_name", None)
    return attrs


def _dataset(
    times: npt.NDArray[np.int64], assets: Iterable[str], data: dict[str, Any], count: npt.NDArray[np.uint16]
) -> xr.Dataset:
    import xarray as xr

    data["sample_count"] = (
        ("time", "asset"),
        count,
        {"long_name": "samples folded into the slot", "units": "1", "cell_methods": "time: sum"},
    )
    return xr.Dataset(
        data,
        coords={
            "time": ("time", times.astype("datetime64[ns]"), {"standard_name": "time"}),
            "asset": ("asset", np.array(list(assets), dtype=object)),
        },
    )
