"""Range, stuck and gap flags."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.quality import Quality, count_flags, quality_name
from workbench.transforms.quality import (
    _runs,
    flag_quality,
    flag_range,
    flag_stuck,
    gap_table,
    mark_gaps,
    quality_table,
    slot_ns,
)


def make(
    step: str = "10min", rated: float | None = 2000.0, kind: str = "wind_turbine", **columns: list[float]
) -> xr.Dataset:
    size = len(next(iter(columns.values())))
    time = np.datetime64("2024-01-01", "ns") + np.arange(size) * np.timedelta64(int(step[:-3]), "m")
    coords = {"time": time, "asset": np.array(["T1"], object), "asset_type": ("asset", np.array([kind], object))}
    if rated is not None:
        coords["rated_capacity"] = ("asset", np.array([rated]))
    return xr.Dataset({n: (("time", "asset"), np.array(v, "f4")[:, None]) for n, v in columns.items()}, coords=coords)


def flags(data: xr.Dataset, name: str, flag: Quality) -> list[int]:
    return [int(bool(q & flag)) for q in data[quality_name(name)].values[:, 0]]


def test_range_of_the_vocabulary() -> None:
    data = flag_range(make(wind_speed=[-0.1, 0, 75, 75.1, np.nan, np.inf]))
    assert flags(data, "wind_speed", Quality.RANGE) == [1, 0, 0, 1, 0, 1]
    assert flags(data, "wind_speed", Quality.INVALID) == [0, 0, 0, 0, 0, 1]
    assert data["wind_speed_quality"].dtype == "uint16"


def test_range_of_the_asset() -> None:
    power = [-101, -99, 2199, 2201, 5000]
    assert flags(flag_range(make(power_output=power)), "power_output", Quality.RANGE) == [1, 0, 0, 1, 1]
    # a rating that is not known leaves the vocabulary's range
    assert flags(flag_range(make(power_output=power, rated=np.nan)), "power_output", Quality.RANGE) == [0] * 5
    assert flags(flag_range(make(power_output=power, rated=None)), "power_output", Quality.RANGE) == [0] * 5
    # a battery works both ways
    assert flags(flag_range(make(active_power=[-2199, -2201], kind="battery")), "active_power", Quality.RANGE) == [0, 1]


def test_limits_of_the_caller_go_first() -> None:
    data = make(power_output=[5.0, 5000.0], wind_speed=[1.0, 100.0])
    data = flag_range(data, limits={"power_output": (10, None), "wind_speed": (None, 200)})
    assert flags(data, "power_output", Quality.RANGE) == [1, 0]
    assert flags(data, "wind_speed", Quality.RANGE) == [0, 0]


def test_extremes_of_a_slot_obey_the_same_limits() -> None:
    data = flag_range(make(wind_speed=[5.0], wind_speed_max=[99.0], wind_speed_std=[99.0]))
    assert flags(data, "wind_speed_max", Quality.RANGE) == [1]
    assert flags(data, "wind_speed_std", Quality.RANGE) == [0]


def test_stuck_from_the_first_to_the_last_of_the_run() -> None:
    data = flag_stuck(make(wind_speed=[5, 6, 6, 6, 7, 7, 8, 8, 8, 8]))
    assert flags(data, "wind_speed", Quality.STUCK) == [0, 1, 1, 1, 0, 0, 1, 1, 1, 1]


def test_a_gap_ends_a_run() -> None:
    assert not flag_stuck(make(wind_speed=[6, 6, np.nan, 6, 6]))["wind_speed_quality"].any()


def test_calm_night_and_standstill_are_not_stuck() -> None:
    data = make(wind_speed=[0.3] * 20, irradiance_ghi=[0.0] * 20, power_output=[-5.0] * 20)
    data = flag_stuck(data)
    assert count_flags(data) == {"wind_speed": {}, "irradiance_ghi": {}, "power_output": {}}
    at_rating = flag_stuck(make(power_output=[2000.0] * 20))
    assert count_flags(at_rating) == {"power_output": {}}
    curtailed = flag_stuck(make(power_output=[1000.0] * 20))
    assert count_flags(curtailed) == {"power_output": {"stuck": 20}}


def test_power_without_a_rating() -> None:
    data = flag_stuck(make(power_output=[0.0] * 10 + [700.0] * 10, rated=None))
    assert flags(data, "power_output", Quality.STUCK) == [0] * 10 + [1] * 10


def test_actuators_hold_still_unless_told_otherwise() -> None:
    data = make(blade_pitch_angle=[-1.0] * 50)
    assert "blade_pitch_angle_quality" not in flag_stuck(data)
    asked = flag_stuck(data, after={"blade_pitch_angle": "PT1H"})
    assert count_flags(asked) == {"blade_pitch_angle": {"stuck": 50}}


def test_duration_follows_the_cadence() -> None:
    values = [5.0] * 29 + [6.0] + [7.0] * 30 + [8.0]
    data = flag_stuck(make("1min", wind_speed=values))
    assert sum(flags(data, "wind_speed", Quality.STUCK)) == 30  # half an hour of one-minute values, not 29


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(3, 9))
def test_runs_are_those_of_the_definition(values: list[int], repeats: int) -> None:
    expected, start = [False] * len(values), 0
    for end in range(1, len(values) + 1):
        if end == len(values) or values[end] != values[start]:
            if end - start >= repeats:
                expected[start:end] = [True] * (end - start)
            start = end
    assert _runs(np.array(values, "f4")[:, None], repeats)[:, 0].tolist() == expected


@given(st.lists(st.integers(0, 1), min_size=12, max_size=40), st.integers(3, 11))
@settings(max_examples=15, deadline=None)
def test_lazy_and_eager_agree(values: list[int], chunk: int) -> None:
    data = make(wind_speed=[float(v) + 5 for v in values], temperature=[99.0] * len(values))
    lazy = flag_quality(data.chunk(time=chunk))
    assert lazy["wind_speed_quality"].chunks is not None
    xr.testing.assert_equal(lazy.compute(), flag_quality(data))


def test_flags_add_up_and_values_stay() -> None:
    data = make(wind_speed=[99.0] * 5)
    once = flag_quality(data)
    assert set(once["wind_speed_quality"].values.ravel()) == {int(Quality.RANGE | Quality.STUCK)}
    xr.testing.assert_identical(flag_quality(once), once)
    xr.testing.assert_identical(once["wind_speed"], data["wind_speed"])
    assert "wind_speed_quality" not in data  # the caller's own is not touched


def test_gaps() -> None:
    data = make(wind_speed=[1, np.nan, np.nan, 4, np.nan, 6], temperature=[1, np.nan, np.nan, 4, 5, 6])
    data["sample_count"] = (("time", "asset"), np.array([[1], [0], [1], [1], [1], [1]], "u2"))
    marked = mark_gaps(data)
    assert marked["gap"].values[:, 0].tolist() == [0, 1, 2, 0, 0, 0]  # half a sample is no gap
    table = gap_table(marked)
    assert table["kind"].to_list() == ["no_sample", "empty_sample"]
    assert table["slots"].to_list() == [1, 1]
    assert str(table["start"][0]) == "2024-01-01 00:10:00"
    assert str(table["end"][0]) == "2024-01-01 00:20:00"


def test_gap_at_the_end() -> None:
    table = gap_table(make(wind_speed=[1, np.nan, np.nan]))
    assert table.select("slots", "end").rows(named=True)[0]["slots"] == 2
    assert gap_table(make(wind_speed=[1, 2, 3])).is_empty()


def test_quality_table() -> None:
    table = quality_table(flag_quality(make(wind_speed=[99, 5, np.nan], power_output=[1, 2, 3])))
    assert table.rows(named=True) == [
        {"variable": "wind_speed", "slots": 3, "values": 2, "missing": 1, "range": 1},
        {"variable": "power_output", "slots": 3, "values": 3, "missing": 0, "range": 0},
    ]


def test_errors() -> None:
    data = make(wind_speed=[1, 2, 3, 4])
    with pytest.raises(InputError, match="did you mean 'wind_speed'"):
        flag_quality(data, variables=["wind_sped"])
    with pytest.raises(InputError, match="limits: no variable 'wind_sped' to check"):
        flag_quality(data, limits={"wind_sped": (0, 1)})
    with pytest.raises(InputError, match="the time is not a regular grid"):
        flag_stuck(data.isel(time=[0, 1, 3]))
    with pytest.raises(InputError, match="too few times"):
        slot_ns(data.isel(time=[0]))
    with pytest.raises(InputError):
        flag_stuck(data, after={"wind_speed": "half an hour"})


def test_limits_are_in_the_unit_that_the_values_name():
    times = np.arange(3) * np.timedelta64(600, "s") + np.datetime64("2025-01-01", "ns")

    def of(values: list[float], units: str, name: str) -> xr.Dataset:
        return xr.Dataset(
            {name: (("time", "asset"), np.array(values)[:, None], {"units": units})},
            coords={"time": times, "asset": ["T1"], "rated_capacity": ("asset", [2000.0])},
        )

    pressure = flag_range(of([95000.0, 101325.0, 950.0], "Pa", "barometric_pressure"))
    assert pressure["barometric_pressure_quality"].values[:, 0].tolist() == [0, 0, int(Quality.RANGE)]
    power = flag_range(of([2.0, -0.05, 2.5], "MW", "power_output"))
    assert power["power_output_quality"].values[:, 0].tolist() == [0, 0, int(Quality.RANGE)]
