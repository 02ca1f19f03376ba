"""What a plant's models need to know of each inverter: place, rating, how its modules stand, module and inverter.

Facts are coordinates or fields by asset, as the portfolio gives them (:func:`workbench.model.assets.asset_coords`), or are given
by hand. What nobody tells is assumed and said, as long as one can do without it.

References
----------
.. [1] A. P. Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, https://doi.org/10.2172/1158421.
.. [2] A. P. Dobos, "An Improved Coefficient Calculator for the California Energy Commission 6 Parameter Photovoltaic Module
   Model", Journal of Solar Energy Engineering 134, 2012, https://doi.org/10.1115/1.4005759.
.. [3] D. L. King et al., "Performance Model for Grid-Connected Photovoltaic Inverters", SAND2007-5036, 2007.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.solar.checks import check_plant
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Given = Mapping[str, float | str | bool]

#: Efficiency at full load over the highest, of the inverter curve of PVWatts [1]_.
AT_RATED = 0.9637 / (0.9858 - 2 * (0.0162 * 0.0059) ** 0.5)
#: DC wiring and mismatch 2 % each, connections 0.5 % [1]_.
DC_LOSSES = 1 - 0.98 * 0.98 * 0.995

#: Facts that are numbers: unit, what is taken where nobody tells (None: see :func:`array_facts`), least, most.
NUMBERS: Mapping[str, tuple[str, float | None, float, float]] = {
    "latitude": ("degrees north", None, -90.0, 90.0),
    "longitude": ("degrees east", None, -180.0, 180.0),
    "elevation": ("m", 0.0, -500.0, 6000.0),
    "tilt": ("degree", None, 0.0, 90.0),
    "azimuth": ("degree", None, 0.0, 360.0),
    "tracker_max_angle": ("degree", 60.0, 1.0, 90.0),
    "backtrack": ("0 or 1", 1.0, 0.0, 1.0),
    "ground_coverage_ratio": ("1", 0.4, 0.01, 1.0),
    "ground_albedo": ("1", 0.2, 0.0, 1.0),
    "dc_capacity": ("kW at standard test conditions", None, 0.0, 1e6),
    "rated_capacity": ("kW AC", None, 0.0, 1e6),
    "module_temp_coeff_power": ("%/K", None, -1.0, -0.05),
    "inverter_efficiency": ("1, the highest", None, 0.5, 1.0),
    "dc_loss_share": ("1", DC_LOSSES, 0.0, 0.5),
    "modules_per_string": ("1", None, 1.0, 1000.0),
    "module_count": ("1", None, 1.0, 1e7),
    "module_power_stc": ("W", None, 0.0, 5000.0),
    "module_bifaciality": ("1", 0.0, 0.0, 1.0),
}
TEXTS = ("mounting", "cec_module", "cec_inverter", "module_technology")
#: Kinds of assets that measure for others.
SENSORS = ("irradiance_sensor", "weather_station", "met_mast")
MOUNTINGS = ("fixed", "single_axis", "dual_axis")


@dataclass(frozen=True)
class ArrayFacts:
    """Facts of the assets, arrays [A]; NaN or empty where not known and not to be assumed."""

    numbers: Mapping[str, Floats]
    texts: Mapping[str, Texts]
    modules: tuple[pd.Series | None, ...]  #: parameters of the single-diode model of each
    inverters: tuple[pd.Series | None, ...]  #: parameters of Sandia's inverter model of each
    assumed: tuple[str, ...]  #: what was, in words
    measures: npt.NDArray[np.bool_]  #: sensors among the assets, of which no power is expected

    def __getitem__(self, name: str) -> Floats:
        return self.numbers[name]

    @property
    def placed(self) -> bool:
        """Whether the sun's position is known at every asset."""
        known = np.isfinite(self["latitude"]) & np.isfinite(self["longitude"])
        return bool((known | self.measures).all())

    @property
    def oriented(self) -> bool:
        """Whether it is known how the modules of every asset stand."""
        tracks = self.texts["mounting"] != "fixed"
        told = np.isfinite(self["tilt"]) & np.isfinite(self["azimuth"])
        return self.placed and bool((tracks | told | self.measures).all())


