"""Sites, their assets, and what is known about them before anything is measured.

A portfolio is a folder of YAML files, one per site; data sheets that several assets share (turbine, module,
inverter and battery models) stand in its subfolder ``models``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from workbench.model.errors import InputError, InputErrors, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

SiteKind = Literal["wind", "solar", "storage", "solar_storage", "wind_storage", "hybrid"]
Scalar = str | float | int | bool


class StrictModel(BaseModel):
    """Takes no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class PowerCurve(StrictModel):
    """Power of a turbine by wind speed, at a reference air density.

    Zero below the first and above the last wind speed, linear in between.
    """

    wind_speed: list[float] = Field(min_length=2, description="at hub height, rising [m/s]")
    power: list[float] = Field(description="net active power at each wind speed [kW]")
    air_density: float = Field(1.225, gt=0.5, lt=2.0, description="the curve is given for [kg/m3]")
    source: str = Field("", description="where the values are from")

    @model_validator(mode="after")
    def _one_power_per_speed(self) -> PowerCurve:
        if len(self.power) != len(self.wind_speed):
            raise ValueError(f"{len(self.wind_speed)} wind speeds but {len(self.power)} powers")
        if any(b <= a for a, b in zip(self.wind_speed, self.wind_speed[1:], strict=False)):
            raise ValueError("the wind speeds must rise")
        if min(self.power) < 0:
            raise ValueError("a power is below zero")
        return self

    @property
    def rated_power(self) -> float:
        """Highest power of the curve [kW]."""
        return max(self.power)

    def as_text(self) -> str:
        """The curve as the JSON that a coordinate carries; ``PowerCurve.model_validate_json`` reads it."""
        return self.model_dump_json(exclude={"source"})

    def at(self, wind_speed: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Power [kW] at wind speeds [m/s], of the same shape; NaN where the wind speed is missing."""
        speed = np.asarray(wind_speed, dtype=np.float64)
        return np.interp(speed, self.wind_speed, self.power, left=0.0, right=0.0)


class TurbineModel(StrictModel):
    """Data sheet of a wind turbine."""

    kind: Literal["turbine"]
    manufacturer: str
    description: str = ""
    rated_capacity: float = Field(gt=0, description="[kW]")
    rotor_diameter: float = Field(gt=0, description="[m]")
    hub_height: float | None = Field(None, gt=0, description="usual; an asset may say otherwise [m]")
    cut_in_wind_speed: float = Field(3.0, ge=0, description="[m/s]")
    rated_wind_speed: float | None = Field(None, gt=0, description="[m/s]")
    cut_out_wind_speed: float = Field(25.0, gt=0, description="[m/s]")
    rotor_speed_min: float | None = Field(None, ge=0, description="[rpm]")
    rotor_speed_rated: float | None = Field(None, gt=0, description="[rpm]")
    gearbox_ratio: float | None = Field(None, gt=0)
    iec_class: str | None = None
    power_curve: PowerCurve | None = None
    attributes: dict[str, Scalar] = Field(default_factory=dict)


class ModuleModel(StrictModel):
    """Data sheet of a photovoltaic module, at standard test conditions."""

    kind: Literal["module"]
    manufacturer: str
    description: str = ""
    technology: str = Field("mono-Si", description="of the cells")
    power_stc: float = Field(gt=0, description="[W]")
    efficiency: float | None = Field(None, gt=0, lt=1)
    area: float | None = Field(None, gt=0, description="[m2]")
    v_mp: float = Field(gt=0, description="[V]")
    i_mp: float = Field(gt=0, description="[A]")
    v_oc: float = Field(gt=0, description="[V]")
    i_sc: float = Field(gt=0, description="[A]")
    temp_coeff_power: float = Field(-0.35, lt=0, description="[%/K]")
    temp_coeff_voc: float | None = Field(None, lt=0, description="[%/K]")
    temp_coeff_isc: float | None = Field(None, description="[%/K]")
    noct: float = Field(45.0, gt=0, description="nominal operating cell temperature [degC]")
    bifaciality: float = Field(0.0, ge=0, le=1)
    attributes: dict[str, Scalar] = Field(default_factory=dict)


class InverterModel(StrictModel):
    """Data sheet of an inverter."""

    kind: Literal["inverter"]
    manufacturer: str
    description: str = ""
    rated_capacity: float = Field(gt=0, description="AC [kW]")
    efficiency_max: float = Field(gt=0.5, lt=1)
    efficiency_euro: float | None = Field(None, gt=0.5, lt=1, description="European weighted efficiency")
    mppt_count: int = Field(1, ge=1)
    mppt_voltage_min: float | None = Field(None, gt=0, description="[V]")
    mppt_voltage_max: float | None = Field(None, gt=0, description="[V]")
    dc_voltage_max: float | None = Field(None, gt=0, description="[V]")
    ac_voltage: float | None = Field(None, gt=0, description="phase to phase [V]")
    night_consumption: float = Field(0.0, ge=0, description="[kW]")
    attributes: dict[str, Scalar] = Field(default_factory=dict)


class BatteryModel(StrictModel):
    """Data sheet of a battery system."""

    kind: Literal["battery"]
    manufacturer: str
    description: str = ""
    chemistry: str = "LFP"
    rated_capacity: float = Field(gt=0, description="AC, charging and discharging [kW]")
    energy_capacity: float = Field(gt=0, description="usable when new [kWh]")
    round_trip_efficiency: float = Field(gt=0.3, lt=1, description="AC to AC")
    soc_min: float = Field(0.0, ge=0, le=100, description="[%]")
    soc_max: float = Field(100.0, ge=0, le=100, description="[%]")
    charge_capacity: float | None = Field(None, gt=0, description="of all cells in parallel when new [A h]")
    cells_in_series: int | None = Field(None, ge=1)
    dc_voltage: float | None = Field(None, gt=0, description="nominal [V]")
    standby_consumption: float = Field(0.0, ge=0, description="[kW]")
    attributes: dict[str, Scalar] = Field(default_factory=dict)


Model = TurbineModel | ModuleModel | InverterModel | BatteryModel
MODELS: dict[str, type[BaseModel]] = {
    "turbine": TurbineModel,
    "module": ModuleModel,
    "inverter": InverterModel,
    "battery": BatteryModel,
}


class Layout(StrictModel):
    """How the modules of a plant stand."""

    mounting: Literal["fixed", "single_axis", "dual_axis"] = "fixed"
    tilt: float = Field(0.0, ge=0, le=90, description="of fixed modules [degree]")
    azimuth: float = Field(180.0, ge=0, lt=360, description="of fixed modules, or of a tracker's axis [degree]")
    max_angle: float = Field(60.0, gt=0, le=90, description="of a tracker [degree]")
    backtrack: bool = True
    ground_coverage_ratio: float = Field(0.4, gt=0, le=1)
    albedo: float = Field(0.2, ge=0, le=1)


class Strings(StrictModel):
    """The strings of one inverter."""

    count: int = Field(ge=1, description="strings in parallel")
    modules: int = Field(ge=1, description="modules in series in each")
    monitored: bool = False


@dataclass(frozen=True)
class Asset:
    """Something at a site that measures, delivers or stores. Missing facts are None."""

    id: str
    type: str
    site: str
    rated_capacity: float | None = None  #: AC [kW]
    name: str = ""
    model: str | None = None  #: name of the data sheet
    manufacturer: str | None = None
    hub_height: float | None = None  #: [m]
    rotor_diameter: float | None = None  #: [m]
    power_curve: PowerCurve | None = field(default=None, repr=False)
    latitude: float | None = None  #: [degrees north]
    longitude: float | None = None  #: [degrees east]
    elevation: float | None = None  #: of the ground [m]
    height: float | None = None  #: of a sensor above ground, such as a mast's top [m]
    in_service: date | None = None
    dc_capacity: float | None = None  #: of an inverter's modules, STC [kW]
    energy_capacity: float | None = None  #: of a battery [kWh]
    strings: Strings | None = None
    module_model: str | None = None
    layout: Layout | None = None
    parent: str | None = None  #: the asset it belongs to
    farm_id: str | None = None  #: the farm's own name for itself, where it is not the site's id
    registrations: dict[str, str] = field(default_factory=dict)  #: its own, and the site's where it has none
    attributes: dict[str, Scalar] = field(default_factory=dict)
    data_sheet: Model | None = field(default=None, repr=False)
    module: ModuleModel | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Site:
    """A plant: its place, its clock and its assets."""

    id: str
    name: str
    kind: SiteKind
    timezone: str  #: IANA name
    latitude: float  #: [degrees north]
    longitude: float  #: [degrees east]
    elevation: float  #: [m]
    grid_frequency_nominal: float  #: [Hz]
    capacity: float  #: active power at the point of connection [kW]
    assets: list[Asset]
    description: str = ""
    country: str = ""
    simulated: bool = False  #: a demonstration plant that stands nowhere
    market: str | None = None
    grid_operator: str | None = None
    layout: Layout | None = None
    registrations: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Scalar] = field(default_factory=dict)

    def of_type(self, asset_type: str) -> list[Asset]:
        """Its assets of one kind, in their order."""
        return [asset for asset in self.assets if asset.type == asset_type]


@dataclass(frozen=True)
class Portfolio:
    """All sites."""

    sites: dict[str, Site]

    def site(self, site: str) -> Site:
        """The site of that id. Raises InputError where there is none, naming the nearest."""
        if site not in self.sites:
            raise InputError(
                f"no site {site!r} in the portfolio",
                found=site,
                expected=", ".join(self.sites) or None,
                hint=did_you_mean(site, self.sites),
            )
        return self.sites[site]

    def asset(self, asset: str) -> Asset:
        """The asset of that id, whatever its site. Raises InputError where there is none, naming the nearest."""
        found = self.get(asset)
        if found is None:
            hint = did_you_mean(asset, [one.id for one in self.assets()])
            raise InputError(f"no asset {asset!r} in the portfolio", found=asset, hint=hint)
        return found

    def get(self, asset: str) -> Asset | None:
        """The asset of that id, or None."""
        return self._by_id.get(asset)

    @functools.cached_property
    def _by_id(self) -> dict[str, Asset]:
        return {asset.id: asset for site in self.sites.values() for asset in site.assets}

    def assets(self, site: str | None = None, type: str | None = None) -> list[Asset]:  # noqa: A002  the word of the domain
        """Assets of a site or all, of one kind or all, in the order of the files."""
        sites = list(self.sites.values()) if site is None else [self.site(site)]
        return [asset for one in sites for asset in one.assets if type is None or asset.type == type]


def load_portfolio(folder: str | Path) -> Portfolio:
    """Read the sites of ``folder`` (``*.yaml``) and the data sheets they name (``models/*.yaml``).

    Raises
    ------
    InputError
        Something in a file is wrong: names file, line and key. Several make an InputErrors, all at once.
    """
    from workbench.model._portfolio import read_portfolio

    sites, errors = read_portfolio(Path(folder))
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return Portfolio(sites)


def fact_names() -> frozenset[str]:
    """Names of the coordinates that :func:`asset_coords` makes of all facts but registration numbers."""
    return frozenset({*_NUMBERS, *_TEXTS, "in_service"})


@dataclass(frozen=True)
class _Number:
    """A fact that is a number, as a coordinate on ``asset``."""

    units: str
    long_name: str
    of: Callable[[Asset], float | None]


def _own(name: str) -> Callable[[Asset], float | None]:
    return lambda asset: getattr(asset, name)


def _sheet(name: str, kind: type[BaseModel] | None = None) -> Callable[[Asset], Any]:
    """A fact of the data sheet, of those of one kind only."""
    return lambda asset: (
        getattr(asset.data_sheet, name, None) if isinstance(asset.data_sheet, kind or BaseModel) else None
    )


def _module(name: str) -> Callable[[Asset], Any]:
    return lambda asset: getattr(asset.module, name, None)


def _strings(name: str) -> Callable[[Asset], Any]:
    return lambda asset: getattr(asset.strings, name, None)


def _stands(name: str) -> Callable[[Asset], Any]:
    return lambda asset: getattr(asset.layout, name, None)


def _attribute(name: str) -> Callable[[Asset], str | None]:
    """A text of the asset's own attributes, or of the data sheets of its inverter or modules."""

    def of(asset: Asset) -> str | None:
        for holder in (asset, asset.data_sheet, asset.module):
            found = getattr(holder, "attributes", {}).get(name)
            if found:
                return str(found)
        return None

    return of


def _modules(asset: Asset) -> int | None:
    return None if asset.strings is None else asset.strings.count * asset.strings.modules


# None of these is the name of a variable, or of a statistic of one (such as rotor_speed_min): a Dataset can
# hold only one of a name.
_NUMBERS: dict[str, _Number] = {
    "rated_capacity": _Number("kW", "rated active power", _own("rated_capacity")),
    "dc_capacity": _Number("kW", "rated DC power of the modules", _own("dc_capacity")),
    "energy_capacity": _Number("kWh", "energy capacity", _own("energy_capacity")),
    "hub_height": _Number("m", "hub height above ground", _own("hub_height")),
    "rotor_diameter": _Number("m", "rotor diameter", _own("rotor_diameter")),
    "cut_in_wind_speed": _Number("m/s", "cut-in wind speed", _sheet("cut_in_wind_speed")),
    "rated_wind_speed": _Number("m/s", "rated wind speed", _sheet("rated_wind_speed")),
    "cut_out_wind_speed": _Number("m/s", "cut-out wind speed", _sheet("cut_out_wind_speed")),
    "gearbox_ratio": _Number("1", "gearbox ratio", _sheet("gearbox_ratio")),
    "string_count": _Number("1", "strings in parallel", _strings("count")),
    "modules_per_string": _Number("1", "modules in series", _strings("modules")),
    "module_count": _Number("1", "modules", _modules),
    "module_power_stc": _Number("W", "power of a module, STC", _module("power_stc")),
    "module_efficiency": _Number("1", "efficiency of a module, STC", _module("efficiency")),
    "module_temp_coeff_power": _Number(
        "%/K", "temperature coefficient of a module's power", _module("temp_coeff_power")
    ),
    "module_noct": _Number("degC", "nominal operating cell temperature", _module("noct")),
    "module_bifaciality": _Number("1", "bifaciality of a module", _module("bifaciality")),
    "tilt": _Number("degree", "tilt of fixed modules or of a tracker's axis", _stands("tilt")),
    "azimuth": _Number("degree", "azimuth of fixed modules or of a tracker's axis", _stands("azimuth")),
    "tracker_max_angle": _Number("degree", "largest rotation of a tracker", _stands("max_angle")),
    "backtrack": _Number("1", "whether trackers avoid the shade of their neighbours", _stands("backtrack")),
    "ground_coverage_ratio": _Number("1", "width of the rows over their distance", _stands("ground_coverage_ratio")),
    "ground_albedo": _Number("1", "albedo of the ground", _stands("albedo")),
    "inverter_efficiency": _Number("1", "highest efficiency of the inverter", _sheet("efficiency_max", InverterModel)),
    "inverter_efficiency_euro": _Number(
        "1", "European weighted efficiency of the inverter", _sheet("efficiency_euro", InverterModel)
    ),
    "inverter_ac_voltage": _Number("V", "AC voltage, phase to phase", _sheet("ac_voltage", InverterModel)),
    "inverter_dc_voltage_limit": _Number("V", "highest DC voltage", _sheet("dc_voltage_max", InverterModel)),
    "mppt_count": _Number("1", "maximum power point trackers", _sheet("mppt_count")),
    "mppt_voltage_min": _Number("V", "lowest MPP voltage", _sheet("mppt_voltage_min")),
    "mppt_voltage_max": _Number("V", "highest MPP voltage", _sheet("mppt_voltage_max")),
    "round_trip_efficiency": _Number("1", "AC round-trip efficiency", _sheet("round_trip_efficiency")),
    "soc_min": _Number("%", "lowest state of charge", _sheet("soc_min")),
    "soc_max": _Number("%", "highest state of charge", _sheet("soc_max")),
    "charge_capacity": _Number("A h", "charge capacity when new", _sheet("charge_capacity", BatteryModel)),
    "cells_in_series": _Number("1", "cells in series", _sheet("cells_in_series", BatteryModel)),
    "height": _Number("m", "height of the sensor above ground", _own("height")),
    "latitude": _Number("degrees_north", "latitude", _own("latitude")),
    "longitude": _Number("degrees_east", "longitude", _own("longitude")),
    "elevation": _Number("m", "elevation of the ground", _own("elevation")),
}
_STANDARD = {"latitude": "latitude", "longitude": "longitude", "elevation": "surface_altitude", "height": "height"}
_TEXTS: dict[str, Callable[[Asset], str | None]] = {
    "asset_type": lambda asset: asset.type,
    "farm_id": lambda asset: asset.farm_id or asset.site,
    "model": lambda asset: asset.model,
    "manufacturer": lambda asset: asset.manufacturer,
    "parent": lambda asset: asset.parent,
    "manufacturer_power_curve": lambda asset: None if asset.power_curve is None else asset.power_curve.as_text(),
    "iec_class": _sheet("iec_class"),
    "module_model": lambda asset: asset.module_model,
    "module_manufacturer": _module("manufacturer"),
    "module_technology": _module("technology"),
    "mounting": _stands("mounting"),
    "cec_module": _attribute("cec_module"),
    "cec_inverter": _attribute("cec_inverter"),
    "chemistry": _sheet("chemistry"),
}


def asset_coords(assets: Sequence[Asset]) -> dict[str, tuple[str, npt.NDArray[Any], dict[str, str]]]:
    """Facts about assets as coordinates on ``asset``.

    Returns
    -------
    ``{name: ("asset", values [len(assets)], attributes)}``, as ``Dataset.assign_coords`` takes it. Numbers
    are float64, NaN where unknown, and left out where none of the assets has them (but for
    ``rated_capacity``, latitude and longitude); texts are str, empty where unknown; the manufacturer's power
    curve is one of them, see :meth:`PowerCurve.as_text`. ``in_service`` is datetime64[ns], NaT where unknown. Registration numbers are texts, each under its own name
    (``eia_plant_code``).
    """
    coords: dict[str, tuple[str, npt.NDArray[Any], dict[str, str]]] = {}
    for name, number in _NUMBERS.items():
        given = [number.of(asset) for asset in assets]
        if all(value is None for value in given) and name not in ("rated_capacity", "latitude", "longitude"):
            continue
        numbers = np.array([np.nan if value is None else value for value in given], dtype=np.float64)
        attrs = {"units": number.units, "long_name": number.long_name}
        if name in _STANDARD:
            attrs["standard_name"] = _STANDARD[name]
        coords[name] = ("asset", numbers, attrs)
    for name, text in _TEXTS.items():
        texts = [text(asset) or "" for asset in assets]
        if any(texts) or name in ("asset_type", "farm_id"):
            coords[name] = ("asset", np.array(texts, dtype=object), {"long_name": name.replace("_", " ")})
    days = [
        np.datetime64("NaT" if asset.in_service is None else asset.in_service.isoformat(), "ns") for asset in assets
    ]
    if not all(np.isnat(day) for day in days):
        coords["in_service"] = ("asset", np.array(days, dtype="datetime64[ns]"), {"long_name": "in service since"})
    for name in dict.fromkeys(name for asset in assets for name in asset.registrations):
        numbers_as_text = np.array([asset.registrations.get(name, "") for asset in assets], dtype=object)
        coords.setdefault(name, ("asset", numbers_as_text, {"long_name": name.replace("_", " ")}))
    return coords


def with_assets(data: xr.Dataset, portfolio: Portfolio, *, site: str | None = None) -> xr.Dataset:
    """``data`` with the facts of its assets as coordinates on ``asset``.

    Assets that the portfolio does not know (strings that came in with a message) keep their place: their
    facts are missing, but for ``farm_id`` where ``site`` is given. Data without ``asset`` is given back as it is.
    """
    if "asset" not in data.coords:
        return data
    ids = [str(one) for one in data["asset"].values]
    known = [portfolio.get(one) or Asset(one, "", site or "") for one in ids]
    return data.assign_coords(asset_coords(known))
