"""Capacity test of solar plants: what the plant can do at stated conditions, against what was promised.

``astm_e2848``
    Power regressed on irradiance E, temperature of the air T and wind speed v: P = E (a₁ + a₂ E + a₃ T + a₄ v) [1]_, and taken at reporting
    conditions: those given, or chosen from the data by [2]_, the irradiance that a share of the usable slots stays below, with the mean
    temperature and wind of the slots near it.
``iec_61724_2``
    Each slot's power brought to the target's irradiance by proportion and to its temperature by the modules' coefficient, and averaged [3]_.
``expected``
    The same with the expected power of each slot in the place of conditions: power over expected power, weighted by energy.

The target is a power [kW] at the reporting conditions; or it is told from ``expected_power`` in the same way as the measured
(regression against regression, as [1]_ is used in contracts). Neighbouring slots err alike, so the interval is told by days: a
cluster-robust sandwich for the regression, the scatter of the days' means for the ratios. The standard error that [1]_ has, of independent
slots, stands beside it.

References
----------
.. [1] ASTM E2848-13, Standard Test Method for Reporting Photovoltaic Non-Concentrator System Performance.
.. [2] ASTM E2939-13, Standard Practice for Determining Reporting Conditions and Expected Capacity for PV Non-Concentrator Systems.
.. [3] IEC TS 61724-2:2016, Photovoltaic system performance, part 2: Capacity evaluation method.
.. [4] A. C. Cameron, D. L. Miller, "A practitioner's guide to cluster-robust inference", J. Human Resources 50 (2015) 317.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.capacity_filters import Filters, usable_rows
from workbench.analytics.solar.checks import check_heat, check_irradiance, check_plant, check_power, kilowatts
from workbench.analytics.solar.rating import coefficient_of, coordinate, power_name, rating_of, zone_of
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Method = Literal["astm_e2848", "iec_61724_2", "expected"]

#: Fewest slots, and days for an interval.
_LEAST_ROWS, _LEAST_DAYS = 20, 3


@dataclass(frozen=True)
class Conditions:
    """Reporting conditions: irradiance in the plane [W/m²], temperature [degC] and wind speed [m/s].

    The temperature is that of the air for ASTM E2848, of the modules for IEC 61724-2.
    """

    irradiance: float | None = None
    temperature: float | None = None
    wind_speed: float | None = None


@dataclass(frozen=True)
class CapacityTest:
    """What :func:`capacity_test` finds.

    Attributes
    ----------
    results
        dims (asset): ``capacity`` [kW] at the conditions with ``_lower``, ``_upper`` (of its own interval); ``capacity_standard_error``
        [kW] of independent slots; ``target`` [kW]; ``capacity_ratio`` [1] with ``_lower``, ``_upper``; ``passed`` (1, 0, -1 where the
        interval holds the bound or there is no ratio) ; ``verdict`` in words; ``rows`` used, ``days``; ``condition_irradiance``, ``condition_temperature``,
        ``condition_wind_speed``; ``reason``, ``caution``.
    coefficients
        dims (asset, term): of the regression, in kW; only with ``astm_e2848``.
    filters
        A row for each filter, in order, a column for each asset: slots left after it.
    """

    results: xr.Dataset
    coefficients: xr.DataArray | None
    filters: pd.DataFrame


def capacity_test(
    data: xr.Dataset,
    *,
    method: Method = "astm_e2848",
    target: float | None = None,
    contracted: float = 0.95,
    conditions: Conditions | None = None,
    percentile: float = 60.0,
    within: float = 0.2,
    filters: Filters | None = None,
    temperature_coefficient: float | None = None,
    level: float = 0.95,
    instruments: float = 0.0,
    power: str = "",
    irradiance: str = "irradiance_poa",
    expected: str = "expected_power",
    timezone: str = "",
) -> CapacityTest:
    """Capacity of each inverter or plant, as a share of what was promised, with an interval.

    Parameters
    ----------
    data
        dims (time, asset): power [kW] AC, irradiance in the plane [W/m²], for ASTM temperature of the air [degC] and wind speed [m/s],
        for IEC temperature of the modules [degC]; each of the asset or (time). ``expected`` [kW] where there is no ``target``.
        Coordinate ``rated_capacity`` [kW] for the limit of the inverter.
    target
        Power promised at the conditions [kW], of each asset.
    contracted
        Least ratio by contract; passed where the whole interval is above it, failed where it is below.
    conditions
        What is not given is taken from the data: irradiance at ``percentile`` of the usable slots, temperature and wind speed the means
        of slots ``within`` this share of it. For IEC what is not given is 1000 W/m² and 25 degC.
    filters
        See :class:`.capacity_filters.Filters`.
    temperature_coefficient
        γ of the modules [1/K], IEC only; left out, of the coordinate ``module_temp_coeff_power`` [%/K].
    level
        Of the intervals.
    instruments
        Standard uncertainty of power over irradiance by the instruments, as a share; added to the interval.

    Returns
    -------
    CapacityTest
        An asset with fewer than 20 usable slots, or whose slots do not tell the coefficients, has a ``reason`` and no figure.

    Raises
    ------
    InputError
        A field is missing, neither target nor expected power is there, a parameter is none.
    """
    import pandas as pd

    conditions, filters = conditions or Conditions(), filters or Filters()
    _check(method, target, contracted, percentile, within, level, instruments)
    check_plant(data)
    name = power_name(data, power)
    needs = {"irradiance": irradiance}
    if method == "astm_e2848":
        needs |= {
            "temperature": _first(data, ("ambient_temperature", "temperature"), "of the air"),
            "wind": "wind_speed",
        }
    elif method == "iec_61724_2":
        needs |= {
            "temperature": _first(
                data, ("module_temperature", "cell_temperature", "panel_temperature"), "of the modules"
            )
        }
    if target is None and expected not in data:
        raise InputError(
            "neither a target nor expected power", where="target", found=", ".join(map(str, data.data_vars)),
            expected=f"target [kW] at the conditions, or {expected} (time, asset) [kW]",
        )  # fmt: skip
    if method == "expected" and expected not in data:
        raise InputError("no expected power", where="expected", found=expected, expected="a field [kW]")
    if expected in data and (target is None or method == "expected"):
        needs["expected"] = expected
    fields = {"power": variable_of(data, name)} | {key: variable_of(data, field) for key, field in needs.items()}
    check_power(data, name, coordinate(data, "rated_capacity"))
    check_irradiance(data, irradiance)
    if "temperature" in needs:
        check_heat(data, needs["temperature"])
    if "expected" in fields:
        fields["expected"] = kilowatts(fields["expected"])
        check_power(data, expected, rating_of(data))
    hours = float(slot_length(data) / np.timedelta64(3_600_000_000_000, "ns"))
    said: list[str] = []
    zone = zone_of(data, timezone, said)
    gamma = coefficient_of(data, temperature_coefficient, said if method == "iec_61724_2" else [])
    rows = usable_rows(data, fields, name, filters, hours, zone)
    chosen: list[dict[str, float | str]] = []
    coefficients = np.full((data.sizes["asset"], 4), np.nan)
    for column in range(data.sizes["asset"]):
        one = rows.of(column)
        found, terms = _one(one, method, target, conditions, percentile, within, float(gamma[column]), level)
        if terms is not None:
            coefficients[column] = terms
        chosen.append(_judge(found, contracted, level, instruments) | {"rows": len(one["power"])})
    results = _results(chosen, data, level, "; ".join(said))
    table = pd.DataFrame(
        rows.counts, columns=list(map(str, data["asset"].values)), index=pd.Index(rows.names, name="filter")
    )
    terms_of = (
        xr.DataArray(
            coefficients, dims=("asset", "term"),
            coords={"asset": data["asset"].values, "term": ["E", "E2", "E_T", "E_v"]},
            attrs={"long_name": "coefficients of P/E [kW/(W/m2)] in 1, E [W/m2], T [degC], v [m/s]"},
        )
        if method == "astm_e2848"
        else None
    )  # fmt: skip
    return CapacityTest(results, terms_of, table)


def _check(
    method: str,
    target: float | None,
    contracted: float,
    percentile: float,
    within: float,
    level: float,
    instruments: float,
) -> None:
    if method not in ("astm_e2848", "iec_61724_2", "expected"):
        raise InputError("no such method", where="method", found=method, expected="astm_e2848, iec_61724_2, expected")
    if target is not None and not target > 0:
        raise InputError("no target", where="target", found=target, expected="a power above zero [kW]")
    for name, value, low, high in (
        ("contracted", contracted, 0.0, 2.0), ("percentile", percentile, 0.0, 100.0), ("within", within, 0.0, 1.0),
        ("level", level, 0.0, 1.0),
    ):  # fmt: skip
        if not low < value < high:
            raise InputError("out of range", where=name, found=value, expected=f"between {low:g} and {high:g}")
    if instruments < 0:
        raise InputError("negative uncertainty", where="instruments", found=instruments, expected="0 or more")


def _first(data: xr.Dataset, names: tuple[str, ...], what: str) -> str:
    for name in names:
        if name in data:
            return name
    raise InputError(
        f"no temperature {what}",
        where="temperature",
        found=", ".join(map(str, data.data_vars)),
        expected=", ".join(names),
    )


def _one(
    rows: dict[str, Floats],
    method: Method,
    target: float | None,
    given: Conditions,
    percentile: float,
    within: float,
    gamma: float,
    level: float,
) -> tuple[dict[str, float | str], Floats | None]:
    """One asset's result, and the coefficients of its regression."""
    count, days = len(rows["power"]), len(np.unique(rows["day"]))
    if count < _LEAST_ROWS:
        return {"reason": f"{count} usable slots, {_LEAST_ROWS} are needed", "days": days}, None
    if method == "astm_e2848":
        return _astm(rows, target, given, percentile, within, level)
    if method == "expected":
        ratio = rows["power"] / rows["expected"]
        found = _mean_ratio(rows["power"], rows["expected"], rows["day"], level)
        scale = float(rows["expected"].mean()) if target is None else target
        found |= {
            "capacity": float(found["ratio"]) * scale,
            "target": scale,
            "days": days,
            "scatter": float(np.std(ratio)),
        }
        return found | _bands(found, scale), None
    sun = 1000.0 if given.irradiance is None else given.irradiance
    heat = 25.0 if given.temperature is None else given.temperature

    def at_target(made: Floats) -> Floats:
        # gamma is told at 25 degC: both temperatures count from there
        here, there = (1 + gamma * (value - 25.0) for value in (rows["temperature"], heat))
        moved: Floats = made * sun / rows["irradiance"] * there / here
        return moved

    power = at_target(rows["power"])
    scale = target if target is not None else float(at_target(rows["expected"]).mean())
    wanted = np.full(count, scale) if target is not None else at_target(rows["expected"])
    found = _mean_ratio(power, wanted, rows["day"], level)
    found |= {
        "capacity": float(power.mean()), "target": scale, "days": days, "condition_irradiance": sun,
        "condition_temperature": heat, "standard_error": float(power.std(ddof=1) / np.sqrt(count)),
    }  # fmt: skip
    return found | _bands(found, scale), None


