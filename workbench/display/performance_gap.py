"""The gap between what a farm was assessed to yield before it was built and what it yields, for its page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.display.prepared import Prepared
from workbench.model.errors import InputError

if TYPE_CHECKING:
    from workbench.analytics.wind.gap_analysis import GapAnalysis, Operation
    from workbench.display.performance import Performance

Floats = npt.NDArray[np.float64]


#: Classes of an assessment's losses, with what is usual [%].
USUAL = {
    "availability": 3.0,
    "electrical": 2.0,
    "wake": 5.0,
    "turbine": 1.0,
    "blade_degradation": 1.0,
    "curtailment": 0.5,
    "other": 0.0,
}
_DRAWS = 1000
_ATTRIBUTE = "assessment_"


@dataclass(frozen=True)
class GapSettings:
    """What a viewer may set: an assessment."""

    energy: float = 0.0  #: P50 of a year [GWh]
    losses: Mapping[str, float] = field(default_factory=lambda: dict(USUAL))  #: [%]

    @property
    def gross(self) -> float:
        """Before the losses [GWh]."""
        return self.energy / float(np.prod([1.0 - share / 100.0 for share in self.losses.values()]))


@dataclass(frozen=True)
class GapAnswer:
    """The waterfall [GWh], or why there is none."""

    settings: GapSettings
    found: GapAnalysis | None = None
    operation: Operation | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0.0


class GapStudy(Prepared):
    """Operation of one farm, to hold assessments against; shared by all viewers."""

    def __init__(self, performance: Performance) -> None:
        super().__init__()
        self._performance = performance
        self.notes: tuple[str, ...] = ()
        self._operation: Operation | None = None
        plant = performance.plant
        if plant is None or plant.lacking:
            self.reason = "; ".join(plant.lacking.values()) if plant else performance.problem

    @property
    def assessed(self) -> GapSettings:
        """What the catalog says of the site's assessment; else what operation found, with usual losses."""
        given = self._performance.site.attributes
        losses = {name: _number(given.get(f"{_ATTRIBUTE}{name}_loss"), usual) for name, usual in USUAL.items()}
        energy = _number(given.get(f"{_ATTRIBUTE}energy"), 0.0)
        if not energy and self._operation is not None:
            within = float(np.prod([1 - losses[name] / 100 for name in ("turbine", "blade_degradation")]))
            within *= 1.0 - float(np.mean(self._operation.losses.get("wake", losses["wake"] / 100)))
            gross = float(np.mean(self._operation.ideal_energy)) / within
            energy = gross * float(np.prod([1 - share / 100 for share in losses.values()]))
        return GapSettings(round(energy, 2), losses)

    @property
    def in_catalog(self) -> bool:
        """Whether the catalog has an assessment of the site."""
        return f"{_ATTRIBUTE}energy" in self._performance.site.attributes

    def _prepare(self, give_way: Callable[[], None]) -> None:
        """What operation yields and loses: simulations of turbines and farm."""
        from workbench.analytics import wind
        from workbench.analytics.kpi import variable_of
        from workbench.analytics.wind import Operation
        from workbench.display.performance import YieldSettings
        from workbench.display.performance_wakes import WakeSettings

        plant = self._performance.plant
        assert plant is not None  # noqa: S101  there is a reason else
        assert plant.meter is not None  # noqa: S101
        # the draws of the page's own yield, as many as are needed
        answer = self._performance.yields(YieldSettings())
        if answer.found is None:
            raise InputError(answer.reason)
        draws = answer.found.simulations.isel(simulation=slice(0, _DRAWS))
        turbines = wind.simulate_turbine_energy(
            plant.turbines, plant.reanalysis, simulations=60, progress=lambda *_: give_way()
        ).simulations["plant"]
        meter = variable_of(plant.meter, "net_energy").sum("asset", skipna=False)
        electrical = wind.electrical_losses(plant.turbines, meter, simulations=_DRAWS)
        size = draws.sizes["simulation"]
        rng = np.random.default_rng(0)
        losses: dict[str, Floats | float] = {
            "availability": draws["availability_loss"].values,
            "electrical": _share(rng.choice(electrical.simulations["loss"].values, size)),
            "curtailment": draws["curtailment_loss"].values,
        }
        notes = [
            "Farm, turbines and electrical losses are drawn apart: the range of what is unexplained is rather too wide."
        ]
        wakes = self._performance.wakes
        wakes.prepare(give_way)
        found = wakes.answer(WakeSettings())
        if found.losses is None or found.kind == "period":
            notes.append(
                f"No wake loss of operation ({found.reason or 'no long term'}): it is part of the ideal energy."
            )
        else:
            wake = float(found.losses.summary["long_term"].loc["plant"])
            losses = {"wake": max(wake, 0.0), **losses}
            if wake < 0:
                notes.append("The wake loss of operation is below zero by its uncertainty; it is taken for none.")
        self._operation = Operation(
            draws["long_term_energy"].values / 1e6, rng.choice(turbines.values, size) / 1e6, losses
        )
        self.notes = tuple(notes)

    def answer(self, settings: GapSettings) -> GapAnswer:
        """The waterfall of one assessment."""
        from workbench.analytics.wind import Assessment, gap_analysis

        began = time.perf_counter()
        if self.reason or self._operation is None:
            return GapAnswer(settings, reason=self.reason or "not worked out yet")
        if not settings.energy > 0:
            return GapAnswer(settings, reason="type the energy that the assessment expected (P50)")
        if odd := [name for name, value in settings.losses.items() if not 0.0 <= value < 100.0]:
            return GapAnswer(settings, reason=f"{odd[0]}: a loss is a share from 0 to less than 100 %")
        shares = {name: value / 100.0 for name, value in settings.losses.items()}
        try:
            found = gap_analysis(Assessment(settings.energy, settings.gross, shares), self._operation)
        except InputError as error:
            return GapAnswer(settings, reason=str(error), seconds=time.perf_counter() - began)
        return GapAnswer(settings, found, self._operation, self.notes, seconds=time.perf_counter() - began)


def _number(given: object, otherwise: float) -> float:
    return float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else otherwise


def _share(values: Floats) -> Floats:
    """Losses that are not below zero."""
    return np.maximum(values, 0.0)