def array_facts(
    data: xr.Dataset,
    given: Given | None = None,
    *,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
) -> ArrayFacts:
    """Facts of the assets of ``data``.

    Parameters
    ----------
    data
        With a coordinate or field (asset), or one value for all, of each fact that is known; names and units as in
        ``NUMBERS``, and the texts ``mounting`` (fixed, single_axis, dual_axis), ``cec_module``, ``cec_inverter``,
        ``module_technology``.
    given
        Facts of all assets by name; they come before those of the data.
    module, inverter
        Name in the tables of the CEC that pvlib carries, or the parameters themselves: of the CEC or De Soto model
        (``alpha_sc``, ``a_ref``, ``I_L_ref``, ``I_o_ref``, ``R_s``, ``R_sh_ref``, and ``Adjust``, 0 for De Soto), and of
        Sandia's inverter model. They come before ``cec_module`` and ``cec_inverter``.

    Raises
    ------
    InputError
        A fact that does not exist, is no number, or cannot be; a module or an inverter that is not in the tables; neither
        ``dc_capacity`` nor ``rated_capacity`` of an asset.
    """
    check_plant(data, times=False)
    own = dict(given or {})
    for name in own:
        if name not in NUMBERS and name not in TEXTS:
            raise InputError(
                "no such fact of a solar array", where=f"facts.{name}", expected=", ".join((*NUMBERS, *TEXTS)),
                hint=did_you_mean(name, [*NUMBERS, *TEXTS]),
            )  # fmt: skip
    size = data.sizes["asset"]
    numbers = {name: _numbers(data, own, name, size) for name in NUMBERS}
    texts = {name: _texts(data, own, name, size) for name in TEXTS}
    assumed: list[str] = []
    texts["mounting"][texts["mounting"] == ""] = "fixed"
    for one in dict.fromkeys(texts["mounting"]):
        if one not in MOUNTINGS:
            raise InputError("no such mounting", where="mounting", found=one, expected=", ".join(MOUNTINGS))
    tracks = texts["mounting"] == "single_axis"
    _assume(numbers["tilt"], tracks, 0.0)
    _assume(numbers["azimuth"], tracks, 180.0)
    modules = _models(module, texts["cec_module"], cec_module, size)
    inverters = _models(inverter, texts["cec_inverter"], cec_inverter, size)
    measures = sensors_of(data)
    _ratings(numbers, modules, inverters, assumed, [str(one) for one in data["asset"].values], measures)
    gamma = numbers["module_temp_coeff_power"]
    for row, one in enumerate(modules):
        if one is not None and not np.isfinite(gamma[row]) and "gamma_r" in one:
            gamma[row] = float(one["gamma_r"])
    without = ~np.isfinite(gamma) & ~measures
    if _assume(gamma, np.array([one is None for one in modules]), -0.4):
        assumed.append(f"temperature coefficient of {int(without.sum())} assets is taken as -0.4 %/K")
    _assume(gamma, np.ones(size, bool), -0.4)
    for name, (_, default, _, _) in NUMBERS.items():
        if default is not None:
            _assume(numbers[name], np.ones(size, bool), default)
    return ArrayFacts(numbers, texts, tuple(modules), tuple(inverters), tuple(assumed), measures)


