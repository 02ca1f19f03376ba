"""The gap between the yield a plant was built on and the one it has, class by class, as a waterfall that closes.

An energy yield assessment multiplies its gross energy by what each loss leaves, (1 - loss) for each class. Operation
knows the ideal energy of the turbines (gross, less the losses that cannot be told from it: wake, performance,
degradation) and some of the losses by themselves. The bars replace one factor of the assessment after the other by
that of operation, so that they add up to the gap whatever their order; what is left is told as unexplained [1]_.

References
----------
.. [1] J. Perr-Sauer, M. Optis, J. M. Fields, N. Bodini et al., "OpenOA: An Open-Source Codebase For Operational
   Analysis of Wind Farms", Journal of Open Source Software 6(58), 2171, https://doi.org/10.21105/joss.02171.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from workbench.analytics.wind.electrical_losses import ElectricalLosses
from workbench.analytics.wind.turbine_energy import SimulatedTurbineEnergy, TurbineEnergy
from workbench.analytics.wind.yield_draws import PlantYield
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Number = float | Floats
Compatibility = Literal["openoa-3.2"]


@dataclass(frozen=True)
class Assessment:
    """An energy yield assessment made before the plant was built.

    Attributes
    ----------
    net_energy
        Its central estimate (P50) of the energy of a year [kWh, or any other unit that all are in].
    gross_energy
        Before losses, the same unit.
    losses
        By class, the share of the energy that is left by those before it [1]: ``availability``, ``electrical``,
        ``turbine``, ``blade_degradation``, ``wake``, and others as they are called.
    """

    net_energy: float
    gross_energy: float
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Operation:
    """The same from operation; each may be an array of as many draws.

    Attributes
    ----------
    net_energy
        Long-term energy of a year, the same unit.
    ideal_energy
        Long-term gross energy of the turbines, the same unit: what they make where they always run well.
    losses
        By class [1], those that are known. A class that the assessment does not have is compared with 0. Those of
        ``within``, but no others, are part of the ideal energy.
    within
        Classes that the ideal energy has been diminished by already, as it is measured at the turbines.
    """

    net_energy: Number
    ideal_energy: Number
    losses: Mapping[str, Number]
    within: tuple[str, ...] = field(default=("wake", "turbine", "blade_degradation"))


@dataclass(frozen=True)
class GapAnalysis:
    """What :func:`gap_analysis` finds.

    Attributes
    ----------
    waterfall
        One row per bar: ``kind`` (``total`` or ``change``), ``value`` (mean of the draws), ``p05`` and ``p95`` (NaN
        without draws: no uncertainty is known), ``start`` and ``end`` of the bar; the unit of the input. The changes
        between two totals are their difference.
    ideal_energy
        That of the assessment, comparable with that of operation.
    """

    waterfall: pd.DataFrame
    ideal_energy: float


def losses_of(text: str) -> dict[str, float]:
    """Losses by class [1] from a line such as ``availability 6.2 %, electrical: 2.4 %, wake 0.087``.

    Raises
    ------
    InputError
        Something between the commas is not a class and its loss, or a class stands there twice.
    """
    found: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,;]", text))):
        match = re.fullmatch(r"([a-z][a-z0-9_]*)\s*[:= ]\s*([0-9.]+(?:e-?[0-9]+)?)\s*(%?)", part, re.IGNORECASE)
        try:
            if match is None:
                raise ValueError
            name, share = match[1].lower(), float(match[2]) / (100.0 if match[3] else 1.0)
        except ValueError:
            raise InputError(
                "no class of losses with its loss", where="losses", found=part, expected="such as availability 6.2 %"
            ) from None
        if name in found:
            raise InputError("a class of losses stands there twice", where="losses", found=name)
        found[name] = share
    return found


def assessment_of(net_energy: float, gross_energy: float = 0.0, losses: str = "") -> Assessment:
    """An assessment from what a form has: energies of a year in one unit, and a line of losses.

    Parameters
    ----------
    gross_energy
        0 where it is not given: it is then the net energy over what the losses leave.
    losses
        See :func:`losses_of`.

    Raises
    ------
    InputError
        There is no energy, or the losses cannot be read; neither gross energy nor losses are given.
    """
    known = losses_of(losses)
    if not net_energy > 0:
        raise InputError("no energy", where="net_energy", found=net_energy, expected="more than 0")
    if not gross_energy and not known:
        raise InputError("neither gross energy nor losses", where="assessment", expected="one of them at least")
    if odd := next((name for name, loss in known.items() if not 0 <= loss < 1), None):
        raise InputError("no share", where=f"losses.{odd}", found=known[odd], expected="in [0, 1), or with %")
    left = float(np.prod([1.0 - loss for loss in known.values()]))
    return Assessment(net_energy, gross_energy or net_energy / left, known)


def operation_of(
    plant: PlantYield,
    turbines: TurbineEnergy | SimulatedTurbineEnergy,
    electrical: ElectricalLosses,
    *,
    losses: Mapping[str, Number] | None = None,
) -> Operation:
    """Operation from what the analyses found, without uncertainty: the means of their simulations.

    Parameters
    ----------
    losses
        Of more classes, such as ``wake``.
    """
    draws = plant.simulations
    if isinstance(turbines, SimulatedTurbineEnergy):
        ideal = float(turbines.simulations["plant"].mean())
    else:
        ideal = float(turbines.summary["plant"].mean())
    known: dict[str, Number] = {
        "availability": float(draws["availability_loss"].mean()),
        "electrical": electrical.loss,
    }
    if draws.attrs.get("compatibility", "none") == "none":  # else it was not taken off the energy
        known["curtailment"] = float(draws["curtailment_loss"].mean())
    return Operation(float(draws["long_term_energy"].mean()), ideal, known | dict(losses or {}))


def gap_analysis(
    assessment: Assessment, operation: Operation, *, compatibility: Compatibility | None = None
) -> GapAnalysis:
    """The bars from the assessment's energy to that of operation.

    Their order: the assessment (``expected``); what its stated energy is off its own gross energy and losses
    (``assessment_rounding``); ``ideal_energy``, the wind and all that cannot be told from it; each class that operation knows,
    those within the ideal energy first; ``unexplained``; operation (``actual``).

    Parameters
    ----------
    compatibility
        ``"openoa-3.2"``: availability and electrical losses are differences of shares of the assessment's ideal
        energy, not of what is left by the factors before; what that is wrong by, as what the assessment's energy is
        off its own losses, is in ``unexplained``.

    Raises
    ------
    InputError
        An energy that is not positive; a loss outside of [0, 1); draws of different number.
    """
    import pandas as pd

    if compatibility not in (None, "openoa-3.2"):
        raise InputError("unknown compatibility", where="compatibility", found=compatibility, expected="openoa-3.2")
    draws = _check(assessment, operation)
    names = ["availability", "electrical"] if compatibility else list(operation.losses)
    for name in names:
        if compatibility and (name not in operation.losses or name not in assessment.losses):
            raise InputError("a loss is not known", where=f"losses.{name}", expected="of both")
    inside = [name for name in names if name in operation.within]
    after = [name for name in names if name not in operation.within]
    # of the assessment, all that operation does not tell by itself is part of its ideal energy
    apart = {name: assessment.losses.get(name, 0.0) for name in names}
    hidden = float(np.prod([1.0 - loss for name, loss in assessment.losses.items() if name not in apart]))
    ideal = assessment.gross_energy * hidden
    made: Number = operation.ideal_energy
    changes: dict[str, Number] = {}
    if compatibility:
        changes["ideal_energy"] = made - ideal
        for name in names:
            changes[name] = (apart[name] - operation.losses[name]) * ideal
        reached = assessment.net_energy + sum(changes.values())
    else:
        for name in inside:
            made = made / (1.0 - operation.losses[name])
        left = float(np.prod([1.0 - loss for loss in apart.values()]))
        changes["assessment_rounding"] = ideal * left - assessment.net_energy
        changes["ideal_energy"] = (made - ideal) * left
        reached = made * left
        for name in (*inside, *after):
            factor = (1.0 - operation.losses[name]) / (1.0 - apart[name])
            changes[name] = reached * (factor - 1.0)
            reached = reached * factor
    changes["unexplained"] = operation.net_energy - reached

    rows: list[tuple[str, str, Number, float]] = [("expected", "total", assessment.net_energy, 0.0)]
    level = assessment.net_energy
    for name, change in changes.items():
        rows.append((name, "change", change, level))
        level += float(np.mean(change))
    rows.append(("actual", "total", operation.net_energy, 0.0))
    table = []
    for _, kind, value, start in rows:
        mean = float(np.mean(value))
        p05, p95 = np.percentile(value, [5, 95]) if draws > 1 and np.ndim(value) else (np.nan, np.nan)
        table.append({"kind": kind, "value": mean, "p05": p05, "p95": p95, "start": start, "end": start + mean})
    index = pd.Index([name for name, *_ in rows], name="bar")
    wholly = ideal * float(np.prod([1.0 - apart[name] for name in inside]))
    return GapAnalysis(pd.DataFrame(table, index=index), wholly)


def _check(assessment: Assessment, operation: Operation) -> int:
    """Number of draws; errors that name what is wrong."""
    sizes: dict[str, int] = {}
    energies: dict[str, Number] = {
        "assessment.net_energy": assessment.net_energy,
        "assessment.gross_energy": assessment.gross_energy,
        "operation.net_energy": operation.net_energy,
        "operation.ideal_energy": operation.ideal_energy,
    }
    losses: dict[str, Number] = {f"assessment.losses.{name}": loss for name, loss in assessment.losses.items()}
    losses |= {f"operation.losses.{name}": loss for name, loss in operation.losses.items()}
    for where, value in (energies | losses).items():
        array = np.asarray(value, dtype=np.float64)
        if array.ndim > 1 or not array.size:
            raise InputError("neither a number nor draws of it", where=where, found=f"shape {array.shape}")
        if array.ndim:
            sizes[where] = len(array)
        if where in energies and not ((array > 0) & np.isfinite(array)).all():
            raise InputError("no energy", where=where, found=float(array.min()), expected="more than 0")
        if where in losses and not ((array >= 0) & (array < 1)).all():
            odd = array[~((array >= 0) & (array < 1))].flat[0]
            hint = "a share, not per cent" if odd >= 1 else None
            raise InputError("no share", where=where, found=float(odd), expected="in [0, 1)", hint=hint)
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{where}: {size}" for where, size in sizes.items())
        raise InputError("draws of different number", where="operation", found=told, expected="as many of each")
    return max(sizes.values(), default=1)
