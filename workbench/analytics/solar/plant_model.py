"""From irradiance to AC power, inverter by inverter and block by block, by pvlib's models.

Each stage is kept, so that the expected power and the losses on the way to it are of one model.

References
----------
.. [1] A. P. Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, https://doi.org/10.2172/1158421.
.. [2] D. Faiman, "Assessing the outdoor operating temperature of photovoltaic modules", Progress in Photovoltaics 16, 2008,
   https://doi.org/10.1002/pip.813.
.. [3] D. L. King et al., "Photovoltaic Array Performance Model", SAND2004-3535, 2004 (temperature).
.. [4] M. Lee, A. Panchula, "Spectral correction for photovoltaic module performance based on air mass and precipitable water",
   43rd IEEE PVSC, 2016, https://doi.org/10.1109/PVSC.2016.7749836.
.. [5] C. Gueymard, "Analysis of monthly average atmospheric precipitable water and turbidity in Canada and northern United
   States", Solar Energy 53, 1994, https://doi.org/10.1016/S0038-092X(94)90606-8.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.solar.array_facts import AT_RATED, ArrayFacts
from workbench.analytics.solar.checks import check_heat
from workbench.analytics.solar.plane import (
    Geometry,
    Incidence,
    Stamp,
    Transposition,
    beam_share,
    geometry,
    sun_times,
)
from workbench.analytics.solar.weather import Columns, columns_of, irradiance_of
from workbench.model.errors import InputError
from workbench.steps import remark

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Spectral = Literal["none", "first_solar"]
TemperatureModel = Literal[
    "faiman",
    "pvsyst_freestanding",
    "pvsyst_insulated",
    "pvsyst_semi_integrated",
    "sapm_open_rack_glass_glass",
    "sapm_open_rack_glass_polymer",
    "sapm_close_mount_glass_glass",
    "sapm_insulated_back_glass_polymer",
]

CELL = ("cell_temperature",)
MODULE = ("module_temperature", "panel_temperature")
AIR = ("ambient_temperature", "temperature")
SATELLITE = "irradiance_ghi_satellite"

#: Efficiency at full load of an inverter of which nothing is known; reference efficiency of the curve [1]_.
_NOMINAL, _REFERENCE = 0.96, 0.9637
_CELL_ABOVE = 3.0  #: cell over back of a module at 1000 W/m² in an open rack [K] [3]_
_TYPES = {"monosi": "monosi", "multisi": "multisi", "polysi": "polysi", "cdte": "cdte", "cigs": "cigs", "asi": "asi"}


class Source(IntEnum):
    """Where the irradiance in the plane of a slot is from."""

    NONE = 0
    MEASURED_PLANE = 1
    TRANSPOSED = 2  #: from global with beam or diffuse irradiance
    DECOMPOSED = 3  #: from global horizontal irradiance alone
    SATELLITE = 4


@dataclass(frozen=True)
class Options:
    """Which models; see :func:`~workbench.analytics.solar.expected.expected_power`."""

    transposition: Transposition = "haydavies"
    incidence: Incidence = "physical"
    spectral: Spectral = "none"
    temperature_model: TemperatureModel = "faiman"
    stamp: Stamp = "start"
    poa: str = "irradiance_poa"
    ghi: str = "irradiance_ghi"
    dni: str = "irradiance_dni"
    dhi: str = "irradiance_dhi"
    satellite: str = SATELLITE


@dataclass(frozen=True)
class Block:
    """Every stage of some slots, (time, asset); NaN where irradiance or temperature is not known."""

    poa: Floats  #: irradiance in the plane that was used [W/m²]
    modelled: Floats | None  #: that from horizontal irradiance [W/m²]
    source: Codes
    reflection: Floats  #: share that gets into the modules [1]
    spectral: Floats  #: [1]
    cell: Floats  #: [degC]
    conversion: Floats  #: power over that at 25 °C and the same share of the rating [1]
    dc: Floats  #: after wiring and mismatch [kW]
    efficiency: Floats  #: of the inverter below its limit [1]
    free: Floats  #: AC without the inverter's limit [kW]
    ac: Floats  #: [kW]


class PlantModel:
    """The models of the inverters of ``data``, ready to run block by block."""

    def __init__(self, data: xr.Dataset, facts: ArrayFacts, options: Options) -> None:
        self.facts, self.options = facts, options
        self.size = data.sizes["asset"]
        for text in facts.assumed:
            remark(text)
        self.geometry: Geometry | None = None
        zenith = None
        slot = slot_length(data) if data.sizes["time"] > 1 or "cadence" in data.attrs else np.timedelta64(0, "ns")
        if slot > np.timedelta64(3_600_000_000_000, "ns"):
            raise InputError(
                "slots too long for the sun", where="time", found=f"{slot / np.timedelta64(3_600_000_000_000, 'ns'):g} h",
                expected="an hour or less",
            )  # fmt: skip
        if facts.placed:
            moments = sun_times(data["time"].values, slot, options.stamp)
            self.geometry = geometry(moments, facts, options.incidence)
            # the place of a sensor may not be known; its clock is that of the inverters it stands for
            zenith = np.where(facts.measures, np.nan, self.geometry.zenith[:, self.geometry.place_of])
        o = options
        self.poa = irradiance_of(data, o.poa, zenith)
        self.oriented = facts.oriented
        self.ghi, self.dni, self.dhi, self.satellite = (
            irradiance_of(data, name, zenith) if self.oriented else None for name in (o.ghi, o.dni, o.dhi, o.satellite)
        )
        self._check(data)
        self.cell = _first(data, CELL)
        self.module = _first(data, MODULE)
        self.air = _first(data, AIR)
        self.wind = columns_of(data, "wind_speed")
        if self.cell is None and self.module is None and self.air is None:
            raise InputError(
                "no temperature, and without one the heat of summer looks like a loss",
                where="ambient_temperature",
                found=", ".join(map(str, data.data_vars)),
                expected=", ".join((*CELL, *MODULE, *AIR)),
            )
        if self.cell is None and self.module is None and self.wind is None:
            remark("wind_speed is not known: taken as 1 m/s at the modules")
        self.humidity = columns_of(data, "humidity") if o.spectral != "none" else None
        if o.spectral != "none" and (self.humidity is None or self.air is None or self.geometry is None):
            raise InputError(
                "the spectral model takes humidity and the temperature of the air, and the place",
                where="spectral", expected="humidity [%], ambient_temperature [degC], latitude, longitude",
                hint="spectral: none",
            )  # fmt: skip
        floats = [one.values.dtype for one in (self.poa, self.ghi, self.air, self.cell, self.module) if one is not None]
        #: what results are kept in: no finer than what was measured
        self.dtype = np.dtype(np.float32) if all(one == np.float32 for one in floats) else np.dtype(np.float64)

    def _check(self, data: xr.Dataset) -> None:
        o = self.options
        if not self.oriented:
            lacking = "latitude and longitude" if not self.facts.placed else "tilt and azimuth of the modules"
            if self.poa is None:
                raise InputError(
                    f"no irradiance in the plane, and {lacking} are not known to make it from others",
                    where=o.poa,
                    found=", ".join(str(name) for name in data.data_vars if "irradiance" in str(name))
                    or "no irradiance",
                    expected=f"{o.poa}, or {o.ghi} and the facts latitude, longitude, tilt, azimuth",
                )
            remark(f"{lacking} are not known: what glass reflects is not taken off")
        elif self.poa is None and self.ghi is None and self.satellite is None:
            raise InputError(
                "no irradiance", where=o.poa, found=", ".join(map(str, data.data_vars)),
                expected=f"{o.poa}, {o.ghi} or {o.satellite} [W/m²]",
            )  # fmt: skip
        elif self.poa is None:
            if self.ghi is None:
                how = f"{o.satellite}, the beam by Erbs' model"
            elif self.dni is None and self.dhi is None:
                how = f"{o.ghi} alone, the beam by Erbs' model"
            else:
                how = (
                    f"{o.ghi} and {' and '.join(n for n, c in ((o.dni, self.dni), (o.dhi, self.dhi)) if c is not None)}"
                )
            remark(f"no {o.poa}: irradiance in the plane is modelled from {how}")

    def block(self, part: slice) -> Block:
        """All stages of the slots of ``part``."""
        facts = self.facts
        poa, modelled, source, reflection = self._irradiance(part)
        cell = self._cell(part, poa)
        spectral = self._spectral(part)
        effective = poa * reflection * spectral
        conversion = self._conversion(effective, cell)
        dc = effective / 1000.0 * facts["dc_capacity"] * conversion * (1.0 - facts["dc_loss_share"])
        efficiency = self._efficiency(dc, effective, cell)
        free = dc * efficiency
        ac = np.minimum(free, facts["rated_capacity"])
        return Block(poa, modelled, source, reflection, spectral, cell, conversion, dc, efficiency, free, ac)

    def _irradiance(self, part: slice) -> tuple[Floats, Floats | None, Codes, Floats]:
        """In the plane [W/m²], that modelled, its source, and the share that gets into the modules."""
        shape = (len(range(*part.indices(self._length))), self.size)
        poa = np.full(shape, np.nan) if self.poa is None else self.poa.block(part)
        source = np.where(np.isfinite(poa), np.uint8(Source.MEASURED_PLANE), np.uint8(Source.NONE))
        if self.geometry is None or not self.oriented:
            return poa, None, source, np.ones(shape)
        taken = self.geometry.taken[part][:, self.geometry.plane_of]
        modelled: Floats | None = None
        share = np.full(shape, np.nan)
        for ghi, satellite in ((self.ghi, False), (self.satellite, True)):
            if ghi is None:
                continue
            whole, beam, kind = self._transposed(self.geometry, part, ghi, satellite)
            modelled = whole if modelled is None else np.where(np.isfinite(modelled), modelled, whole)
            fill = ~np.isfinite(poa) & np.isfinite(whole)
            poa[fill], source[fill] = whole[fill], kind[fill]
            lacking = ~np.isfinite(share)
            share[lacking] = beam[lacking]
        if self.poa is not None and not np.isfinite(share).all():
            alone = self._split(self.geometry, self.poa, part)
            share = np.where(np.isfinite(share), share, alone)
        return poa, modelled, source, 1.0 - np.nan_to_num(share) * (1.0 - taken)

    @property
    def _length(self) -> int:
        for one in (self.poa, self.ghi, self.satellite):
            if one is not None:
                return len(one.values)
        raise AssertionError("no irradiance")

    def _transposed(self, sun: Geometry, part: slice, ghi: Columns, satellite: bool) -> tuple[Floats, Floats, Codes]:
        """Irradiance in the plane, the beam's share of it, and its source; of each asset."""
        import pvlib

        dni, dhi = (None, None) if satellite else (self.dni, self.dhi)
        nothing = np.zeros(self.size, np.intp)
        keys = [sun.plane_of, ghi.of, nothing if dni is None else dni.of, nothing if dhi is None else dhi.of]
        albedo = self.facts["ground_albedo"]
        combinations, of = np.unique(np.column_stack([*keys, albedo]), axis=0, return_inverse=True)
        of = of.reshape(-1)
        planes, *columns = combinations[:, :4].T.astype(np.intp)
        places = sun.place_of_plane[planes]
        zenith, extra = sun.zenith[part][:, places], sun.extra[part]
        day = np.broadcast_to(extra, zenith.shape)
        across = ghi.values[part].astype(np.float64)[:, columns[0]]
        up = np.cos(np.deg2rad(zenith))
        parts = pvlib.irradiance.erbs(across, zenith, day)
        beam, sky = np.asarray(parts["dni"], np.float64), np.asarray(parts["dhi"], np.float64)
        kind = np.full(across.shape, np.uint8(Source.SATELLITE if satellite else Source.DECOMPOSED))
        straight = None if dni is None else dni.values[part].astype(np.float64)[:, columns[1]]
        diffuse = None if dhi is None else dhi.values[part].astype(np.float64)[:, columns[2]]
        if straight is not None or diffuse is not None:
            beam, sky, told = _closed(across, up, zenith, straight, diffuse, beam, sky)
            kind[told] = Source.TRANSPOSED
        found = pvlib.irradiance.get_total_irradiance(
            sun.tilt[part][:, planes],
            sun.azimuth[part][:, planes],
            zenith,
            sun.sun_azimuth[part][:, places],
            beam,
            across,
            sky,
            dni_extra=day,
            airmass=sun.airmass[part][:, places],
            albedo=combinations[:, 4],
            model=self.options.transposition,
        )
        whole = np.asarray(found["poa_global"], np.float64)
        direct = np.asarray(found["poa_direct"], np.float64)
        # where the sun is down some models have no answer: what light there is comes from all sides
        dim = ~np.isfinite(whole) & np.isfinite(across)
        whole[dim], direct[dim] = across[dim], 0.0
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(whole > 0, direct / whole, np.where(np.isfinite(whole), 0.0, np.nan))
        return whole[:, of], share[:, of], kind[:, of]

    def _split(self, sun: Geometry, poa: Columns, part: slice) -> Floats:
        """The beam's share of what was measured in the plane alone."""
        combinations, of = np.unique(
            np.column_stack([sun.plane_of, poa.of, self.facts["ground_albedo"]]), axis=0, return_inverse=True
        )
        planes, columns = combinations[:, :2].T.astype(np.intp)
        share = beam_share(
            poa.values[part].astype(np.float64)[:, columns],
            sun.cosine[part][:, planes],
            np.cos(np.deg2rad(sun.zenith[part][:, sun.place_of_plane[planes]])),
            sun.extra[part],
            sun.tilt[part][:, planes],
            combinations[:, 2],
        )
        return share[:, of.reshape(-1)]

    def _cell(self, part: slice, poa: Floats) -> Floats:
        """Measured at the cells, else at the modules, else from the air, slot by slot [degC]."""
        cell = np.full(poa.shape, np.nan)
        if self.cell is not None:
            cell = self.cell.block(part)
        if self.module is not None:
            lacking = ~np.isfinite(cell)
            if lacking.any():
                behind = self.module.block(part) + _CELL_ABOVE * poa / 1000.0
                cell[lacking] = behind[lacking]
        if self.air is not None:
            lacking = ~np.isfinite(cell)
            if lacking.any():
                wind: Floats | float = 1.0
                if self.wind is not None:
                    measured = self.wind.block(part)
                    wind = np.where(np.isfinite(measured), np.clip(measured, 0.0, None), 1.0)
                cell[lacking] = _heated(self.options.temperature_model, poa, self.air.block(part), wind)[lacking]
        return cell

    def _spectral(self, part: slice) -> Floats:
        if self.options.spectral == "none" or self.geometry is None or self.humidity is None or self.air is None:
            return np.ones((1, self.size))
        import pvlib

        sun = self.geometry
        absolute = (sun.airmass[part] * sun.pressure / 101325.0)[:, sun.place_of]
        humid = np.clip(self.humidity.block(part), 1.0, 100.0)
        water = np.clip(pvlib.atmosphere.gueymard94_pw(self.air.block(part), humid), 0.1, 8.0)
        out = np.ones(absolute.shape)
        kinds = np.array([_TYPES.get(_letters(one), "monosi") for one in self.facts.texts["module_technology"]])
        for kind in dict.fromkeys(kinds):
            mine = kinds == kind
            factor = pvlib.spectrum.spectral_factor_firstsolar(water[:, mine], absolute[:, mine], module_type=str(kind))
            out[:, mine] = np.where(np.isfinite(factor), factor, 1.0)
        return out

    def _conversion(self, effective: Floats, cell: Floats) -> Floats:
        """Power over that at 25 °C and the same share of the rating [1]."""
        import pvlib

        gamma = self.facts["module_temp_coeff_power"] / 100.0
        with np.errstate(invalid="ignore"):
            out = np.maximum(np.asarray(pvlib.pvsystem.pvwatts_dc(1000.0, cell, 1.0, gamma), np.float64), 0.0)
        for model, mine in self._modules:
            out[:, mine] = model.share(effective[:, mine], cell[:, mine])
        return out

    @functools.cached_property
    def _modules(self) -> list[tuple[SingleDiode, npt.NDArray[np.bool_]]]:
        """Assets of each module of which the single-diode model is known."""
        found: dict[int, tuple[pd.Series, list[int]]] = {}
        for row, one in enumerate(self.facts.modules):
            if one is not None:
                found.setdefault(id(one), (one, []))[1].append(row)
        made = []
        for parameters, rows in found.values():
            made.append((SingleDiode(parameters), np.isin(np.arange(self.size), rows)))
        return made

    def _efficiency(self, dc: Floats, effective: Floats, cell: Floats) -> Floats:
        """Of the inverter at ``dc`` [kW], above its limit that at the limit [1]."""
        import pvlib

        facts = self.facts
        highest = facts["inverter_efficiency"]
        nominal = np.where(np.isfinite(highest), highest * AT_RATED, _NOMINAL)
        most = facts["rated_capacity"] / nominal
        load = np.minimum(np.nan_to_num(dc), most)
        with np.errstate(divide="ignore", invalid="ignore"):
            ac = np.asarray(pvlib.inverter.pvwatts(load, most, nominal, _REFERENCE), np.float64)
            out = np.where(load > 0, ac / load, 0.0)
        for row, unit in enumerate(facts.inverters):
            if unit is None:
                continue
            times = facts["rated_capacity"][row] / (float(unit["Paco"]) / 1000.0)
            power = np.minimum(np.nan_to_num(dc[:, row]) * 1000.0 / times, float(unit["Pdco"]))
            series = facts["modules_per_string"][row]
            volts = np.full(power.shape, float(unit["Vdco"]))
            for model, mine in self._modules:
                if mine[row] and np.isfinite(series):
                    volts = series * model.voltage(effective[:, row], cell[:, row])
            with np.errstate(divide="ignore", invalid="ignore"):
                given = np.asarray(pvlib.inverter.sandia(volts, power, unit), np.float64)
                out[:, row] = np.where(power > 0, np.clip(np.nan_to_num(given) / power, 0.0, 1.0), 0.0)
        return out


