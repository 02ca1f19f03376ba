"""What a site's file of a portfolio says: its keys."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from workbench.model.assets import Layout, PowerCurve, Scalar, SiteKind, StrictModel, Strings, fact_names
from workbench.model.errors import InputError
from workbench.model.vocabulary import AssetType


def check_timezone(name: str) -> str:
    """``name`` if it is a time zone of the IANA database; a ValueError otherwise."""
    from workbench.model.time import zone

    try:
        zone(name)
    except InputError as error:
        raise ValueError(f"{error.message}" + (f", {error.hint}" if error.hint else "")) from None
    return name


def _registration(name: str) -> str:
    from workbench.model.vocabulary import vocabulary

    if name in {*fact_names(), "asset", "time"} or name in vocabulary():
        raise ValueError(f"{name!r} means something else on an asset; give the number another name")
    return name


Registrations = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$"), AfterValidator(_registration)], str | int]


class AssetSpec(StrictModel):
    """An asset as it is written in a site's file."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")
    type: AssetType
    name: str = ""
    model: str | None = Field(None, description="name of a data sheet in models/")
    module: str | None = Field(None, description="name of a module's data sheet in models/")
    manufacturer: str | None = None
    rated_capacity: float | None = Field(None, gt=0, description="[kW]")
    dc_capacity: float | None = Field(None, gt=0, description="[kW]")
    energy_capacity: float | None = Field(None, gt=0, description="[kWh]")
    hub_height: float | None = Field(None, gt=0, description="[m]")
    rotor_diameter: float | None = Field(None, gt=0, description="[m]")
    height: float | None = Field(None, gt=0, description="[m]")
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    elevation: float | None = Field(None, ge=-450, le=9000, description="[m]")
    in_service: date | None = None
    strings: Strings | None = None
    layout: Layout | None = None
    parent: str | None = None
    power_curve: PowerCurve | None = None
    registrations: Registrations = Field(default_factory=dict)
    attributes: dict[str, Scalar] = Field(default_factory=dict)


class SiteSpec(StrictModel):
    """A site's file."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    kind: SiteKind
    description: str = ""
    country: str = ""
    simulated: bool = False
    timezone: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    elevation: float = Field(ge=-450, le=9000, description="[m]")
    grid_frequency_nominal: Literal[50, 60] = Field(description="[Hz]")
    capacity: float = Field(gt=0, description="at the point of connection [kW]")
    market: str | None = None
    grid_operator: str | None = None
    layout: Layout | None = None
    registrations: Registrations = Field(default_factory=dict)
    attributes: dict[str, Scalar] = Field(default_factory=dict)
    defaults: dict[AssetType, dict[str, Any]] = Field(
        default_factory=dict, description="keys that all assets of a kind share unless they say otherwise"
    )
    assets: list[AssetSpec]

    _timezone = field_validator("timezone")(check_timezone)
