from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.steps import get_step, remarks
from workbench.transforms.rolling import LiveRolling, rolling_statistics, window_label

ALL = ("mean", "max", "min", "stddev", "trend", "rms", "kurtosis", "peak_to_peak", "rate_of_change", "count")
HOUR = 3_600 * 10**9


def oracle(times, values, window):
    """Each statistic of each window from its definition, in two passes of extended precision."""
    x = values.astype(np.longdouble)
    hours = (times - times[0]).astype(np.longdouble) / HOUR
    found = {name: np.full(len(x), np.nan, np.longdouble) for name in ALL}
    for row in range(len(x)):
        inside = (times > times[row] - window) & (times <= times[row]) & np.isfinite(values)
        y, t = x[inside], hours[inside]
        found["count"][row] = len(y)
        if not len(y):
            continue
        d = y - y.mean()
        m2 = (d**2).sum()
        found["mean"][row] = y.mean()
        found["max"][row], found["min"][row] = y.max(), y.min()
        found["peak_to_peak"][row] = y.max() - y.min()
        found["rms"][row] = np.sqrt((y**2).mean())
        if len(y) > 1:
            found["stddev"][row] = np.sqrt(m2 / (len(y) - 1))
            dt = t - t.mean()
            found["trend"][row] = (dt * d).sum() / (dt**2).sum()
            found["rate_of_change"][row] = (y[-1] - y[0]) / (t[-1] - t[0])
        if len(y) > 3 and y.max() > y.min():
            found["kurtosis"][row] = len(y) * (d**4).sum() / m2**2
    return found


def dataset(times, **fields):
    return xr.Dataset(
        {name: (("time", "asset"), values) for name, values in fields.items()},
        coords={"time": times.astype("datetime64[ns]"), "asset": [f"T{i}" for i in range(len(values.T))]}
        if fields and (values := next(iter(fields.values()))) is not None
        else {},
    )


def gappy(rows, seed=1):
    rng = np.random.default_rng(seed)
    steps = rng.choice([1, 1, 1, 1, 2, 7, 40], rows) * HOUR // 6
    times = np.cumsum(steps) + 1_700_000_000 * 10**9
    values = rng.normal(60, 5, (rows, 3)) + 10 * np.sin(np.arange(rows) / 30)[:, None]
    values[rng.random(values.shape) < 0.1] = np.nan
    values[100:140, 1] = np.nan
    return times, values


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("window", ["PT1H", "PT24H", "P7D"])
def test_against_the_definition_in_extended_precision(offset, window):
    times, values = gappy(700)
    values = values + offset
    found = rolling_statistics(dataset(times, x=values), windows=[window], features=[{"field": "x", "statistics": ALL}])
    length = {"PT1H": 1, "PT24H": 24, "P7D": 168}[window] * HOUR
    for column in range(3):
        expected = oracle(times, values[:, column], length)
        for name in ALL:
            got = found[f"x_{name}_{window_label(window)}"].values[:, column]
            precision = 1e-6 if name == "kurtosis" else 1e-9
            np.testing.assert_allclose(got, expected[name].astype(float), rtol=precision, atol=1e-12, err_msg=name)


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.one_of(st.just(np.nan), st.floats(-1e3, 1e3, width=32))),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 30),
)
@settings(max_examples=200)
def test_whatever_the_gaps_and_values(samples, window):
    times = np.cumsum([gap for gap, _ in samples]) * 10**9
    values = np.array([value for _, value in samples])
    found = rolling_statistics(
        dataset(times, x=values[:, None]), windows=[f"PT{window}S"], features=[{"field": "x", "statistics": ALL}]
    )
    expected = oracle(times, values, window * 10**9)
    for name in set(ALL) - {"kurtosis"}:
        got = found[f"x_{name}_{window_label(f'PT{window}S')}"].values[:, 0]
        scale = np.nanmax(np.abs(np.nan_to_num(values))) + 1
        np.testing.assert_allclose(
            got, expected[name].astype(float), rtol=1e-9, atol=1e-9 * scale * 3_600, err_msg=name
        )


def test_names_units_and_what_is_flagged():
    times = np.arange(12) * HOUR // 6
    data = dataset(times, vibration_drivetrain=np.arange(12.0)[:, None])
    data["vibration_drivetrain"].attrs = {"units": "mm s-1", "long_name": "Drivetrain vibration"}
    flags = np.zeros((12, 1), np.uint16)
    flags[11] = 4
    data["vibration_drivetrain_quality"] = (("time", "asset"), flags)
    found = rolling_statistics(
        data,
        windows=["PT1H", "PT24H", "P7D"],
        features=[{"field": "vibration_drivetrain", "statistics": ["rms", "trend"], "output_prefix": "vibration"}],
    )
    new = [name for name in found.data_vars if name not in data.data_vars]
    assert new == [f"vibration_{s}_{w}" for w in ("1h", "24h", "7d") for s in ("rms", "trend")]
    assert found["vibration_trend_1h"].attrs["units"] == "mm s-1 h-1"
    assert found["vibration_rms_7d"].attrs["long_name"] == "root mean square of Drivetrain vibration over 7d"
    np.testing.assert_allclose(found["vibration_trend_1h"].values[1:, 0], 6.0)
    assert found["vibration_rms_24h"].values[11] == found["vibration_rms_24h"].values[10]  # the flagged one counts not
    assert set(data.data_vars) == {"vibration_drivetrain", "vibration_drivetrain_quality"}


@pytest.mark.parametrize(
    ("text", "label"),
    [("PT1H", "1h"), ("PT24H", "24h"), ("P7D", "7d"), ("P1D", "1d"), ("PT10M", "10min"), ("PT30S", "30s"), ("P1W", "7d")],
)  # fmt: skip
def test_how_windows_are_called(text, label):
    assert window_label(text) == label


