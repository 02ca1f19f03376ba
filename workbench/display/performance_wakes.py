"""Wakes of a farm for the page of its performance: prepared once for all viewers, answered for each setting.

A moved slider is answered by the measured losses, some hundredths of a second; their interval, some seconds of
simulations, follows. An interval is worked out once for all who set the same, and given up when nobody waits for it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.display.prepared import Prepared
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from workbench.analytics.wind.northing import DirectionOffset
    from workbench.analytics.wind.wake_analysis import Grid
    from workbench.analytics.wind.wake_data import Farm
    from workbench.analytics.wind.wake_simulation import SimulatedWakeLosses
    from workbench.analytics.wind.wakes import WakeLosses
    from workbench.catalog.wind_plant import WindPlant


Floats = npt.NDArray[np.float64]

DRAWS = (20, 50, 100, 200, 400)
SECTORS = (5.0, 10.0, 15.0, 30.0)
_FIELDS = ("power_output", "wind_speed", "wind_direction")
_KEPT = 12  #: measured losses and intervals kept; some hundred kilobytes each


@dataclass(frozen=True)
class WakeSettings:
    """What a viewer may set of the wakes."""

    sector: float = 90.0  #: in which no other may stand for the wind to be free [deg]
    turn: float = 0.0  #: added to the wind directions beside what the wakes say [deg]
    spread: float = 7.0  #: below its curve is a turbine from so many median absolute deviations on
    no_wakes_from: float = 13.0  #: from this wind on what was not measured has no wakes [m/s]
    years: int = 20  #: of the long term
    direction_bin: float = 5.0  #: [deg]
    simulations: int = 100  #: of the interval


@dataclass(frozen=True)
class WakeAnswer:
    """Losses for one setting, or why there are none; ``drawn`` is missing until the simulations are done."""

    settings: WakeSettings
    losses: WakeLosses | None = None
    drawn: SimulatedWakeLosses | None = None
    offset: float = 0.0  #: by which the wind directions are turned [deg]
    told: str = ""  #: of the offset
    notes: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    seconds_drawn: float = 0.0

    @property
    def kind(self) -> str:
        """``long_term``, or ``period`` without a reanalysis."""
        return "long_term" if self.losses is not None and "long_term" in self.losses.summary else "period"


class _UnwantedError(Exception):
    """Nobody waits for it any more."""


class WakeStudy(Prepared):
    """Wakes of one farm; shared by all viewers."""

    def __init__(self, plant: WindPlant) -> None:
        self._plant = plant
        super().__init__(self._lacking())
        self._straight: xr.Dataset | None = None
        self._found: DirectionOffset | None = None
        self._told = ""
        self._farm: Farm | None = None
        self._deviations: tuple[Floats, Floats] | None = None
        self._measured = lru_cache(maxsize=_KEPT)(self._losses)
        self._drawn: OrderedDict[WakeSettings, tuple[SimulatedWakeLosses, float]] = OrderedDict()

    def _lacking(self) -> str:
        turbines = self._plant.turbines
        if turbines.sizes["asset"] < 2:
            return "one turbine: no other stands upstream of it, so that there are no wakes to find"
        if "wind_direction" not in turbines:
            return "the turbines do not tell the wind direction"
        if absent := [name for name in ("latitude", "longitude", "rated_capacity") if name not in turbines.coords]:
            return f"{' and '.join(absent)} of the turbines are not known"
        return ""

    def _prepare(self, give_way: Callable[[], None]) -> None:
        """Jumps of the sensors taken out, the offset found."""
        from workbench.analytics import wind
        from workbench.analytics.wind.wake_data import farm_of

        turbines = self._plant.turbines
        fields = [name for one in _FIELDS for name in (one, f"{one}_quality") if name in turbines]
        jumps = wind.northing_jump_detection(turbines[fields], direction="wind_direction")
        # all but the direction is shared with what the page has in memory anyway
        self._straight = wind.northing_jump_correction(jumps, direction="wind_direction")[fields]
        try:
            self._found = wind.direction_offset(self._straight, progress=lambda *_: give_way())
            self._told = f"± {self._found.std:.1f}°, by the wakes themselves"
        except InputError as error:
            self._told = f"as measured; the wakes do not tell it ({str(error).splitlines()[0]})"
        reanalysis = self._plant.reanalysis
        self._farm = farm_of(
            self._straight, reanalysis, list(reanalysis), direction_offset=self._offset, direction_assets=None,
            north="true", complete=False, wind_speed="wind_speed", wind_direction="wind_direction", power="power_output",
        )  # fmt: skip
        self._deviations = self._farm.deviations(0.95)

    @property
    def _offset(self) -> float:
        return self._found.offset if self._found is not None else 0.0

    def answer(self, settings: WakeSettings) -> WakeAnswer:
        """The measured losses, with the interval where it is known already; once for all who set the same."""
        if self.reason or self._farm is None:
            return WakeAnswer(settings, reason=self.reason or "not worked out yet")
        try:
            # how many simulations there are moves the interval alone
            losses, seconds = self._measured(replace(settings, simulations=0))
        except InputError as error:
            return WakeAnswer(settings, reason=str(error))
        drawn, taken = self._drawn.get(settings, (None, 0.0))
        offset, told = self._offset + settings.turn, self._told
        if settings.turn:
            told = f"{settings.turn:+.1f}° beside what the wakes say"
        return WakeAnswer(settings, losses, drawn, offset, told, losses.notes, "", seconds, taken)

    def _losses(self, settings: WakeSettings) -> tuple[WakeLosses, float]:
        """And the seconds that took."""
        from workbench.analytics.wind.wakes import losses_of_farm

        assert self._farm is not None  # noqa: S101  `answer` asks
        assert self._deviations is not None  # noqa: S101
        began = time.perf_counter()
        losses = losses_of_farm(
            self._farm.turned(settings.turn) if settings.turn else self._farm,
            _grid(settings.direction_bin),
            sector=settings.sector,
            deviations=self._deviations,
            spread=settings.spread,
            years=settings.years,
            no_wakes_from=settings.no_wakes_from,
        )
        return losses, time.perf_counter() - began

    def finer(self, answer: WakeAnswer, wanted: Callable[[], bool]) -> WakeAnswer | None:
        """The same with its interval; None where there is nothing to add or it is not wanted any more."""
        from workbench.analytics.wind import simulate_wake_losses

        settings = answer.settings
        if answer.losses is None or answer.drawn is not None or self._straight is None:
            return None
        if settings not in self._drawn:
            began = time.perf_counter()

            def progress(done: int, of: int) -> None:
                if done < of and not wanted():
                    raise _UnwantedError

            try:
                drawn = simulate_wake_losses(
                    self._straight,
                    self._plant.reanalysis or None,
                    simulations=settings.simulations,
                    direction_offset=answer.offset,
                    direction_uncertainty=self._found.std if self._found is not None else 0.0,
                    # about the setting as far as the usual range is about the usual sector
                    sector=(settings.sector - 25.0, settings.sector + 5.0),
                    direction_bin=settings.direction_bin,
                    spread=(max(1.0, settings.spread - 3.0), settings.spread + 6.0),
                    years=(max(1, settings.years // 2), settings.years),
                    no_wakes_from=settings.no_wakes_from,
                    progress=progress,
                )
            except _UnwantedError:
                return None
            except InputError as error:
                return replace(answer, notes=(*answer.notes, f"no interval: {error}"))
            self._drawn[settings] = (drawn, time.perf_counter() - began)
            while len(self._drawn) > _KEPT:
                self._drawn.popitem(last=False)
        drawn, taken = self._drawn[settings]
        return replace(answer, drawn=drawn, notes=drawn.notes, seconds_drawn=taken)


def _grid(direction_bin: float) -> Grid:
    from workbench.analytics.wind.wake_analysis import Grid

    return Grid.of(direction_bin, 1.0)
