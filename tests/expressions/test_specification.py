"""Every condition, formula and limit of the specification compiles as it stands, and gives the right answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.expressions import ExpressionError, compile_expression
from workbench.model.jsonfile import load_plain

#: Keys under which a text may be an expression, wherever they stand.
KEYS = re.compile(
    r"(?:.*_)?(?:condition|formula|calculation|expression|trigger|threshold|objective|constraint|limit|rule|filter|logic"
    r"|min|max|delta|tolerance|price|quantity|offer)s?"
)
#: What makes a text look like an expression, whatever its key.
SIGNS = re.compile(r"[<>=*^()]|&&|\|\||\s[-+/%]\s|\b(?:AND|OR|NOT|IF|FOR|IN|DEFAULT)\b")

NOW = int(np.datetime64("2025-01-31T12:00", "ns").astype(np.int64))
U = None
#: Each expression of the specification, the kinds and units of its fields, rows of them and what it gives there.
EXPRESSIONS: dict[str, tuple[dict[str, str], list[tuple[list[Any], Any]]]] = {
    "rated_capacity * 1.05": ({"rated_capacity": "kW"}, [([2000.0], 2100.0)]),
    "performance_anomaly_score > 0.8 AND availability < 0.95": (
        {"performance_anomaly_score": "1", "availability": "1"},
        [([0.9, 0.9], True), ([0.9, 0.95], False), ([0.8, 0.9], False), ([0.9, math.nan], U), ([0.1, math.nan], False)],
    ),
    "power_deviation_percentage < -5 FOR P3D": (
        {"power_deviation_percentage": "%"},  # a row is a day
        [([-6.0], U), ([-6.0], U), ([-6.0], U), ([-6.0], True), ([-5.0], False), ([-7.0], False)],
    ),
    "availability < 0.90": ({"availability": "1"}, [([0.89], True), ([0.9], False)]),
    "DEFAULT": ({}, [([], True)]),
    "gearbox_bearing_temp_de - gearbox_bearing_temp_nde": (
        {"gearbox_bearing_temp_de": "degC", "gearbox_bearing_temp_nde": "degC"},
        [([70.0, 64.5], 5.5), ([70.0, math.nan], U)],
    ),
    "(gearbox_oil_temp - gearbox_oil_temp_mean_24h) / gearbox_oil_temp_stddev_24h": (
        {"gearbox_oil_temp": "degC", "gearbox_oil_temp_mean_24h": "degC", "gearbox_oil_temp_stddev_24h": "K"},
        [([66.0, 60.0, 3.0], 2.0), ([60.0, 60.0, 0.0], U)],
    ),
    "SQRT(vibration_rms_1h^2 + vibration_peak_to_peak_1h^2)": (
        {"vibration_rms_1h": "mm/s", "vibration_peak_to_peak_1h": "mm/s"},
        [([3.0, 4.0], 5.0)],
    ),
    "1 - temperature_coefficient * (module_temp - 25)": (
        {"temperature_coefficient": "1/K", "module_temp": "degC"},
        [([0.004, 45.0], 0.92), ([0.004, 25.0], 1.0)],
    ),
    "lmp_forecast * (1 - profit_margin)": ({"lmp_forecast": "USD/MWh", "profit_margin": "1"}, [([50.0, 0.1], 45.0)]),
    "optimal_dispatch_schedule": ({"optimal_dispatch_schedule": "MW"}, [([12.0], 12.0)]),
    "actual_generation - day_ahead_schedule": (
        {"actual_generation": "kW", "day_ahead_schedule": "MW"},
        [([5500.0, 5.0], 500.0), ([4000.0, 5.0], -1000.0)],
    ),
    "lmp_forecast_real_time": ({"lmp_forecast_real_time": "USD/MWh"}, [([31.0], 31.0)]),
    "battery_available_capacity + wind_headroom": (
        {"battery_available_capacity": "MW", "wind_headroom": "kW"},
        [([10.0, 2500.0], 12.5)],
    ),
    "regulation_market_forecast": ({"regulation_market_forecast": "USD/MWh"}, [([8.5], 8.5)]),
    "gearbox_failure_probability > 0.7": ({"gearbox_failure_probability": "1"}, [([0.71], True), ([0.7], False)]),
    "blade_damage_probability > 0.6 AND weather_window_available": (
        {"blade_damage_probability": "1", "weather_window_available": "truth"},
        [([0.7, True], True), ([0.7, False], False), ([0.6, True], False)],
    ),
    "ABS(grid_frequency - 60) > 0.2": ({"grid_frequency": "Hz"}, [([60.21], True), ([59.75], True), ([60.1], False)]),
    "ANY(gearbox_failure_probability, generator_failure_probability, blade_damage_probability) > 0.8": (
        dict.fromkeys(
            ("gearbox_failure_probability", "generator_failure_probability", "blade_damage_probability"), "1"
        ),
        [([0.1, 0.9, 0.2], True), ([0.1, 0.2, 0.3], False), ([math.nan, 0.9, 0.1], True), ([math.nan, 0.1, 0.1], U)],
    ),
    "power_deviation_percentage < -10 FOR PT6H": (
        {"power_deviation_percentage": "%"},
        [([-5.0], False), ([-11.0], False), ([-11.0], True)],
    ),
    "daily_revenue < daily_revenue_budget * 0.85": (
        {"daily_revenue": "USD", "daily_revenue_budget": "USD"},
        [([80.0, 100.0], True), ([85.0, 100.0], False)],
    ),
    "grid_operator.curtailment_signal == true": (
        {"grid_operator.curtailment_signal": "truth"},
        [([True], True), ([False], False)],
    ),
    "weather_forecast.severe_weather_alert == true": (
        {"weather_forecast.severe_weather_alert": "truth"},
        [([True], True), ([False], False)],
    ),
    "total_mwh * regional_grid_emission_factor": (
        {"total_mwh": "MWh", "regional_grid_emission_factor": "kg/MWh"},
        [([100.0, 400.0], 40_000.0)],
    ),
    "total_mwh * thermal_plant_water_intensity": (
        {"total_mwh": "MWh", "thermal_plant_water_intensity": "m3/MWh"},
        [([100.0, 1.5], 150.0)],
    ),
    "IF(first_contact_date = today(), 'new', IF(has_purchased, 'retained', 'engaged'))": (
        {"first_contact_date": "text", "has_purchased": "truth"},
        [
            (["2025-01-31", True], "new"),
            (["2025-01-31T09:15:00Z", False], "new"),
            (["2025-02-01T01:00:00+02:00", False], "new"),  # the evening before, in UTC
            (["2025-01-30", True], "retained"),
            (["2025-01-30", False], "engaged"),
            (["soon", False], U),
            ([None, True], U),
        ],
    ),
    "historical_value + predicted_value": (
        {"historical_value": "USD", "predicted_value": "USD"},
        [([1250.0, 4500.0], 5750.0)],
    ),
}
#: What stands under such a key, or looks so, and is none.
NAMES_OF_CHECKS = "the name of a check that is built in"
NAMES_OF_AIMS = "the name of an aim: what is best over a horizon is for an optimiser, not for one row"
NAMES_OF_LIMITS = "the name of a family of constraints over a horizon"
NAMES_OF_EVENTS = "the name of an event; as a field it would read as a truth"
PROSE = "words for people: a share of what, and since when, is not said"
SHARE = "words for people, too: it would read as a remainder (10 % x), and means a change by a tenth"
VALUES = "a value of sample data"
NONE = {
    **dict.fromkeys(("range_check", "rate_of_change", "physical_limit"), NAMES_OF_CHECKS),
    **dict.fromkeys(
        ("verify_metering_accuracy", "cross_check_grid_operator_data", "validate_curtailment_exclusions"),
        NAMES_OF_CHECKS,
    ),
    **dict.fromkeys(("minimize_losses", "maximize_revenue", "minimize_total_cost"), NAMES_OF_AIMS),
    **dict.fromkeys(
        (
            *("energy_forecast_uncertainty", "battery_soc_limits", "grid_interconnection_limits"),
            *("contract_obligations", "ramp_rate_limits", "crew_availability", "weather_windows"),
            *("spare_parts_inventory", "turbine_warranty_requirements", "grid_operator_requirements"),
        ),
        NAMES_OF_LIMITS,
    ),
    **dict.fromkeys(
        (
            *("performance_anomaly_detected", "availability_below_threshold", "repeated_fault_codes"),
            *("weather_forecast_change", "failure_probability_spike", "grid_curtailment_notice"),
            *("crew_availability_change", "failure_probability_threshold_exceeded"),
        ),
        NAMES_OF_EVENTS,
    ),
    "10% schedule_change": SHARE,
    "5% below expected": PROSE,
    **dict.fromkeys(("29.99", "19.99"), VALUES),
    "^[A-Z0-9]{9}$": "a regular expression",
}

#: The specification's objects. They run without its files.
OBJECTS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "within a range of dates": (
        {
            "field": "transaction_date",
            "operator": "within_date_range",
            "parameters": {"start_date": "2025-01-01", "end_date": "2025-01-31"},
        },
        [
            {"transaction_date": np.datetime64("2024-12-31T23:59:59", "ns"), "is": False},
            {"transaction_date": np.datetime64("2025-01-01", "ns"), "is": True},
            {"transaction_date": np.datetime64("2025-01-31T23:59:59", "ns"), "is": True},
            {"transaction_date": np.datetime64("2025-02-01", "ns"), "is": False},
            {"transaction_date": np.datetime64("NaT", "ns"), "is": None},
        ],
    ),
    "one of several texts": (
        {"field": "access_level", "operator": "in", "values": ["clinical_staff", "admin"]},
        [
            {"access_level": "admin", "is": True},
            {"access_level": "billing", "is": False},
            {"access_level": None, "is": None},
        ],
    ),
    "two at once": (
        {
            "and": [
                {"field": "temperature", "operator": ">", "value": 80},
                {"field": "vibration_level", "operator": ">", "value": 3.0},
            ]
        },
        [
            {"temperature": 81.0, "vibration_level": 3.5, "is": True},
            {"temperature": 81.0, "vibration_level": 3.0, "is": False},
            {"temperature": 79.0, "vibration_level": None, "is": False},
            {"temperature": 81.0, "vibration_level": None, "is": None},
        ],
    ),
}


def candidates(content: Any, key: str = "") -> Iterator[Any]:
    """What may be an expression, anywhere in a specification: by its key, or by how it looks."""
    if isinstance(content, dict):
        if {"field", "operator"} <= set(content) or (content and set(content) <= {"and", "or", "not"}):
            yield content
            return
        for inner, value in content.items():
            yield from candidates(value, inner)
    elif isinstance(content, list):
        for value in content:
            yield from candidates(value, key)
    elif isinstance(content, str) and (KEYS.fullmatch(key) or SIGNS.search(content)):
        yield content


def test_every_text_of_the_specification_is_known_to_be_an_expression_or_none(test_data, require):
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    files = sorted(folder.glob("*.json"))
    found = [each for path in files for each in candidates(load_plain(path).data)]
    texts = {each for each in found if isinstance(each, str)}
    assert len(files) == 34
    assert texts == set(EXPRESSIONS) | set(NONE)
    objects = [each for each in found if isinstance(each, dict)]
    assert objects == [given for given, _ in OBJECTS.values()]
    for each in (*EXPRESSIONS, *objects):
        expression = compile_expression(each)
        assert compile_expression(str(expression)) == expression, each
        assert expression.names or each == "DEFAULT", each


@pytest.mark.parametrize("text", [text for text, reason in NONE.items() if reason == PROSE])
def test_words_for_people_are_refused(text):
    with pytest.raises(ExpressionError):
        compile_expression(text)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_each_gives_the_right_answer_on_all_three(text):
    kinds, rows = EXPRESSIONS[text]
    expression = compile_expression(text, kinds)
    assert set(expression.names) == set(kinds)
    step = np.timedelta64(1, "D") if "P3D" in text else np.timedelta64(6, "h")
    times = np.datetime64("2025-01-01", "ns") + np.arange(len(rows)) * step
    columns = {name: [values[at] for values, _ in rows] for at, name in enumerate(kinds)}
    expected = [is_ for _, is_ in rows]
    of: dict[str, Any] = {"text": object, "truth": bool}
    data = xr.Dataset(
        {name: ("time", np.array(values, dtype=of.get(kinds[name], float))) for name, values in columns.items()},
        coords={"time": times},
    )
    for name, kind in kinds.items():
        data[name].attrs |= {} if kind in of else {"units": kind}
    arrays = np.broadcast_to(expression.evaluate(data, now=NOW).values, len(rows)).tolist()
    frame = pl.DataFrame({**columns, "time": times}, strict=False)
    records = frame.select(pl.col("time"), r=expression.polars(frame.schema, now=NOW))["r"].to_list()
    live = expression.sampled(kinds, gap=10**18)
    clock = times.astype(np.int64) if "FOR" in text else [NOW] * len(rows)
    samples = [
        live(dict(zip(kinds, values, strict=True)), int(now)) for (values, _), now in zip(rows, clock, strict=True)
    ]
    for found in (arrays, records, samples):
        plain = [None if each is None or each != each else each for each in found]
        assert plain == [each if not isinstance(each, float) else pytest.approx(each) for each in expected]


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_give_what_they_say_on_all_three(case):
    given, rows = OBJECTS[case]
    expression = compile_expression(json.loads(json.dumps(given)))
    expected = [row["is"] for row in rows]
    kinds = {
        name: "time" if isinstance(value, np.datetime64) else "text" if isinstance(value, str) else "number"
        for name, value in rows[0].items()
        if name != "is"
    }
    columns = {name: [row[name] for row in rows] for name in kinds}
    of = {"time": "datetime64[ns]", "text": object, "number": float}
    data = xr.Dataset({name: ("row", np.array(values, dtype=of[kinds[name]])) for name, values in columns.items()})
    assert [None if each != each else bool(each) for each in expression.evaluate(data).values] == expected
    frame = pl.from_pandas(data.to_dataframe())
    assert frame.select(expression.polars(frame.schema)).to_series().to_list() == expected
    live = expression.sampled(kinds, gap=0)
    assert [live(row, 0) for row in rows] == expected