def _bands(found: dict[str, float | str], scale: float) -> dict[str, float | str]:
    return {"capacity_lower": float(found["lower"]) * scale, "capacity_upper": float(found["upper"]) * scale}


def _mean_ratio(made: Floats, wanted: Floats, day: Floats, level: float) -> dict[str, float | str]:
    """Sum over sum, with an interval from the scatter of the days (ratio estimator)."""
    from scipy import stats

    _, number = np.unique(day, return_inverse=True)
    tops, bottoms = np.bincount(number, made), np.bincount(number, wanted)
    ratio, n = float(tops.sum() / bottoms.sum()), len(tops)
    if n < _LEAST_DAYS:
        return {"ratio": ratio, "lower": np.nan, "upper": np.nan, "caution": f"{n} days tell no interval"}
    left = tops - ratio * bottoms
    error = float(np.sqrt(n / (n - 1) * (left**2).sum()) / bottoms.sum())
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * error
    return {"ratio": ratio, "lower": ratio - half, "upper": ratio + half, "error": error}


def _design(sun: Floats, air: Floats, wind: Floats) -> Floats:
    return np.stack([sun, sun * sun, sun * air, sun * wind], axis=1)


def _fit(design: Floats, power: Floats, number: npt.NDArray[np.intp], point: Floats) -> tuple[Floats, float, float]:
    """Coefficients, standard error of the value at ``point`` for independent slots, and for days that err alike."""
    inverse = np.linalg.inv(design.T @ design)
    terms: Floats = np.linalg.lstsq(design, power, rcond=None)[0].astype(np.float64)
    left = power - design @ terms
    n, k, days = len(power), design.shape[1], int(number.max()) + 1
    independent = float(np.sqrt(left @ left / (n - k) * (point @ inverse @ point)))
    scores = np.stack([np.bincount(number, design[:, j] * left, minlength=days) for j in range(k)], axis=1)
    factor = days / max(days - 1, 1) * (n - 1) / (n - k)
    robust = float(np.sqrt(max(factor * (point @ inverse @ (scores.T @ scores) @ inverse @ point), 0.0)))
    return terms, independent, robust


