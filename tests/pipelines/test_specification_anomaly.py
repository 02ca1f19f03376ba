"""Anomalies and alerts of the specification: machines in a hall, and a turbine beside its power curve."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.catalog import open_catalog
from workbench.model.jsonfile import without_comments
from workbench.pipelines import check_spec, load_pipeline, run
from workbench.pipelines.spec import Pipeline
from workbench.steps import remarks

TURBINE = "R80790"


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


def samples(specs):
    return json.loads(without_comments(next(specs.glob("24-*.json")).read_text()))


def test_25_on_two_records_knows_nothing_and_alerts_nobody(specs):
    pipeline = load_pipeline(next(specs.glob("25-*.json")))
    frame = pl.from_dicts(samples(specs), infer_schema_length=None).lazy()
    first = run(Pipeline("first", pipeline.steps[:1]), frame).collect()
    assert first["temperature_anomaly_score"].to_list() == [None, None]
    assert first["temperature_anomaly"].to_list() == [None, None]
    with remarks() as told:
        rows = run(pipeline, frame).collect().to_dicts()
    assert len(rows) == 1
    assert {name: rows[0][name] for name in rows[0] if name != "window_start"} == {
        "machine_id": "MCH-5001",
        "temperature_avg": 75.2,
        "temperature_max": 75.2,
        "vibration_level_avg": 2.8,
        "alerts": [],
    }
    assert told == [
        "conditional_alert: temperature is read as temperature_avg",
        "conditional_alert: vibration_level is read as vibration_level_avg",
    ]
    # The sensors of one kind alone: the other field is in no record, and nothing alerts.
    with remarks() as told:
        rows = run(pipeline, pl.from_dicts(samples(specs)[:1]).lazy()).collect()
    assert rows["alerts"].to_list() == [[]]
    assert "conditional_alert: no field 'vibration_level' in the data; it is unknown" in told


def stream(specs):
    """Nine days, a record every five minutes from each sensor of three machines, in the form of the sample.

    On the ninth day the first is hot and shakes for three hours, the second is hot only, the third shakes only.
    """
    temperature, vibration = samples(specs)
    rng = np.random.default_rng(25)
    times = np.datetime64("2025-01-15T00:00:00") + np.arange(9 * 288) * np.timedelta64(5, "m")
    hours = (times - times[0]) / np.timedelta64(1, "h")
    wrong = (hours >= 8 * 24 + 10) & (hours < 8 * 24 + 13)
    rows = []
    for number, (hot, shaking) in enumerate([(True, True), (True, False), (False, True)]):
        machine = {"machine_id": f"MCH-500{number + 1}"}
        degrees = rng.normal(75.2, 1.0, len(times)) + 12 * (wrong & hot)
        level = rng.normal(2.2, 0.1, len(times)) + 2 * (wrong & shaking)
        for time, one, other in zip(times, degrees, level, strict=True):
            stamp = machine | {"timestamp": f"{time}Z"}
            rows.append({**temperature, **stamp, "sensor_id": f"TEMP-{number}", "temperature": float(one)})
            rows.append({**vibration, **stamp, "sensor_id": f"VIBRATION-{number}", "vibration_level": float(other)})
    order = rng.permutation(len(rows))
    return pl.from_dicts([rows[at] for at in order], infer_schema_length=None).lazy(), wrong


def test_25_alerts_in_the_hours_in_which_a_machine_is_hot_and_shakes(specs):
    pipeline = load_pipeline(next(specs.glob("25-*.json")))
    frame, _ = stream(specs)
    rows = run(pipeline, frame).collect()
    assert rows.height == 3 * 9 * 24
    fired = rows.filter(pl.col("alerts").list.len() > 0).sort("window_start")
    assert fired["machine_id"].unique().to_list() == ["MCH-5001"]
    assert [str(each) for each in fired["window_start"]] == [f"2025-01-23 {hour}:00:00" for hour in (10, 11, 12)]
    assert fired["alerts"].to_list() == 3 * [
        [
            {
                "alert_type": "maintenance_required",
                "severity": "high",
                "message": "temperature > 80 AND vibration_level > 3",
            }
        ]
    ]


def test_25_scores_each_sensor_beside_its_own_week(specs):
    pipeline = load_pipeline(next(specs.glob("25-*.json")))
    frame, wrong = stream(specs)
    scored = run(Pipeline("first", pipeline.steps[:1]), frame).collect()
    assert scored.filter(pl.col("temperature").is_null())["temperature_anomaly_score"].null_count() == 3 * 9 * 288
    for sensor, hot in (("TEMP-0", True), ("TEMP-1", True), ("TEMP-2", False)):
        own = scored.filter(pl.col("sensor_id") == sensor).sort("timestamp")
        flags, score = own["temperature_anomaly"], own["temperature_anomaly_score"]
        assert flags.null_count() == 10
        assert (score.filter(pl.Series(wrong))[0] > 8) is hot
        # Of Gaussian noise one value in 22 is further than two standard deviations from its mean.
        calm = flags.filter(pl.Series(~wrong)).drop_nulls()
        assert 0.03 < calm.mean() < 0.06


@pytest.fixture(scope="module")
def turbine(checkout, test_data, require):
    """A month of a real turbine, with stops, beside the median of its own power in bins of 0.5 m/s."""
    require((test_data / "wind" / "la_haute_borne.zip").is_file(), "la_haute_borne.zip is not among the test data")
    entry = open_catalog(checkout / "catalogs")["la_haute_borne.scada"]
    data = entry.read(
        time=slice("2015-01-28", "2015-03-01"), assets=[TURBINE], variables=["wind_speed", "power_output"]
    ).load()
    wind, power = data["wind_speed"], data["power_output"].astype(float)
    bins = np.floor(wind / 0.5 + 0.5)
    expected = power.where(power > 0).groupby(bins.rename("bin")).map(lambda part: xr.full_like(part, part.median()))
    deviation = ((power - expected) / expected * 100).where((wind > 4) & (expected > 50))
    # No state was recorded: well above cut-in, a turbine that gives nothing stands still.
    state = xr.where((wind > data["cut_in_wind_speed"] + 1.5) & (power <= 0), "forced_outage", "generating")
    state = state.where(wind.notnull() & power.notnull(), "unknown").transpose("time", "asset")
    return data.assign(power_deviation_percentage=deviation.transpose("time", "asset"), availability_status=state)


def test_04_without_its_first_step_on_a_real_turbine(specs, turbine, tmp_path):
    path = next(specs.glob("04-*.json"))
    steps = json.loads(path.read_text())["transformations"][1:]
    checked = check_spec(path)
    assert checked.errors == []
    assert {error.found for error in checked.missing} <= {"power_curve_comparison"}
    file = tmp_path / "rest.json"
    file.write_text(json.dumps({"transformation_id": "rest", "transformations": steps}))
    found = run(load_pipeline(file), turbine)
    score, flag = found["performance_anomaly_score"], found["power_deviation_percentage_anomaly"]
    known = score.notnull()
    assert int(known.sum()) == 3_084
    # Where a score is not known: no deviation, or before the first midnight with fifty of them.
    first = int(np.flatnonzero(known.values.ravel())[0])
    assert first == 144
    assert bool((known == turbine["power_deviation_percentage"].notnull())[first:].all())
    assert float(score.min()) >= 0.0
    assert float(score.max()) <= 1.0
    # A share of the baseline: of ordinary operation a fifth is above 0.8 and a twentieth is flagged. The turbine ran
    # badly for part of this February, so it is more; how many depends a little on the forest.
    assert float((score > 0.8).sum() / known.sum()) == pytest.approx(0.27, abs=0.03)
    assert float(flag.mean()) == pytest.approx(0.10, abs=0.02)
    assert bool((flag == (score > 0.95)).where(known, True).all())
    far = abs(turbine["power_deviation_percentage"]) > 30
    assert float(score.where(far & known).mean()) > 0.85
    assert float(score.where(~far & known).mean()) < 0.6
    classes = Counter(found["turbine_health_status"].values.ravel().tolist())
    assert set(classes) == {"normal", "requires_investigation", "reliability_concern"}
    assert sum(classes.values()) == 32 * 144
    assert classes["normal"] == pytest.approx(4_204, abs=30)
    assert classes["requires_investigation"] == pytest.approx(291, abs=30)
    assert classes["reliability_concern"] == pytest.approx(113, abs=30)
    # What calls for somebody: an hour that is out of the ordinary, on a day on which the turbine stood still.
    wanted = (score > 0.8) & (found["availability"] < 0.95)
    assert int(wanted.sum()) == classes["requires_investigation"]
