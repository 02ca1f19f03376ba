"""Yaw misalignment and degradation of turbines for the page of a farm's performance."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from workbench.model.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from workbench.analytics.wind.degradation import Degradation
    from workbench.analytics.wind.yaw_misalignment import StaticYawMisalignment
    from workbench.catalog.wind_plant import WindPlant

_KEPT = 16  #: answers kept of each study; some ten kilobytes each
DRAWS = (100, 300, 1_000)


@dataclass(frozen=True)
class YawSettings:
    """What a viewer may set of the yaw misalignment."""

    power: tuple[int, int] = (6, 70)  #: slots count between these shares of the rating [%]
    largest_vane: float = 25.0  #: slots farther from the median do not count [deg]
    spread: float = 5.0  #: slots whose power is so many deviations off do not count
    noise: bool = True  #: whether the vane may be noisy
    simulations: int = 300


@dataclass(frozen=True)
class YawAnswer:
    """Misalignment for one setting, or why there is none; intervals, ``doubt`` and ``moving`` come later."""

    settings: YawSettings
    found: StaticYawMisalignment | None = None
    doubt: str = ""  #: how far other settings move it
    moving: xr.Dataset | None = None  #: of dynamic_yaw_error
    reason: str = ""
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether it has its intervals."""
        return self.found is not None and bool(self.found.misalignment.attrs["simulations"])


class YawStudy:
    """Yaw of one farm's turbines; shared by all viewers."""

    def __init__(self, plant: WindPlant) -> None:
        self._plant = plant
        turbines = plant.turbines
        self.reason = ""
        if "yaw_error" not in turbines:
            self.reason = "the turbines do not tell the yaw error, which is what their vanes show"
        elif "rated_capacity" not in turbines.coords:
            self.reason = "the rated capacity of the turbines is not known"
        self._kept = lru_cache(maxsize=_KEPT)(self._answer)
        self._whole: OrderedDict[YawSettings, YawAnswer] = OrderedDict()
        self._doubt = ""
        self._moving: xr.Dataset | None = None

    def prepare(self, give_way: Callable[[], None] = lambda: None) -> None:
        """How far other settings move the angles and how far the rotors swing: some seconds, once for all settings."""
        from workbench.analytics import wind

        if self.reason or self._doubt:
            return
        try:
            self._moving = wind.dynamic_yaw_error(self._plant.turbines)
            give_way()
            self._doubt = wind.sweep_yaw_settings(
                self._plant.turbines, cosines=False, progress=lambda *_: give_way()
            ).text
        except InputError as error:
            self._doubt = f"not told: {error}"

    def answer(self, settings: YawSettings) -> YawAnswer:
        """Angles, with their intervals where they are known already; worked out once for all who set the same."""
        found = self._whole.get(settings) or self._kept(replace(settings, simulations=0))
        return replace(found, settings=settings, doubt=self._doubt, moving=self._moving)

    def finer(self, answer: YawAnswer, wanted: Callable[[], bool]) -> YawAnswer | None:
        """The same with its intervals; None where there is nothing to add or it is not wanted any more."""
        settings = answer.settings
        if answer.found is None or answer.whole:
            return None
        if settings not in self._whole:
            if not wanted():
                return None
            self._whole[settings] = replace(self._answer(settings), seconds=answer.seconds)
            while len(self._whole) > _KEPT:
                self._whole.popitem(last=False)
        return self.answer(settings)

    def _answer(self, settings: YawSettings) -> YawAnswer:
        from workbench.analytics import wind
        from workbench.analytics.wind.yaw_regression import YawSettings as Slots

        began = time.perf_counter()
        if self.reason:
            return YawAnswer(settings, reason=self.reason)
        try:
            slots = Slots(
                lowest=settings.power[0] / 100,
                highest=settings.power[1] / 100,
                largest_vane=settings.largest_vane,
                spread=settings.spread,
                reliability=None if settings.noise else (1.0, 1.0),
            )
            found = wind.static_yaw_misalignment(self._plant.turbines, settings=slots, simulations=settings.simulations)
        except InputError as error:
            return YawAnswer(settings, reason=str(error), seconds=time.perf_counter() - began)
        return YawAnswer(settings, found, seconds=time.perf_counter() - began)


@dataclass(frozen=True)
class AgingSettings:
    """What a viewer may set of the degradation."""

    reference: Literal["own", "neighbours"] = "own"
    baseline: float = 1.0  #: years at the beginning that the others are held against
    block: int = 28  #: [day]
    simulations: int = 1_000


@dataclass(frozen=True)
class AgingAnswer:
    """Change per year for one setting, or why there is none."""

    settings: AgingSettings
    found: Degradation | None = None
    reason: str = ""
    seconds: float = 0.0


class AgingStudy:
    """Degradation of one farm's turbines; shared by all viewers."""

    def __init__(self, plant: WindPlant) -> None:
        self._plant = plant
        self.reason = ""
        self._kept = lru_cache(maxsize=_KEPT)(self._answer)
        if "rated_capacity" not in plant.turbines.coords:
            self.reason = "the rated capacity of the turbines is not known"

    @property
    def years(self) -> float:
        """Length of the record."""
        times = self._plant.turbines["time"].values
        return float((times[-1] - times[0]).astype("timedelta64[s]").astype(int)) / 31_557_600.0

    @property
    def alone(self) -> bool:
        """Whether there is no neighbour to compare with."""
        return self._plant.turbines.sizes["asset"] < 2

    def answer(self, settings: AgingSettings) -> AgingAnswer:
        """Rates and intervals; worked out once for all who set the same."""
        return self._kept(settings)

    def _answer(self, settings: AgingSettings) -> AgingAnswer:
        from workbench.analytics import wind

        began = time.perf_counter()
        if self.reason:
            return AgingAnswer(settings, reason=self.reason)
        try:
            found = wind.degradation_rate(
                self._plant.turbines,
                reference=settings.reference,
                baseline=settings.baseline,
                block=settings.block,
                simulations=settings.simulations,
            )
        except InputError as error:
            return AgingAnswer(settings, reason=str(error), seconds=time.perf_counter() - began)
        return AgingAnswer(settings, found, seconds=time.perf_counter() - began)