def _astm(
    rows: dict[str, Floats], target: float | None, given: Conditions, percentile: float, within: float, level: float
) -> tuple[dict[str, float | str], Floats | None]:
    from scipy import stats

    sun, air, wind, power = rows["irradiance"], rows["temperature"], rows["wind"], rows["power"]
    at = float(np.percentile(sun, percentile)) if given.irradiance is None else given.irradiance
    near = np.abs(sun / at - 1) <= within
    if not near.any():
        return {"reason": f"no usable slot near {at:.0f} W/m2, the reporting irradiance"}, None
    heat = float(air[near].mean()) if given.temperature is None else given.temperature
    breeze = float(wind[near].mean()) if given.wind_speed is None else given.wind_speed
    design = _design(sun, air, wind)
    scaled = design / np.linalg.norm(design, axis=0).clip(1e-12)
    _, number = np.unique(rows["day"], return_inverse=True)
    days = int(number.max()) + 1
    base: dict[str, float | str] = {
        "condition_irradiance": at, "condition_temperature": heat, "condition_wind_speed": breeze, "days": days,
    }  # fmt: skip
    if np.linalg.cond(scaled) > 1e6:
        return base | {
            "reason": "irradiance, temperature and wind speed vary too little to tell their coefficients"
        }, None
    point = _design(np.array([at]), np.array([heat]), np.array([breeze]))[0]
    terms, independent, robust = _fit(design, power, number, point)
    capacity = float(point @ terms)
    notes = []
    if not 0.05 < (sun > at).mean() < 0.95 or at > sun.max():
        notes.append("reporting irradiance at the edge of what was measured")
    goal, error = target, robust
    if goal is None:
        # the regressions share their slots and their weather: their difference is what scatters
        wanted, _, _ = _fit(design, rows["expected"], number, point)
        goal = float(point @ wanted)
        ratio = capacity / goal
        _, _, error = _fit(design, power - ratio * rows["expected"], number, point)
    if days < _LEAST_DAYS:
        half = own = np.nan
        notes.append(f"{days} days tell no interval")
    else:
        quantile = float(stats.t.ppf(0.5 + level / 2, days - 1))
        half, own = quantile * error / goal, quantile * robust
    ratio = capacity / goal
    return base | {
        "capacity": capacity, "capacity_lower": capacity - own, "capacity_upper": capacity + own, "standard_error": independent,
        "target": goal, "ratio": ratio, "lower": ratio - half, "upper": ratio + half, "caution": "; ".join(notes),
    }, terms  # fmt: skip


