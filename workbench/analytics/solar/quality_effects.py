"""What the steps for the quality of solar data read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.analytics.solar.irradiance import CHECK, CLOSURE
from workbench.analytics.solar.quality import CLIPPING, IRRADIANCE, LEVEL, MEASURED, OFFSET, POWER, SIGN
from workbench.analytics.wind.clock_correction import CORRECTED, SHIFT
from workbench.model.quality import is_quality, quality_name
from workbench.steps import Effect, effect
from workbench.transforms.quality import GAP

Known = Mapping[str, str | None]

_WHOLE = "looks at all the data at once, whatever their length"


@effect("solar_data_quality")
def _quality(
    known: Known,
    *,
    variables: Sequence[str] | None = None,
    clipping: bool = True,
    level: bool = True,
    night_offset: bool = True,
    sign: bool = True,
    **_: bool,
) -> Effect:
    there = [name for name in (*POWER, *IRRADIANCE) if name in known] if variables is None else list(variables)
    adds: dict[str, str | None] = {}
    for name in there:
        adds[quality_name(name)] = None
        if night_offset:
            adds[name + OFFSET] = known.get(name)
        if sign:
            adds[name + SIGN] = "1"
        if level:
            adds[name + LEVEL] = "1"
        if clipping and name in POWER:
            adds[name + CLIPPING] = None
    return Effect(
        reads=(*POWER, *IRRADIANCE) if variables is None else (),
        needs=() if variables is None else tuple(variables),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,),
    )


@effect("solar_level_correction")
def _level(
    known: Known,
    *,
    variable: str = "total_ac_power",
    night_offset: bool = True,
    sign: bool = True,
    level: bool = False,
    undo: bool = False,
) -> Effect:
    kept, flags, kept_flags = variable + MEASURED, quality_name(variable), quality_name(variable + MEASURED)
    if undo:
        gone = (kept, kept_flags) if kept_flags in known else (kept,)
        adds: dict[str, str | None] = {variable: known.get(kept)}
        return Effect(needs=(kept,), adds=adds | ({flags: None} if kept_flags in known else {}), removes=gone)
    needs = [variable + part for part, on in ((OFFSET, night_offset), (SIGN, sign), (LEVEL, level)) if on]
    adds = {variable: known.get(variable), kept: known.get(variable)}
    if flags in known:
        adds |= {flags: None, kept_flags: None}
    reads = tuple(name for name in (variable, variable + LEVEL, flags) if name in known)
    return Effect(reads=reads, needs=(variable, *needs), adds=adds)


@effect("solar_clock_shift_detection")
def _clock(known: Known, *, variable: str = "total_ac_power", flag: bool = True, **_: str | None) -> Effect:
    adds: dict[str, str | None] = {SHIFT: "min"}
    if flag:
        apart: frozenset[str] = getattr(known, "apart", frozenset())
        left = {*apart, "sample_count", GAP, SHIFT, CORRECTED}
        adds |= {quality_name(name): None for name in known if not is_quality(name) and name not in left}
    return Effect(needs=(variable,), adds=adds, before=None, after=None, lazy=False, every=flag, notes=(_WHOLE,))


@effect("irradiance_quality")
def _irradiance(
    known: Known,
    *,
    ghi: str = "irradiance_ghi",
    dhi: str = "irradiance_dhi",
    dni: str = "irradiance_dni",
    rare: bool = True,
) -> Effect:
    there = [name for name in (ghi, dhi, dni) if name in known]
    adds: dict[str, str | None] = {quality_name(name): None for name in there}
    if len(there) == 3:
        adds |= {CLOSURE: "1", CHECK: None}
    notes = ("times are UTC, stamped at the start of their slot, and clocks right",)
    return Effect(reads=(ghi, dhi, dni), adds=adds, lazy=False, notes=notes)


@effect("orientation_check")
def _orientation(known: Known, *, variable: str = "total_ac_power", **_: float) -> Effect:
    adds: dict[str, str | None] = {
        "inferred_tilt": "degree",
        "inferred_tilt_uncertainty": "degree",
        "inferred_azimuth": "degree",
        "inferred_azimuth_uncertainty": "degree",
        "inferred_mounting": None,
        "orientation_fit": "1",
        "orientation_agreement": None,
    }
    return Effect(needs=(variable,), adds=adds, before=None, after=None, lazy=False, notes=(_WHOLE,))