def sensors_of(data: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Which assets measure for others (coordinate ``asset_type``); none where all do or no kinds are known."""
    kinds = data["asset_type"].values if "asset_type" in data.coords else ""
    found = np.isin(np.broadcast_to(np.asarray(kinds, dtype=object), (data.sizes["asset"],)), SENSORS)
    return found & ~found.all()


def _assume(values: Floats, where: npt.NDArray[np.bool_], value: float) -> bool:
    """Fill what is missing; whether anything was."""
    fill = where & ~np.isfinite(values)
    values[fill] = value
    return bool(fill.any())


def _ratings(
    numbers: dict[str, Floats],
    modules: list[pd.Series | None],
    inverters: list[pd.Series | None],
    assumed: list[str],
    names: list[str],
    measures: npt.NDArray[np.bool_],
) -> None:
    """DC and AC ratings [kW], each from what tells it."""
    dc, ac = numbers["dc_capacity"], numbers["rated_capacity"]
    watts = numbers["module_power_stc"]
    for row, one in enumerate(modules):
        if one is not None and not np.isfinite(watts[row]) and "STC" in one:
            watts[row] = float(one["STC"])
    counted = numbers["module_count"] * watts / 1000.0
    dc[~np.isfinite(dc)] = counted[~np.isfinite(dc)]
    for row, unit in enumerate(inverters):
        if unit is not None and not np.isfinite(ac[row]):
            ac[row] = float(unit["Paco"]) / 1000.0
    dc[measures] = ac[measures] = np.nan
    for values, what in ((dc, "dc_capacity"), (ac, "rated_capacity")):
        none = values == 0
        if none.any():
            assumed.append(f"{what} of {int(none.sum())} assets is 0: no rating, it counts as not known")
            values[none] = np.nan
    lacking = ~np.isfinite(dc) & ~np.isfinite(ac) & ~measures
    if lacking.any():
        raise InputError(
            "no rating", where=names[int(np.argmax(lacking))], expected="dc_capacity or rated_capacity [kW]",
            hint="give it in `facts`, or in the portfolio (`workbench.model.assets.with_assets`)",
        )  # fmt: skip
    for values, other, text in (
        (dc, ac, "DC rating of {} assets is not known: taken as their AC rating"),
        (ac, dc, "AC rating of {} assets is not known: taken as their DC rating"),
    ):
        missing = ~np.isfinite(values) & ~measures
        if missing.any():
            assumed.append(text.format(int(missing.sum())))
            values[missing] = other[missing]


def _numbers(data: xr.Dataset, given: dict[str, Any], name: str, size: int) -> Floats:
    units, _, low, high = NUMBERS[name]
    raw: Any = given.get(name, data[name].values if name in data.variables and _by_asset(data, name) else np.nan)
    try:
        values = np.broadcast_to(np.asarray(raw, dtype=np.float64), (size,)).copy()
    except (TypeError, ValueError):
        raise InputError("no number", where=name, found=raw, expected=units) from None
    odd = np.isfinite(values) & ((values < low) | (values > high))
    if odd.any():
        found = float(values[np.argmax(odd)])
        hint = None
        if name == "module_temp_coeff_power" and -0.01 < found < 0:
            hint = f"in 1/K? then it is {100 * found:g} %/K"
        raise InputError(
            "cannot be", where=name, found=found, expected=f"{low:g} to {high:g} [{units}]", hint=hint
        )  # fmt: skip
    return values


def _texts(data: xr.Dataset, given: dict[str, Any], name: str, size: int) -> Texts:
    raw: Any = given.get(name, data[name].values if name in data.variables and _by_asset(data, name) else "")
    values = np.broadcast_to(np.asarray(raw, dtype=object), (size,))
    return np.array(["" if one is None or one != one else str(one) for one in values], dtype=object)


def _by_asset(data: xr.Dataset, name: str) -> bool:
    return data[name].dims in ((), ("asset",))


def _models(given: Any, names: Texts, look_up: Any, size: int) -> list[pd.Series | None]:
    import pandas as pd

    if isinstance(given, Mapping):
        return [pd.Series(dict(given), dtype=np.float64)] * size
    if given is not None:
        return [look_up(str(given))] * size
    found = {name: look_up(name) if name else None for name in dict.fromkeys(names)}
    return [found[name] for name in names]


def cec_module(name: str) -> pd.Series:
    """Parameters of the single-diode model of a module [2]_, from the table of the CEC that pvlib carries.

    ``name`` as in the table, or with other signs between its words (``Canadian Solar Inc. CS5P-220M``).

    Raises
    ------
    InputError
        There is no such module: names the nearest.
    """
    return _looked_up("CECMod", name, "module")


def cec_inverter(name: str) -> pd.Series:
    """Parameters of Sandia's inverter model [3]_, from the table of the CEC that pvlib carries; as :func:`cec_module`."""
    return _looked_up("CECInverter", name, "inverter")


def _looked_up(table: str, name: str, what: str) -> pd.Series:
    frame, plain = _table(table)
    column = name if name in frame.columns else plain.get(_plain(name))
    if column is None:
        raise InputError(
            f"no such {what} in the CEC's table ({len(frame.columns)} {what}s, as pvlib carries it)",
            where=f"cec_{what}",
            found=name,
            hint=_near(name, frame, plain)
            or f"give the parameters themselves in `{what}`, or leave it out: PVWatts' model is used",
        )
    return frame[column]


def _near(name: str, frame: pd.DataFrame, plain: Mapping[str, str]) -> str | None:
    """The nearest names, of one maker where the first letters tell it: the tables are long."""
    wanted = _plain(name)
    some = [column for short, column in plain.items() if short[:4] == wanted[:4]]
    return did_you_mean(name, some or list(map(str, frame.columns)))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


@functools.cache
def _table(name: str) -> tuple[pd.DataFrame, dict[str, str]]:
    import pvlib

    frame = pvlib.pvsystem.retrieve_sam(name)
    return frame, {_plain(str(column)): str(column) for column in frame.columns}
