"""Key figures of solar plants from sums over slots, and why one is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Sums = dict[str, Floats]

#: Figures: unit, long name.
FIGURES = {
    "energy": ("kWh", "energy delivered, of all slots with power"),
    "specific_yield": ("kWh/kWp", "energy delivered over the rating of the modules, of all slots with power"),
    "capacity_factor": ("1", "energy delivered over AC rating times the time with power"),
    "irradiation": ("kWh/m2", "irradiation in the plane, of the slots compared"),
    "reference_yield": ("h", "irradiation over 1 kW/m2"),
    "array_yield": ("kWh/kWp", "DC energy over the rating of the modules"),
    "final_yield": ("kWh/kWp", "AC energy over the rating of the modules"),
    "capture_loss": ("kWh/kWp", "reference yield less array yield"),
    "system_loss": ("kWh/kWp", "array yield less final yield (balance of system)"),
    "total_loss": ("kWh/kWp", "reference yield less final yield"),
    "performance_ratio": ("1", "final yield over reference yield"),
    "performance_ratio_25": ("1", "performance ratio at modules of 25 degC"),
    "performance_ratio_annual": ("1", "performance ratio at the annual mean temperature of the modules, by irradiance"),
    "performance_ratio_weather": ("1", "performance ratio at the annual mean temperature of the cells, by irradiance"),
    "energy_performance_index": ("1", "energy delivered over energy expected"),
    "system_efficiency": ("1", "AC energy over irradiation times module area"),
    "array_efficiency": ("1", "DC energy over irradiation times module area"),
    "power_coverage": ("1", "share of the daylight with power"),
    "coverage": ("1", "share of the daylight with power and irradiance"),
    "dc_coverage": ("1", "share of the daylight with DC power too"),
    "temperature_coverage": ("1", "share of the daylight with temperature too"),
    "expected_coverage": ("1", "share of the daylight with power and expected power"),
}
_DC = ("array_yield", "capture_loss", "system_loss")
_RATED = ("reference_yield", "final_yield", "total_loss", "performance_ratio")
_TEMPERED = ("performance_ratio_25", "performance_ratio_annual", "performance_ratio_weather")


def extensive(sums: Sums, rating: Floats, inverter: Floats, area: Floats, hours: float) -> Sums:
    """What may be added over assets: energies, and ratings or areas times irradiations; zero where a rating is not known."""
    # what was measured in the dark alone is compared with nothing
    bright = {"n": ("e", "h"), "n_all": ("e_all", "slots"), "n_dc": ("e_dc", "h_dc", "ac_dc"), "n_exp": ("e_exp", "exp"),
              "n_t": ("e_t", "h_25", "h_year", "h_cell")}  # fmt: skip
    sums = sums | {key: np.where(sums[count] > 0, sums[key], 0.0) for count, keys in bright.items() for key in keys}

    def per(key: str, size: Floats) -> Floats:
        return sums[key] * np.nan_to_num(size)

    known, surface, alternating = np.isfinite(rating), np.isfinite(area), np.isfinite(inverter)
    out = {key: sums[key] for key in ("e_all", "n_all", "n", "n_dc", "n_t", "n_exp", "h", "e_exp", "exp", "day")}
    out |= {
        "p_all": np.nan_to_num(rating) * (sums["slots"] > 0), "e_rated": sums["e_all"] * known,
        "ac_time": per("slots", inverter) * hours, "e_ac": sums["e_all"] * alternating,
        "p": np.nan_to_num(rating) * (sums["n"] > 0), "e": sums["e"] * known, "r": per("h", rating),
        "p_dc": np.nan_to_num(rating) * (sums["n_dc"] > 0), "e_dc": sums["e_dc"] * known, "r_dc": per("h_dc", rating),
        "ac_dc": sums["ac_dc"] * known,
        "e_t": sums["e_t"] * known, "r_25": per("h_25", rating), "r_year": per("h_year", rating), "r_cell": per("h_cell", rating),
        "a": per("h", area), "e_a": sums["e"] * surface, "a_dc": per("h_dc", area), "e_a_dc": sums["e_dc"] * surface,
        "assets": np.ones_like(sums["n"]) * (sums["n"] > 0),
    }  # fmt: skip
    return out


def frame(
    s: Sums, missing: dict[str, str], labels: pd.DatetimeIndex, dim: str, names: npt.NDArray[np.generic], least: float
) -> xr.Dataset:
    """All figures, dims (period, ``dim``), of sums that :func:`extensive` gave; with ``reason`` and ``caution``."""

    def over(top: str, bottom: str) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(s[bottom] > 0, s[top] / s[bottom], np.nan)

    found = {
        "energy": np.where(s["n_all"] > 0, s["e_all"], np.nan), "specific_yield": over("e_rated", "p_all"), "capacity_factor": over("e_ac", "ac_time"),
        "irradiation": over("h", "assets"), "reference_yield": over("r", "p"), "final_yield": over("e", "p"),
        "array_yield": over("e_dc", "p_dc"),
        "capture_loss": over("r_dc", "p_dc") - over("e_dc", "p_dc"), "system_loss": over("e_dc", "p_dc") - over("ac_dc", "p_dc"),
        "total_loss": over("r", "p") - over("e", "p"), "performance_ratio": over("e", "r"),
        "performance_ratio_25": over("e_t", "r_25"), "performance_ratio_annual": over("e_t", "r_year"),
        "performance_ratio_weather": over("e_t", "r_cell"), "energy_performance_index": over("e_exp", "exp"),
        "system_efficiency": over("e_a", "a"), "array_efficiency": over("e_a_dc", "a_dc"),
        "power_coverage": over("n_all", "day"), "coverage": over("n", "day"), "dc_coverage": over("n_dc", "day"),
        "temperature_coverage": over("n_t", "day"), "expected_coverage": over("n_exp", "day"),
    }  # fmt: skip
    reason, caution = _reasons(s, found, missing, least)
    variables = {
        n: (("period", dim), values, {"units": FIGURES[n][0], "long_name": FIGURES[n][1]})
        for n, values in found.items()
    }
    variables["reason"] = (("period", dim), reason, {"long_name": "why figures are not there"})
    variables["caution"] = (("period", dim), caution, {"long_name": "what makes figures doubtful"})
    return xr.Dataset(variables, coords={"period": labels.to_numpy(), dim: names})


def _reasons(
    s: Sums, found: Sums, missing: dict[str, str], least: float
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """For each figure that is NaN the first of the conditions that explains it, put together by cause."""
    dark, none = s["day"] <= 0, s["n_all"] <= 0
    apart = ~none & (s["n"] <= 0)
    night = s["h"] <= 0
    unrated = s["p_all"] <= 0
    start = [
        (dark, "no daylight in the period"),
        (none, "no power in the daylight"),
        (apart, "no slot with both power and irradiance"),
        (night, "no irradiation"),
    ]
    no_rating = [(unrated, "no rating: neither dc_capacity nor rated_capacity above zero")]
    rest: dict[str, list[tuple[npt.NDArray[np.bool_], str]]] = {
        "capacity_factor": [(none, start[1][1]), (s["ac_time"] <= 0, "no rated_capacity above zero")]
    }
    for name in _RATED:
        rest[name] = [*start, *no_rating]
    for name in _DC:
        rest[name] = [*start, *no_rating, (s["n_dc"] <= 0, missing["dc"])]
    for name in _TEMPERED:
        rest[name] = [
            *start,
            *no_rating,
            (s["n_t"] <= 0, missing["temperature"]),
            (np.ones_like(dark), missing["year"]),
        ]
    rest["specific_yield"] = [(none, start[1][1]), *no_rating]
    rest["energy"] = start[:2]
    rest["irradiation"] = start
    rest["energy_performance_index"] = [
        *start[:2],
        (s["n_exp"] <= 0, missing["expected"]),
        (s["exp"] <= 0, "no energy expected"),
    ]
    rest["system_efficiency"] = [*start, (s["a"] <= 0, "no module_area")]
    rest["array_efficiency"] = [*start, (s["n_dc"] <= 0, missing["dc"]), (s["a_dc"] <= 0, "no module_area")]
    rest |= {name: start[:1] for name in found if name.endswith("coverage")}
    said: dict[str, list[tuple[str, npt.NDArray[np.bool_]]]] = {}
    for name, causes in rest.items():
        left = ~np.isfinite(found[name])
        for where, text in causes:
            here = left & where
            if here.any():
                said.setdefault(text, []).append((name, here))
            left = left & ~where
        if left.any():
            said.setdefault("cannot be told", []).append((name, left))
    reason = np.full(dark.shape, "", dtype=object)
    for text, figures in said.items():
        listed = np.full(dark.shape, "", dtype=object)
        for name, here in figures:
            listed[here] += np.where(listed[here] == "", "", ", ") + name
        filled = listed != ""
        reason[filled] += np.where(reason[filled] == "", "", "; ") + listed[filled] + f": {text}"
    thin = (found["coverage"] < least) & (s["n"] > 0)
    caution = np.where(thin, f"less than {least:.0%} of the daylight has power and irradiance", "").astype(object)
    return reason, caution
