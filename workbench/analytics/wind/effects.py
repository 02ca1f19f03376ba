"""What the steps for wind read and give, told from their parameters alone; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.analytics.wind.curtailment import CURTAILMENT
from workbench.analytics.wind.curve_steps import AVAILABLE, BY_ASSET, BY_BIN
from workbench.analytics.wind.icing import ICING
from workbench.analytics.wind.power_curve_comparison import OUTPUTS, REFERENCE
from workbench.model.time import parse_duration
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

#: What to know of a field with a dimension besides time and asset.
OWN_DIMENSION = (
    "the fields by bin have a dimension of their own: .nc and .zarr keep it, tables and the store leave them out"
)
_FROM = ("air_density", "temperature", "barometric_pressure", "humidity")


def _of_density(known: Known, measured: str = "air_density") -> tuple[str, ...]:
    """The fields that tell the air density, of those that are there."""
    return tuple(name for name in (measured, *_FROM[1:]) if name in known)


@effect("air_density")
def _density(
    known: Known,
    *,
    temperature: str = "temperature",
    pressure: str = "barometric_pressure",
    humidity: str = "humidity",
    output_field: str = "air_density",
) -> Effect:
    notes = []
    if pressure not in known:
        notes.append(f"without {pressure} the pressure is that of the standard atmosphere at the hub's elevation")
    if humidity not in known:
        notes.append(f"without {humidity} it is 50 %")
    return Effect(
        reads=tuple(name for name in (pressure, humidity) if name in known),
        needs=(temperature,),
        adds={output_field: "kg/m3"},
        notes=tuple(notes),
    )


@effect("density_normalization")
def _normalization(
    known: Known,
    *,
    control: str = "pitch",
    reference_density: float | str = 1.225,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    density: str = "air_density",
    output_field: str = "",
) -> Effect:
    name = wind_speed if control == "pitch" else power
    mean = reference_density == "site_mean"
    return Effect(
        reads=_of_density(known, density),
        needs=(name,),
        adds={output_field or f"{name}_normalized": known.get(name)},
        before=None if mean else 0,
        after=None if mean else 0,
        notes=("the mean density is that of all the data, whatever their length",) if mean else (),
    )


@effect("power_curve_comparison")
def _comparison(
    known: Known,
    *,
    reference_curve: str = REFERENCE,
    air_density_correction: bool = True,
    output_fields: Sequence[str] = OUTPUTS,
    baseline_period: str = "P90D",
    retrain_period: str = "P7D",
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    units = {"power_deviation_percentage": "%", "performance_index": "1"}
    given = known.get(power) or "kW"
    history = reference_curve == "historical" or REFERENCE not in known
    notes = ["a slot without temperature, or with next to no power expected, has no percentage: that is unknown"]
    if history and reference_curve != "historical":
        notes.append(f"where no asset has a {REFERENCE}, the comparison is with the {baseline_period} before")
    return Effect(
        reads=_of_density(known) if air_density_correction else (),
        needs=(wind_speed, power),
        adds={name: units.get(name, given) for name in output_fields},
        before=parse_duration(baseline_period).ns + parse_duration(retrain_period).ns if history else 0,
        notes=tuple(notes),
    )


@effect("iec_power_curve")
def _measured_curve(
    known: Known,
    *,
    air_density_correction: bool = True,
    cut_in: float | None = None,
    rating: float | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    output_field: str = "power_curve",
    **_: Any,
) -> Effect:
    adds: dict[str, str | None] = {output_field + ending: units for ending, (_, units, _) in BY_BIN.items()}
    adds |= {output_field + ending: units for ending, (_, units, _) in BY_ASSET.items()}
    adds[f"{output_field}_bin"] = "m/s"
    without = [name for name in (ICING, CURTAILMENT, AVAILABLE) if name not in known]
    notes = ["one curve of all the data, whatever their length", OWN_DIMENSION]
    if without:
        notes.append(f"without {', '.join(without)} stops and limits show by power far from the usual alone")
    return Effect(
        reads=(
            *(_of_density(known) if air_density_correction else ()),
            *(name for name in (ICING, CURTAILMENT, AVAILABLE) if name in known),
        ),
        needs=(wind_speed, power),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        notes=tuple(notes),
    )