def test_as_a_step_of_a_pipeline():
    times = np.arange(12) * HOUR // 6
    data = dataset(times, wind_speed=np.arange(12.0)[:, None])
    with remarks() as told:
        found = get_step("rolling_statistics")(
            data,
            windows=["PT1H"],
            features=[
                {"field": "wind_speed", "statistics": ["mean"]},
                {"field": "vibration_drivetrain", "statistics": ["rms"]},
            ],
        )
    assert "wind_speed_mean_1h" in found
    assert told == ["rolling_statistics: no field 'vibration_drivetrain' in the data; what is said of it is left out"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": [{"field": "wind_sped", "statistics": ["mean"]}]}, "none of the fields is in the data"),
        ({"features": [{"field": "wind_speed", "statistics": ["median"]}]}, "Input should be"),
        ({"windows": ["P1M"]}, "no fixed length"),
        ({"windows": ["PT0S"]}, "a window has no length"),
        ({"windows": ["soon"]}, "duration"),
    ],
)
def test_what_is_wrong_is_told(change, message):
    data = dataset(np.arange(3) * HOUR, wind_speed=np.ones((3, 1)))
    right = {"windows": ["PT1H"], "features": [{"field": "wind_speed", "statistics": ["mean"]}]}
    with pytest.raises(InputError, match=message):
        rolling_statistics(data, **{**right, **change})


def test_times_out_of_order_are_refused_with_the_place():
    data = dataset(np.array([0, 2, 1]) * HOUR, wind_speed=np.ones((3, 1)))
    with pytest.raises(InputError, match=r"time\[2\]"):
        rolling_statistics(data, windows=["PT1H"], features=[{"field": "wind_speed", "statistics": ["mean"]}])


def test_lazy_data_stay_lazy_and_give_the_same():
    times, values = gappy(500)
    data = dataset(times, x=values)
    features = [{"field": "x", "statistics": ALL}]
    whole = rolling_statistics(data, windows=["PT1H", "P7D"], features=features)
    lazy = rolling_statistics(data.chunk({"time": 37, "asset": 2}), windows=["PT1H", "P7D"], features=features)
    assert all(lazy[name].chunks for name in lazy.data_vars)
    xr.testing.assert_allclose(lazy.compute(scheduler="threads"), whole, rtol=1e-9, atol=1e-9)


def test_sample_by_sample_gives_the_same():
    times, values = gappy(900, seed=3)
    whole = rolling_statistics(
        dataset(times, x=values), windows=["PT1H", "PT24H", "P7D"], features=[{"field": "x", "statistics": ALL}]
    )
    live = LiveRolling(["PT1H", "PT24H", "P7D"], ALL, 3)
    for row, time in enumerate(times):
        found = live.add(int(time), values[row])
        for w, label in enumerate(("1h", "24h", "7d")):
            for s, name in enumerate(ALL):
                np.testing.assert_allclose(
                    found[w, s], whole[f"x_{name}_{label}"].values[row], rtol=1e-9, atol=1e-9, err_msg=f"{row} {name}"
                )
    with pytest.raises(InputError, match="not in order"):
        live.add(int(times[-1]), values[-1])


def test_many_columns_give_what_each_gives_alone():
    # Columns go through the kernel in blocks, whole ones and a last one of three here; neighbours differ by far.
    times, _ = gappy(701)
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (701, 19)) * 10.0 ** rng.integers(-3, 4, 19) + 10.0 ** rng.integers(0, 7, 19)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 2], values[:, 4], values[300:302, 5] = np.nan, 7.0, [np.inf, -np.inf]
    wanted = {"windows": ["PT1H", "P7D"], "features": [{"field": "x", "statistics": ALL}]}
    together = rolling_statistics(dataset(times, x=values), **wanted)
    live = LiveRolling(wanted["windows"], ALL, 19)
    rows = np.stack([live.add(int(time), row) for time, row in zip(times, values, strict=True)], axis=-1)
    for column in range(19):
        alone = rolling_statistics(dataset(times, x=values[:, [column]]), **wanted)
        for name in set(alone.data_vars) - {"x"}:
            precision = 1e-6 if "kurtosis" in name else 1e-9
            one = together[name].values[:, column]
            np.testing.assert_allclose(one, alone[name].values[:, 0], rtol=precision, atol=1e-12, err_msg=name)
            statistic, _, window = name.removeprefix("x_").rpartition("_")
            number = rows[["1h", "7d"].index(window), ALL.index(statistic), column]
            np.testing.assert_allclose(number, one, rtol=precision, atol=1e-12, err_msg=name)


def test_no_times_and_no_assets_are_no_trouble():
    features = [{"field": "x", "statistics": ["mean"]}]
    empty = dataset(np.array([], dtype=np.int64), x=np.empty((0, 2)))
    assert rolling_statistics(empty, windows=["PT1H"], features=features)["x_mean_1h"].shape == (0, 2)
    one = xr.Dataset({"x": ("time", [1.0, 3.0])}, coords={"time": pd.date_range("2025", periods=2, freq="10min")})
    np.testing.assert_array_equal(
        rolling_statistics(one, windows=["PT1H"], features=features)["x_mean_1h"].values, [1.0, 2.0]
    )


def test_several_callers_at_once_get_what_one_gets():
    times, values = gappy(400)
    data = dataset(times, x=values)
    wanted = {"windows": ["PT24H"], "features": [{"field": "x", "statistics": ALL}]}
    alone = rolling_statistics(data, **wanted)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: rolling_statistics(data, **wanted), range(16)):
            xr.testing.assert_identical(found, alone)