def _closed(
    across: Floats,
    up: Floats,
    zenith: Floats,
    straight: Floats | None,
    diffuse: Floats | None,
    beam: Floats,
    sky: Floats,
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Beam and diffuse irradiance where one of them was measured, the other by closure with the global; and where."""
    high = zenith < 87.0
    if straight is None:
        if diffuse is None:
            return beam, sky, np.zeros(across.shape, bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            straight = np.where(high, np.maximum(across - diffuse, 0.0) / up, 0.0)
    elif diffuse is None:
        diffuse = np.maximum(across - straight * np.maximum(up, 0.0), 0.0)
    told = np.isfinite(straight) & np.isfinite(diffuse) & np.isfinite(across)
    return np.where(told, straight, beam), np.where(told, diffuse, sky), told


def _first(data: xr.Dataset, names: tuple[str, ...]) -> Columns | None:
    name = next((name for name in names if name in data), None)
    if name is None:
        return None
    found = columns_of(data, name)
    check_heat(data, name)
    return found


def _heated(model: TemperatureModel, poa: Floats, air: Floats, wind: Any) -> Floats:
    """Temperature of the cells [degC] by pvlib's ``model``."""
    import pvlib

    if model == "faiman":
        return np.asarray(pvlib.temperature.faiman(poa, air, wind), np.float64)
    family, _, kind = model.partition("_")
    parameters = pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS[family][kind]
    heat = pvlib.temperature.sapm_cell if family == "sapm" else pvlib.temperature.pvsyst_cell
    return np.asarray(heat(poa, air, wind, **parameters), np.float64)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha())


