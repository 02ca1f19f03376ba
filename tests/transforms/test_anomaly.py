from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from scipy import stats

from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags
from workbench.steps import get_step, remarks
from workbench.transforms.anomaly import anomaly_detection
from workbench.transforms.anomaly_models import MULTIVARIATE

ALGORITHMS = ("z_score", "robust_z", "ewma", "isolation_forest", "hotelling_t2")
DAY = 86_400 * 10**9
PERIOD = "P2D"


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def gappy(rows=400, columns=2, seed=1):
    """Times with gaps of minutes to days, values with NaN and infinities, columns of different scale."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([60, 600, 3_600, 7_200], rows) + np.where(rng.random(rows) < 0.01, 4 * 86_400, 0)
    times = np.datetime64("2025-03-01", "ns") + np.cumsum(steps).astype("timedelta64[s]")
    values = rng.normal(0, 1, (rows, columns)) * np.arange(1, columns + 1) + 50
    values[rng.random(values.shape) < 0.1] = np.nan
    values[5], values[9] = np.inf, -np.inf
    return dataset(times, temperature=values, load=values[:, ::-1] * 3 + rng.normal(0, 1, values.shape))


def dataset(times, **fields):
    columns = next(iter(fields.values())).shape[1]
    return xr.Dataset(
        {name: (("time", "asset"), values, {"units": "degC"}) for name, values in fields.items()},
        coords={"time": times, "asset": [f"A{n}" for n in range(columns)]},
    )


def regular(values, freq="10min", name="temperature"):
    values = np.asarray(values, dtype=float)
    values = values if values.ndim == 2 else values[:, None]
    return dataset(pd.date_range("2025-01-01", periods=len(values), freq=freq).as_unit("ns"), **{name: values})


def scored(data, algorithm="z_score", field="temperature", **parameters):
    if algorithm == "hotelling_t2":
        parameters.setdefault("fields", ["load"])
    given = {"field_name": field, "algorithm": algorithm, "baseline_period": PERIOD} | parameters
    return anomaly_detection(data, **given, output_field="score", flag_field="flag")


def slow(times, x, how, least=10):
    """By the definition, value by value."""
    out = np.full(len(x), np.nan)
    for row in range(len(x)):
        past = x[(times >= times[row] - np.timedelta64(2, "D")) & (times < times[row])]
        past = past[np.isfinite(past)]
        if np.isfinite(x[row]) and len(past) >= least:
            centre, spread = how(past)
            out[row] = (x[row] - centre) / spread if spread > 0 else np.nan
    return out


def robust(past):
    return np.median(past), 1.4826 * np.median(np.abs(past - np.median(past)))


@pytest.mark.parametrize(
    ("algorithm", "how"), [("z_score", lambda past: (past.mean(), past.std(ddof=1))), ("robust_z", robust)]
)
@pytest.mark.parametrize("seed", range(5))
def test_the_scores_are_those_of_the_definition(algorithm, how, seed):
    data = gappy(seed=seed)
    found = scored(data, algorithm)
    for column in range(2):
        expected = slow(data["time"].values, data["temperature"].values[:, column], how)
        np.testing.assert_allclose(found["score"].values[:, column], expected, rtol=1e-9, atol=1e-9)
    assert found["score"].notnull().sum() > 400


def test_digits_are_kept_far_from_zero():
    data = gappy(seed=9)
    far = data.assign(temperature=data["temperature"] + 1e7)
    np.testing.assert_allclose(scored(far)["score"], scored(data)["score"], rtol=1e-6, atol=1e-6)


def test_the_chart_is_that_of_montgomery():
    data = gappy()
    z, found = scored(data)["score"].values[:, 0], scored(data, "ewma", lambda_=0.3)["score"].values[:, 0]
    mean, count, last = 0.0, 0, None
    for now, one, score in zip(data["time"].values, z, found, strict=True):
        if np.isnan(one):
            assert np.isnan(score)
            continue
        if last is not None and now - last > np.timedelta64(2, "D"):
            mean, count = 0.0, 0
        mean, count, last = 0.3 * one + 0.7 * mean, count + 1, now
        assert score == pytest.approx(mean / np.sqrt(0.3 / 1.7 * (1 - 0.7 ** (2 * count))))


def test_t_squared_is_that_of_the_textbook():
    data = gappy(columns=1, rows=600)
    found = scored(data, "hotelling_t2")["score"].values[:, 0]
    times = data["time"].values
    rows = np.stack([data[name].values[:, 0] for name in ("temperature", "load")], axis=1)
    whole = np.isfinite(rows).all(axis=1)
    checked = 0
    for row in np.flatnonzero(whole)[::7]:
        begin = times[row].astype("datetime64[D]").astype("datetime64[ns]")
        past = rows[whole & (times < begin) & (times >= begin - np.timedelta64(2, "D"))]
        if len(past) < 30:
            assert np.isnan(found[row])
            continue
        off = rows[row] - past.mean(axis=0)
        t_squared = off @ np.linalg.inv(np.cov(past.T)) @ off
        m = len(past)
        limit = 2 * (m + 1) * (m - 1) / (m * m - 2 * m) * stats.f.ppf(1 - 0.0027, 2, m - 2)
        assert found[row] == pytest.approx(t_squared / limit)
        checked += 1
    assert checked > 20


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_looks_ahead(algorithm):
    data = gappy()
    before = scored(data, algorithm)["score"]
    cut = 250
    rng = np.random.default_rng(0)
    changed = data.copy(deep=True)
    for name in ("temperature", "load"):
        changed[name][cut:] = rng.normal(1e3, 50, changed[name][cut:].shape)
    np.testing.assert_array_equal(scored(changed, algorithm)["score"][:cut], before[:cut])
    shorter = scored(data.isel(time=slice(cut)), algorithm)["score"]
    np.testing.assert_array_equal(shorter, before[:cut])
    assert before[:cut].notnull().any()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_value_has_no_part_in_its_own_baseline(algorithm):
    # The score of one value grows without a bound that its own share in the baseline would set: (n - 1) / sqrt(n).
    values = np.random.default_rng(2).normal(50, 1, 400)
    values[350] = 1e6
    data = regular(values)
    data["load"] = data["temperature"] * 0 + np.random.default_rng(3).normal(0, 1, (400, 1))
    found = scored(data, algorithm, retrain_period="PT10M" if algorithm == "hotelling_t2" else "P1D")
    if algorithm == "isolation_forest":
        assert float(found["score"][350, 0]) > 0.98
    else:
        assert float(found["score"][350, 0]) > 1e4
    assert float(found["flag"][350, 0]) == 1.0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_run_is_as_the_other(algorithm):
    data = gappy()
    xr.testing.assert_identical(scored(data, algorithm), scored(data, algorithm))


def test_another_seed_grows_another_forest():
    data = gappy()
    one, other = (scored(data, "isolation_forest", seed=seed)["score"] for seed in (0, 1))
    assert not one.equals(other)
    assert float(abs(one - other).mean()) < 0.1


@pytest.mark.parametrize(
    ("algorithm", "parameters", "nominal"),
    [
        ("z_score", {"threshold": 2.0}, 0.0455),
        ("robust_z", {"threshold": 2.0}, 0.0455),
        ("ewma", {"threshold": 2.0}, 0.0455),
        ("isolation_forest", {"contamination": 0.05, "retrain_period": "P5D"}, 0.05),
        ("hotelling_t2", {"alpha": 0.05}, 0.05),
    ],
)
def test_false_alarms_are_as_many_as_is_said(algorithm, parameters, nominal):
    rng = np.random.default_rng(4)
    data = regular(rng.normal(0, 1, (3_000, 4)))
    data["load"] = data["temperature"] * 0.5 + rng.normal(0, 1, data["temperature"].shape)
    found = scored(data, algorithm, baseline_period="P5D", **parameters)["flag"].isel(time=slice(720, None))
    assert bool(found.notnull().all())
    assert float(found.mean()) == pytest.approx(nominal, abs=0.012)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_outlier_is_found_and_its_neighbours_are_not(algorithm):
    rng = np.random.default_rng(5)
    values = rng.normal(60, 0.5, 1_000)
    values[900] = 80.0
    data = regular(values)
    data["load"] = data["temperature"] * 0 + rng.normal(0, 1, (1_000, 1))
    found = scored(data, algorithm, **({"contamination": 0.02} if algorithm == "isolation_forest" else {}))
    flags = found["flag"].values[:, 0]
    assert flags[900] == 1.0
    assert flags[700:900].sum() <= (8 if algorithm == "isolation_forest" else 3)


def test_one_field_may_be_ordinary_where_two_together_are_not():
    rng = np.random.default_rng(6)
    wind = rng.normal(8, 2, 600)
    power = 100 * wind + rng.normal(0, 10, 600)
    wind[550], power[550] = 10.0, 600.0
    data = regular(wind).assign(load=regular(power)["temperature"])
    assert float(scored(data, "hotelling_t2")["score"][550, 0]) > 10
    assert float(scored(data, "isolation_forest", fields=["load"])["score"][550, 0]) > 0.9
    assert abs(float(scored(data)["score"][550, 0])) < 2
    assert abs(float(scored(data, field="load")["score"][550, 0])) < 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        (np.zeros((0, 2)), True),
        (np.full((1, 2), 5.0), True),
        (np.full((400, 2), 7.3), True),
        (np.full((400, 2), np.nan), True),
        (np.full((400, 2), np.inf), True),
        (np.where(np.arange(400)[:, None] % 100 == 0, 1.0, np.nan) * np.ones(2), True),
        (np.tile([1e300, -1e300], (400, 1)) * np.random.default_rng(7).random((400, 1)), False),
        (np.tile([1e-300, 1e-310], (400, 1)) * np.random.default_rng(7).random((400, 1)), False),
    ],
    ids=["empty", "one row", "constant", "missing", "infinite", "sparse", "huge", "tiny"],
)
def test_what_cannot_be_told_is_unknown(algorithm, values, unknown):
    data = regular(values)
    data["load"] = data["temperature"] * 2
    for each in (data, data.chunk(time=100), as_records(data)):
        found = scored(each, algorithm)
        if isinstance(found, pl.LazyFrame):
            rows = found.collect()
            assert rows.height == values.size
            assert not rows["score"].is_infinite().any()
            assert not unknown or rows["score"].null_count() == rows["flag"].null_count() == values.size
            continue
        assert found["score"].shape == found["flag"].shape == values.shape
        assert found["score"].dtype == found["flag"].dtype == np.float64
        assert not np.isinf(found["score"]).any()
        assert not unknown or bool(found["score"].isnull().all() & found["flag"].isnull().all())


def test_too_little_history_is_unknown_and_said():
    data = regular(np.random.default_rng(8).normal(0, 1, 30))
    with remarks() as told:
        found = scored(data)
    assert found["score"].isnull().values[:, 0].tolist() == [True] * 10 + [False] * 20
    assert told == []
    with remarks() as told:
        found = scored(data, min_history=30)
    assert bool(found["flag"].isnull().all())
    assert told == ["anomaly_detection: no value of temperature has 30 that vary in the P2D before it"]
    assert scored(data, min_history=2)["score"].isnull().sum() == 2


def test_after_a_gap_longer_than_the_baseline_nothing_is_known():
    data = regular(np.random.default_rng(8).normal(0, 1, 600))
    data = data.isel(time=np.r_[0:100, 500:600])
    score = scored(data)["score"].values[:, 0]
    assert np.isnan(score[100:110]).all()
    assert not np.isnan(score[110:]).any()


def test_what_is_flagged_as_wrong_does_not_count():
    values = np.random.default_rng(8).normal(0, 1, 300)
    values[200] = 1e4
    data = regular(values)
    wrong = xr.DataArray(values[:, None] > 1e3, dims=("time", "asset"), coords=data.coords)
    found = scored(add_flags(data, "temperature", wrong, Quality.RANGE))["score"].values[:, 0]
    without = scored(data.where(~wrong))["score"].values[:, 0]
    np.testing.assert_array_equal(found, without)
    assert np.isnan(found[200])
    assert np.isfinite(found[201:]).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("chunks", [{"time": 37}, {"time": -1, "asset": 1}, {"time": 150, "asset": 1}])
def test_lazy_is_as_eager(algorithm, chunks):
    data = gappy(rows=300)
    lazy = scored(data.chunk(chunks), algorithm)
    assert lazy["score"].chunks is not None
    assert lazy["flag"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), scored(data, algorithm), rtol=1e-9)


def as_records(data, names=("temperature", "load")):
    frame = data.to_dataframe().reset_index().sample(frac=1, random_state=0)
    return pl.LazyFrame(
        {
            "machine_id": frame["asset"].tolist(),
            "timestamp": [f"{each.isoformat()}Z" for each in frame["time"]],
            **{name: [None if np.isnan(x) else x for x in frame[name]] for name in names},
            "note": list(range(len(frame))),
        }
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_records_are_scored_as_telemetry(algorithm):
    data = gappy(rows=300)
    records = as_records(data)
    found = scored(records, algorithm)
    assert isinstance(found, pl.LazyFrame)
    rows = found.collect()
    # Order and other columns stay.
    assert rows.drop("score", "flag").equals(records.collect())
    expected = scored(data, algorithm)
    for name, machine in enumerate(data["asset"].values):
        own = rows.filter(pl.col("machine_id") == machine).sort("timestamp")
        for column in ("score", "flag"):
            values = own[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
            np.testing.assert_allclose(values, expected[column].values[:, name], rtol=1e-9)
    assert rows["flag"].dtype == pl.Boolean
    assert rows["score"].null_count() == rows["flag"].null_count() == int(expected["score"].isnull().sum())


def test_values_of_the_same_time_are_in_no_baseline_of_each_other():
    times = [f"2025-01-01T{n // 2:02}:00:00Z" for n in range(40)]
    values = np.random.default_rng(1).normal(0, 1, 40)
    values[-1] = 1e6
    for algorithm in ("z_score", "robust_z"):
        found = scored(pl.LazyFrame({"timestamp": times, "temperature": values}), algorithm).collect()
        past = values[:38]
        how = robust(past) if algorithm == "robust_z" else (past.mean(), past.std(ddof=1))
        assert found["score"][-2] == pytest.approx((values[-2] - how[0]) / how[1])
        assert found["score"][-1] == pytest.approx((values[-1] - how[0]) / how[1])


def test_records_of_no_time_of_null_groups_and_without_any():
    rng = np.random.default_rng(1)
    rows = [
        {"timestamp": f"2025-01-01T{n // 60:02}:{n % 60:02}:00Z", "machine_id": None, "x": float(rng.normal())}
        for n in range(100)
    ]
    rows[50]["timestamp"] = None
    rows[60]["timestamp"] = "tomorrow"
    rows[70]["x"] = float("nan")
    frame = pl.from_dicts(rows, infer_schema_length=None).lazy()
    found = scored(frame, field="x").collect()["score"]
    assert [n for n, each in enumerate(found) if each is None] == [*range(10), 50, 60, 70]
    empty = scored(frame.filter(pl.lit(value=False)), field="x").collect()
    assert empty.shape == (0, 5)
    assert scored(frame.with_columns(x=pl.lit(None)), field="x").collect()["flag"].null_count() == 100
    with remarks() as told:
        scored(frame.drop("machine_id"), field="x")
    assert told == ["anomaly_detection: the records say no machine; all are taken to be of one"]
    timed = frame.with_columns(pl.col("timestamp").str.to_datetime("%+", strict=False, time_zone="UTC"))
    assert scored(timed, field="x").collect()["score"].equals(found)


def test_records_that_did_not_pass_a_check_do_not_count():
    frame = as_records(regular(np.random.default_rng(1).normal(0, 1, 100)), names=("temperature",))
    frame = frame.with_columns(pl.when(pl.col("note") == 50).then(1e6).otherwise("temperature").alias("temperature"))
    checked = get_step("field_validation")(frame, field_name="temperature", validation_type="range", max=100.0)
    found, plain = scored(checked).collect(), scored(frame).collect()
    assert found.filter(pl.col("note") == 50)["score"].to_list() == [None]
    assert found["score"].abs().max() < 6
    assert plain["score"].abs().max() > 100


def test_names_and_attributes():
    data = gappy()
    found = anomaly_detection(data, field_name="temperature")
    assert set(found.data_vars) == {"temperature", "load", "temperature_anomaly_score", "temperature_anomaly"}
    assert found["temperature_anomaly_score"].attrs["units"] == "1"
    assert found["temperature_anomaly_score"].dims == ("time", "asset")
    assert found["temperature_anomaly"].attrs["flag_meanings"] == "normal anomaly"
    turned = anomaly_detection(data.transpose("asset", "time"), field_name="temperature")
    assert turned["temperature_anomaly_score"].dims == ("asset", "time")
    xr.testing.assert_identical(turned.transpose("time", "asset"), found)
    one = anomaly_detection(data.isel(asset=0), field_name="temperature")
    xr.testing.assert_equal(one["temperature_anomaly_score"], found["temperature_anomaly_score"].isel(asset=0))
    both = anomaly_detection(data, fields=["temperature", "load"], algorithm="hotelling_t2")
    assert "temperature_load_anomaly" in both
    assert data.equals(gappy())


def test_parameters_as_files_have_them():
    step = get_step("anomaly_detection")
    given = {"field_name": "temperature", "algorithm": "ewma", "lambda": 0.4, "baseline_period": "P2D"}
    assert step.check(given)["lambda_"] == 0.4
    here = anomaly_detection(gappy(), field_name="temperature", algorithm="ewma", lambda_=0.4, baseline_period="P2D")
    xr.testing.assert_identical(step(gappy(), **given), here)


def test_errors_say_what_was_meant():
    data = gappy()
    with pytest.raises(InputError, match="did you mean 'temperature'"):
        anomaly_detection(data, field_name="temprature")
    with pytest.raises(InputError, match="did you mean 'temperature'"):
        anomaly_detection(as_records(data), field_name="temprature")
    with pytest.raises(InputError, match="did you mean 'timestamp'"):
        anomaly_detection(as_records(data), field_name="load", time_field="timestmp")
    with pytest.raises(InputError, match="did you mean 'machine_id'"):
        anomaly_detection(as_records(data), field_name="load", group_by=["machine"])
    with pytest.raises(InputError, match="no field to look at"):
        anomaly_detection(data)
    with pytest.raises(InputError, match="z_score takes one field"):
        anomaly_detection(data, fields=["temperature", "load"])
    with pytest.raises(InputError, match="not a number over time"):
        anomaly_detection(data.assign(kind=("asset", ["a", "b"])), field_name="kind")
    with pytest.raises(InputError, match="not a number"):
        anomaly_detection(as_records(data), field_name="machine_id")
    with pytest.raises(InputError, match="not in order"):
        anomaly_detection(data.isel(time=[1, 0]), field_name="load")
    with remarks() as told:
        found = anomaly_detection(data, fields=["temperature", "lod"], algorithm="hotelling_t2")
    assert "temperature_lod_anomaly_score" in found
    assert told[0] == "anomaly_detection: no field 'lod' in the data; what is said of it is left out"
    assert set(MULTIVARIATE) <= set(ALGORITHMS)
