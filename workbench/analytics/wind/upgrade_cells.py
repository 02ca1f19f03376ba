"""Turbines with and without an upgrade, beside others, by cells of power and wind direction.

See :mod:`~workbench.analytics.wind.upgrade`, which says what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.air_density import density_of, normalized_wind_speed
from workbench.analytics.wind.yaw_misalignment import ratings, values_of
from workbench.model.errors import InputError, did_you_mean
from workbench.steps import teller

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_BLOCKS = 4  # of each state, with fewer nothing is known of chance
_SLOTS = 200


@dataclass(frozen=True)
class UpliftSettings:
    """How slots are compared.

    Attributes
    ----------
    power_width
        Width of the cells, as share of the references' rating [1].
    wind_width
        The same of a turbine without references, whose own wind speed is used [m/s].
    sector
        Width of the sectors of wind direction [degree]; one sector where no direction is known.
    least
        Slots a cell needs in either state.
    lowest, top
        References count from this share of their rating on [1]; all above ``top`` are one cell, in which an upgrade has
        little to win and which counts as well, for the uplift is one of all energy.
    block
        Length of the blocks that are drawn [day]. If left out the longest of 28, 14 and 7 days of which each state has
        eight or more, else 7: turbines drift for weeks, which short blocks take for chance that averages out.
    running
        Slots count in which the turbine and all its references make more than this share of their rating [1].
    """

    power_width: float = 0.04
    wind_width: float = 0.5
    sector: float = 30.0
    least: int = 5
    lowest: float = 0.03
    top: float = 0.96
    block: int | None = None
    running: float = 0.005

    def __post_init__(self) -> None:
        for name in ("power_width", "wind_width", "sector", "least", "block"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InputError("not positive", where=f"settings.{name}", found=getattr(self, name), expected="> 0")


@dataclass(frozen=True)
class Uplift:
    """What an upgrade brings.

    Attributes
    ----------
    uplift
        dims (asset), the upgraded turbines: ``uplift`` [%] of energy, ``lower`` and ``upper`` bound, ``std`` [%],
        of which ``std_chance`` of the weather and ``std_drift`` of the turbines; ``slots_with``, ``slots_without``;
        ``covered`` [1], share of the slots with the upgrade that have a counterpart; ``claimed``, whether the
        interval leaves out zero; the texts ``reason`` (no figure) and ``caution``.
    placebo
        dims (asset): ``uplift`` and ``std`` [%] of the references as if they had been upgraded.
    by_power
        dims (asset, power_bin): ``uplift`` [%] and ``slots`` by the references' power.
    summary
        One row per upgraded turbine.
    """

    uplift: xr.Dataset
    placebo: xr.Dataset
    by_power: xr.Dataset
    summary: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class Comparison:
    """Turbines and what they are compared with."""

    turbines: xr.Dataset
    upgraded: list[str]
    references: list[str]
    power: Floats
    rating: Floats
    sector: Ints
    wind: Floats | None  #: of a farm without references, at one density
    settings: UpliftSettings

    @classmethod
    def of(
        cls,
        turbines: xr.Dataset,
        upgraded: Sequence[str],
        references: Sequence[str] | None,
        settings: UpliftSettings | None,
        wind_speed: str,
        power: str,
        direction: str,
    ) -> Comparison:
        """From the data, with names checked."""
        chosen = settings or UpliftSettings()
        names = [str(name) for name in turbines["asset"].values]
        if not len(upgraded):
            raise InputError("no turbine was upgraded", where="upgraded", expected=", ".join(names))
        rest = [name for name in names if name not in upgraded] if references is None else list(references)
        for where, asked in (("upgraded", upgraded), ("references", rest)):
            for name in asked:
                if name not in names:
                    raise InputError(
                        "no such turbine",
                        where=where,
                        found=name,
                        expected=", ".join(names[:12]),
                        hint=did_you_mean(name, names),
                    )
        both = sorted(set(rest) & set(upgraded))
        if both:
            raise InputError("a turbine is its own reference", where="references", found=", ".join(both))
        made, rating = values_of(turbines, power), ratings(turbines)
        sector = np.zeros(len(made), dtype=np.int64)
        if direction in turbines:
            columns = [names.index(name) for name in (rest or list(upgraded))]
            angle = _direction(values_of(turbines, direction)[:, columns])
            sector = np.where(np.isfinite(angle), np.floor(np.nan_to_num(angle) % 360.0 / chosen.sector), -1).astype(
                np.int64
            )
        wind = None
        if not rest:
            speed = turbines.get(wind_speed)
            density = density_of(turbines, told_by="upgrade_uplift") if speed is not None else None
            if speed is None:
                raise InputError(
                    "neither references nor a wind speed", where="references", expected=f"turbines, or {wind_speed}"
                )
            wind = values_of(turbines, wind_speed)
            if density is not None:
                same = normalized_wind_speed(
                    xr.DataArray(wind, dims=("time", "asset")), density.drop_vars(density.coords)
                )
                wind = np.where(np.isfinite(same.values), same.values, np.nan)
        return cls(turbines, list(upgraded), rest, made, rating, sector, wind, chosen)

    def uplift(
        self,
        without: Bools,
        with_: Bools,
        *,
        shared: bool,
        simulations: int,
        seed: int,
        level: float,
        progress: Callable[[int, int], None] | None = None,
    ) -> Uplift:
        """Of all upgraded turbines; ``shared`` blocks have both states and are drawn together."""
        import pandas as pd

        if not 0 < level < 1:
            raise InputError("no share", where="level", found=level, expected="in (0, 1)")
        if simulations < 0:
            raise InputError("a negative number", where="simulations", found=simulations, expected="0 or more")
        names = [str(name) for name in self.turbines["asset"].values]
        columns = [names.index(name) for name in self.references]
        tested = columns if len(columns) > 1 else []
        placebos, total = [], len(tested) + len(self.upgraded)
        tell = teller(progress, "turbines")
        for done, column in enumerate(tested, start=1):
            others = [other for other in columns if other != column]
            placebos.append(self._one(column, others, without, with_, shared, simulations, seed))
            tell(done, total)
        told = [(one.uplift, one.std) for one in placebos if np.isfinite(one.std)]
        drift, known = 0.0, len(told)
        if known > 1:
            # beside k - 1 others a turbine drifts with variance s (1 + 1 / (k - 1)), beside k with s (1 + 1 / k)
            k = len(columns)
            drift = _excess(told) * (1 + 1 / k) / (1 + 1 / (k - 1))
        rows, cells = [], []
        for done, name in enumerate(self.upgraded, start=len(tested) + 1):
            one = self._one(names.index(name), columns, without, with_, shared, simulations, seed)
            rows.append(one.row(drift, known, level, self._caution(known)))
            cells.append(one.by_power)
            tell(done, total)
        table = pd.DataFrame(rows, index=pd.Index(self.upgraded, name="asset"))
        texts = ("reason", "caution", "claimed", "slots_with", "slots_without")
        units = {name: "1" if name == "covered" else "%" for name in table if name not in texts}
        data = xr.Dataset(
            {
                str(name): ("asset", values.to_numpy(), {"units": units[name]} if name in units else {})
                for name, values in table.items()
            },
            coords={"asset": self.upgraded},
            attrs={"level": level, "seed": seed, "simulations": simulations},
        )
        shams = xr.Dataset(
            {
                "uplift": ("asset", np.array([one.uplift for one in placebos]), {"units": "%"}),
                "std": ("asset", np.array([one.std for one in placebos]), {"units": "%"}),
            },
            coords={"asset": self.references if placebos else []},
        )
        longest = max((len(one["uplift"]) for one in cells), default=0)
        width = self.settings.power_width if self.wind is None else self.settings.wind_width
        curve = xr.Dataset(
            {
                name: (
                    ("asset", "power_bin"),
                    np.array([np.pad(one[name], (0, longest - len(one[name])), constant_values=fill) for one in cells]),
                    {"units": unit},
                )
                for name, fill, unit in (("uplift", np.nan, "%"), ("slots", 0, "1"))
            },
            coords={"asset": self.upgraded, "power_bin": (np.arange(longest) + 0.5) * width},
        )
        return Uplift(data, shams, curve, table)

    def _caution(self, known: int) -> str:
        if not self.references:
            return "no reference turbine: an upgrade that changes what the anemometer shows looks like an uplift"
        if known < 2:
            return (
                "fewer than two placebos: how turbines drift against each other is not known, and not in the interval"
            )
        return ""

    def _one(
        self, column: int, others: list[int], without: Bools, with_: Bools, shared: bool, simulations: int, seed: int
    ) -> _One:
        one = self.settings
        made = self.power[:, column]
        running = (made > one.running * self.rating[column]) & (self.sector >= 0)
        if others:
            part = self.power[:, others] / self.rating[others]
            at = part.mean(axis=1)
            running &= (part > one.running).all(axis=1) & (at >= one.lowest)
            at = np.minimum(at, one.top + one.power_width / 2)
            width = one.power_width
        elif self.wind is not None:
            at, width = self.wind[:, column], one.wind_width
            running &= at > 0
        else:
            return _One(reason="no other reference")
        rows_without, rows_with = np.flatnonzero(running & without), np.flatnonzero(running & with_)
        slots = (len(rows_with), len(rows_without))
        if min(slots) < _SLOTS:
            text = f"{slots[1]} slots without and {slots[0]} with the upgrade, all running; {_SLOTS} of each are needed"
            return _One(slots=slots, reason=text)
        rows = np.concatenate([rows_without, rows_with])
        state = np.repeat([0, 1], [len(rows_without), len(rows_with)])
        level = np.floor(at[rows] / width).astype(np.int64)
        sectors = int(self.sector.max()) + 1
        cell = np.unique(level * sectors + self.sector[rows], return_inverse=True)[1]
        size = int(cell.max()) + 1
        day = self.turbines["time"].values[rows].astype("datetime64[D]").astype(np.int64)
        length = one.block or _block(day, state)
        block = (day - day.min()) // length
        blocks = int(block.max()) + 1
        where = (block * 2 + state) * size + cell
        count = np.bincount(where, minlength=blocks * 2 * size).reshape(blocks, 2, size).astype(np.float64)
        total = np.bincount(where, made[rows], minlength=blocks * 2 * size).reshape(blocks, 2, size)
        filled = count.sum(axis=2) > 0
        if (filled.sum(axis=0) < _BLOCKS).any():
            text = f"{filled.sum(axis=0).min()} blocks of {length} days in one of the states; {_BLOCKS} are needed"
            return _One(slots=slots, reason=text)
        use = (count.sum(axis=0) >= one.least).all(axis=0)
        if not use.any():
            return _One(slots=slots, reason="the two states share no power and wind direction")
        count, total = count[:, :, use], total[:, :, use]
        value = float(_uplifts(count.sum(axis=0)[None], total.sum(axis=0)[None])[0])
        rng = np.random.default_rng([seed, column])
        draws = np.zeros(0)
        if simulations:
            weights = []
            for number in range(2):
                there = filled.any(axis=1) if shared else filled[:, number]
                weights.append(rng.multinomial(there.sum(), there / there.sum(), simulations).astype(np.float64))
            if shared:
                weights[1] = weights[0]
            n = np.stack([_product(weights[s], count[:, s]) for s in range(2)], axis=1)
            p = np.stack([_product(weights[s], total[:, s]) for s in range(2)], axis=1)
            draws = _uplifts(n, p)
        covered = float(count[:, 1].sum() / slots[0])
        # by level alone, the sectors weighted as the cells are
        level_of = np.zeros(size, dtype=np.int64)
        level_of[cell] = level
        n, p = count.sum(axis=0), total.sum(axis=0)
        gain = p[1] - n[1] * p[0] / n[0]
        base = n[1] * p[0] / n[0]
        lines = level_of[use]
        with np.errstate(invalid="ignore", divide="ignore"):
            by = 100 * np.bincount(lines, gain) / np.bincount(lines, base)
        free = int(filled.any(axis=1).sum() if shared else filled.sum(axis=0).min()) - 1
        return _One(
            value, draws, free, slots, covered, {"uplift": by, "slots": np.bincount(lines, n[1]).astype(np.int64)}
        )


def _excess(told: list[tuple[float, float]]) -> float:
    """Variance of placebos beyond that of chance, from the uplift and chance of each.

    The difference of the two is itself uncertain and may be below zero; the mean is taken of what it may be above zero
    (any deviation is as likely beforehand), so that three placebos that happen to agree do not prove that turbines never
    drift.
    """
    value, chance = np.array(told).T
    seen, due = float((value**2).mean()), float((chance**2).mean())
    error = max(seen, due) * np.sqrt(2 / (len(told) - 1))
    deviation = np.linspace(0.0, np.sqrt(max(seen - due, 0.0) + 5 * error), 400)
    weight = np.exp(-0.5 * ((deviation**2 - (seen - due)) / error) ** 2)
    return float((weight * deviation**2).sum() / weight.sum())


def _block(day: Ints, state: Ints) -> int:
    """Length of the blocks [day]; see :class:`UpliftSettings`."""
    for length in (28, 14):
        block = (day - day.min()) // length
        if min(len(np.unique(block[state == one])) for one in (0, 1)) >= 8:
            return length
    return 7


def _direction(angle: Floats) -> Floats:
    """Wind direction of the farm [degree] from those of turbines, dims (time, asset).

    The median about the mean: the north of one nacelle is moved now and then, and must not move the sectors.
    """
    turn = np.exp(1j * np.deg2rad(angle))
    known = np.isfinite(angle)
    with np.errstate(invalid="ignore"):
        middle = np.rad2deg(np.angle(np.where(known, turn, 0.0).sum(axis=1)))
    off = np.where(known, (angle - middle[:, None] + 180.0) % 360.0 - 180.0, np.nan)
    found = np.full(len(angle), np.nan)
    rows = known.any(axis=1)
    found[rows] = middle[rows] + np.nanmedian(off[rows], axis=1)
    return found


def _uplifts(count: Floats, total: Floats) -> Floats:
    """Uplift [%] of slots and sums of power, dims (draw, state, cell); cells empty in one state do not count."""
    both = (count > 0).all(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        base = np.where(both, count[:, 1] * total[:, 0] / count[:, 0], 0.0).sum(axis=1)
        found: Floats = 100.0 * (np.where(both, total[:, 1], 0.0).sum(axis=1) / base - 1.0)
    return found


@dataclass(frozen=True)
class _One:
    """One turbine beside its references."""

    uplift: float = np.nan
    draws: Floats = field(default_factory=lambda: np.zeros(0))
    free: int = 0  #: degrees of freedom: blocks of the scarcer state less one
    slots: tuple[int, int] = (0, 0)
    covered: float = np.nan
    by_power: dict[str, npt.NDArray[np.generic]] = field(
        default_factory=lambda: {"uplift": np.zeros(0), "slots": np.zeros(0, dtype=np.int64)}
    )
    reason: str = ""

    @property
    def std(self) -> float:
        """Of the weather [%]."""
        return float(self.draws.std(ddof=1)) * np.sqrt(1 + 1 / self.free) if len(self.draws) > 1 else np.nan

    def row(self, drift: float, known: int, level: float, caution: str) -> dict[str, object]:
        """What the table says of it."""
        from scipy.stats import t

        chance = self.std
        std = float(np.sqrt(chance**2 + drift))
        low = high = np.nan
        if np.isfinite(std):
            # Welch and Satterthwaite: few blocks, and few placebos, of which one less is free, are themselves uncertain
            free = std**4 / (chance**4 / self.free + (drift**2 / (known - 1) if known > 1 else 0.0))
            half = float(t.ppf((1 + level) / 2, free)) * std
            low, high = self.uplift - half, self.uplift + half
        return {
            "uplift": self.uplift, "lower": low, "upper": high, "std": std, "std_chance": chance,
            "std_drift": float(np.sqrt(drift)), "slots_with": self.slots[0], "slots_without": self.slots[1],
            "covered": self.covered, "claimed": bool(low > 0 or high < 0), "reason": self.reason,
            "caution": "" if self.reason else caution,
        }  # fmt: skip


def _product(weights: Floats, values: npt.NDArray[Any]) -> Floats:
    """``weights @ values``, summed in one order whatever the number of threads is."""
    found: Floats = np.einsum("sb,bc->sc", weights, values, optimize=False)
    return found