def _judge(
    found: dict[str, float | str], contracted: float, level: float, instruments: float
) -> dict[str, float | str]:
    from scipy import stats

    if "ratio" not in found:
        return found | {"passed": -1, "verdict": f"not told: {found['reason']}"}
    ratio, lower, upper = (float(found[key]) for key in ("ratio", "lower", "upper"))
    if instruments and np.isfinite(lower):
        own = float(stats.norm.ppf(0.5 + level / 2)) * instruments * ratio
        half = float(np.hypot(upper - ratio, own))
        lower, upper = ratio - half, ratio + half
    passed = -1
    if np.isfinite(lower):
        passed = 1 if lower >= contracted else 0 if upper < contracted else -1
    words = {1: "passed", 0: "failed", -1: "open: the interval holds the bound"}
    verdict = words[passed] if np.isfinite(lower) else "open: no interval"
    side = "above" if ratio >= contracted else "below"
    return found | {
        "lower": lower, "upper": upper, "passed": passed, "verdict": f"{verdict}; {ratio:.4f} is {side} {contracted:g}",
    }  # fmt: skip


_FIELDS = {
    "capacity": ("capacity", "kW", "power at the reporting conditions"),
    "capacity_lower": ("capacity_lower", "kW", "lower bound of it"),
    "capacity_upper": ("capacity_upper", "kW", "upper bound of it"),
    "capacity_standard_error": ("standard_error", "kW", "its standard error, were slots independent"),
    "target": ("target", "kW", "power promised at the reporting conditions"),
    "capacity_ratio": ("ratio", "1", "capacity over target"),
    "capacity_ratio_lower": ("lower", "1", "lower bound of it"),
    "capacity_ratio_upper": ("upper", "1", "upper bound of it"),
    "passed": ("passed", "1", "1 passed, 0 failed, -1 open"),
    "rows": ("rows", "1", "slots used"),
    "days": ("days", "1", "days used"),
    "condition_irradiance": ("condition_irradiance", "W/m2", "reporting irradiance"),
    "condition_temperature": ("condition_temperature", "degC", "reporting temperature"),
    "condition_wind_speed": ("condition_wind_speed", "m/s", "reporting wind speed"),
}


def _results(chosen: list[dict[str, float | str]], data: xr.Dataset, level: float, said: str) -> xr.Dataset:
    variables: dict[str, tuple[str, npt.NDArray[np.generic], dict[str, str]]] = {
        name: ("asset", np.array([float(one.get(key, np.nan)) for one in chosen]), {"units": units, "long_name": title})
        for name, (key, units, title) in _FIELDS.items()
    }
    for name in ("verdict", "reason", "caution"):
        texts = [str(one.get(name, "")) for one in chosen]
        if name == "caution" and said:
            texts = ["; ".join(part for part in (text, said) if part) for text in texts]
        variables[name] = ("asset", np.array(texts, dtype=object), {"long_name": name})
    return xr.Dataset(variables, coords={"asset": data["asset"].values}, attrs={"level": level})