class SingleDiode:
    """A module's power and voltage at its best point, from a table of the CEC model by irradiance and temperature.

    Cubic splines over the logarithm of irradiance (60 points, 1 to 1600 W/m²) and temperature (29 points, -40 to 100 °C): within
    0.02 % of the equation itself from 20 W/m² on; below 1 W/m² the share at 1 W/m² is taken.
    """

    def __init__(self, parameters: pd.Series) -> None:
        from scipy.interpolate import RectBivariateSpline

        self.logs = np.linspace(0.0, np.log(1600.0), 60)
        self.degrees = np.linspace(-40.0, 100.0, 29)
        light, heat = np.meshgrid(np.exp(self.logs), self.degrees, indexing="ij")
        best = best_point(parameters, light.ravel(), heat.ravel())
        rating = float(np.asarray(best_point(parameters, np.array([1000.0]), np.array([25.0]))["p_mp"])[0])
        share = np.asarray(best["p_mp"]).reshape(light.shape) / rating / (light / 1000.0)
        volts = np.asarray(best["v_mp"]).reshape(light.shape)
        self._share = RectBivariateSpline(self.logs, self.degrees, share)
        self._volts = RectBivariateSpline(self.logs, self.degrees, volts)

    def share(self, effective: Floats, cell: Floats) -> Floats:
        """Power over that at 25 °C and the same share of the rating [1]; irradiance [W/m²], temperature [degC]."""
        return self._at(self._share, effective, cell)

    def voltage(self, effective: Floats, cell: Floats) -> Floats:
        """At the best point of one module [V]."""
        return self._at(self._volts, effective, cell)

    def _at(self, table: Any, effective: Floats, cell: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            place = np.log(np.clip(np.nan_to_num(effective), 1.0, 1600.0))
        found = np.asarray(table.ev(place, np.clip(np.nan_to_num(cell), -40.0, 100.0)), np.float64)
        return np.where(np.isfinite(effective) & np.isfinite(cell), found, np.nan)


def best_point(parameters: pd.Series, effective: Floats, cell: Floats) -> dict[str, Floats]:
    """Power [W] and voltage [V] of a module at its best point, by pvlib's single-diode equation itself.

    Raises
    ------
    InputError
        A parameter is missing.
    """
    import pvlib

    names = ("alpha_sc", "a_ref", "I_L_ref", "I_o_ref", "R_sh_ref", "R_s")
    lacking = [name for name in names if name not in parameters]
    if lacking:
        raise InputError(
            "parameters of the module are missing", where=f"module.{lacking[0]}", found=", ".join(map(str, parameters.index)),
            expected=", ".join((*names, "Adjust [%], 0 for De Soto's model")),
        )  # fmt: skip
    given = {name: float(parameters[name]) for name in names}
    adjust = float(parameters["Adjust"]) if "Adjust" in parameters else 0.0
    curve = pvlib.pvsystem.calcparams_cec(effective, cell, Adjust=adjust, **given)
    found = pvlib.pvsystem.max_power_point(*curve, method="newton")
    return {name: np.asarray(found[name], np.float64) for name in ("p_mp", "v_mp")}
