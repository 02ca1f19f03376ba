"""Jumps of the northing: those of La Haute Borne, one put in, and what cannot be told."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.analytics.wind import northing_jump_correction, northing_jump_detection, northing_jumps
from workbench.analytics.wind.northing_jumps import offsets_of
from workbench.model.errors import InputError
from workbench.model.quality import count_flags
from workbench.steps import remarks

HOUR = np.timedelta64(3600, "s")


def farm(turbines: int = 4, days: int = 200, seed: int = 1) -> xr.Dataset:
    """Nacelles that follow one wind, with a northing of their own and noise."""
    rng = np.random.default_rng(seed)
    rows = days * 144
    wind = np.cumsum(rng.normal(0, 3, rows))
    own = (
        wind[:, None]
        + rng.uniform(0, 360, turbines) * 0
        + rng.uniform(-8, 8, turbines)
        + rng.normal(0, 6, (rows, turbines))
    )
    return xr.Dataset(
        {
            "nacelle_position": (("time", "asset"), own % 360, {"units": "degree"}),
            "wind_speed": (("time", "asset"), rng.gamma(6, 1.5, (rows, turbines))),
        },
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(600, "s"),
            "asset": [f"T{i}" for i in range(turbines)],
        },
    )


def jumped(data: xr.Dataset, asset: int, at: int, by: float) -> xr.Dataset:
    values = data["nacelle_position"].values.copy()
    values[at:, asset] = (values[at:, asset] + by) % 360
    return data.assign(nacelle_position=(("time", "asset"), values, data["nacelle_position"].attrs))


def jumps_of(table: pl.DataFrame) -> list[tuple[str, np.datetime64, float]]:
    """Asset, instant and size of each jump."""
    found = []
    for (asset,), spans in table.group_by("asset", maintain_order=True):
        for before, after in zip(spans.rows(named=True), spans.rows(named=True)[1:], strict=False):
            size = (after["level"] - before["level"] + 180) % 360 - 180
            found.append((asset, np.datetime64(after["start"], "ns"), size))
    return found


def test_quiet_farms_have_no_jumps():
    assert sum(len(jumps_of(northing_jumps(farm(seed=seed)))) for seed in range(5)) == 0


@pytest.mark.parametrize("size", [-150.0, -20.0, 10.0, 20.0, 179.0])
def test_a_jump_is_found_with_its_instant_and_size(size):
    data = farm(seed=3)
    ((asset, at, found),) = jumps_of(northing_jumps(jumped(data, 2, 15_001, size)))
    assert asset == "T2"
    assert abs(at - data["time"].values[15_001]) <= 3 * HOUR
    assert abs((found - size + 180) % 360 - 180) < 1.0


def test_jumps_of_all_sizes_over_many_farms_are_found_and_no_others():
    hits = false = 0
    rng = np.random.default_rng(5)
    for seed in range(8):
        data, at, size = (
            farm(seed=100 + seed),
            int(rng.integers(3_000, 26_000)),
            float(rng.choice([-1, 1]) * rng.uniform(12, 60)),
        )
        found = jumps_of(northing_jumps(jumped(data, seed % 4, at, size)))
        right = [one for one in found if one[0] == f"T{seed % 4}" and abs(one[1] - data["time"].values[at]) <= 6 * HOUR]
        hits, false = hits + bool(right), false + len(found) - len(right)
    assert hits == 8  # recall 1
    assert false <= 1  # precision at least 8/9


def test_la_haute_borne_by_neighbours_and_by_era5(two_years, reanalyses):
    # nothing is put in: what OpenOA's example of wake losses leaves out from 2015-11-25 on is one of these
    near = jumps_of(northing_jumps(two_years))
    era5 = reanalyses["era5"]
    wind = np.rad2deg(np.arctan2(-era5["wind_u"], -era5["wind_v"])) % 360
    far = jumps_of(northing_jumps(two_years, reference=wind))
    expected = [("R80711", "2015-11-27"), ("R80711", "2015-12-09"), ("R80790", "2015-06-09"), ("R80790", "2015-06-13")]
    assert [(asset, str(at)[:10]) for asset, at, _ in near] == expected
    # a reference that knows nothing of the farm says the same, and at most one jump more
    same = [one for one in far if any(one[0] == each[0] and abs(one[1] - each[1]) <= 24 * HOUR for each in near)]
    assert len(same) == 4
    assert len(far) <= 5
    lasting = {asset: sum(size for name, _, size in near if name == asset) % 360 for asset in ("R80711", "R80790")}
    assert lasting["R80790"] == pytest.approx(20, abs=3)
    assert lasting["R80711"] == pytest.approx(11, abs=3)


def test_twenty_degrees_put_into_la_haute_borne_are_found(two_years):
    before = jumps_of(northing_jumps(two_years))
    values = two_years["nacelle_position"].values.copy()
    values[40_000:, 1] = (values[40_000:, 1] + 20) % 360
    data = two_years.assign(nacelle_position=(("time", "asset"), values))

    def is_new(one: tuple[str, np.datetime64, float]) -> bool:
        return not any(one[0] == each[0] and abs(one[1] - each[1]) <= 24 * HOUR for each in before)

    ((asset, at, size),) = filter(is_new, jumps_of(northing_jumps(data)))
    assert asset == "R80721"
    assert abs(at - two_years["time"].values[40_000]) <= 24 * HOUR
    assert size == pytest.approx(20, abs=2)


def test_the_correction_brings_the_level_back_and_is_undone():
    data = jumped(farm(seed=7), 0, 20_000, 35.0)
    flagged = northing_jump_detection(data)
    counted = count_flags(flagged)["nacelle_position"]["inconsistent"]
    assert counted == pytest.approx(28_800 - 20_000, abs=20)
    right = northing_jump_correction(flagged)
    assert jumps_of(northing_jumps(right)) == []
    assert count_flags(right)["nacelle_position"] == {}
    with pytest.raises(InputError, match="already"):
        northing_jump_correction(right)
    back = northing_jump_correction(right, undo=True)
    off = (back["nacelle_position"] - flagged["nacelle_position"] + 180) % 360 - 180
    assert float(abs(off).max()) < 1e-4
    assert count_flags(back)["nacelle_position"]["inconsistent"] == counted
    with pytest.raises(InputError, match="no offsets were subtracted"):
        northing_jump_correction(back, undo=True)


def test_two_turbines_say_why_they_are_not_judged():
    data = farm(turbines=2)
    table = northing_jumps(data)
    assert table["reason"].to_list() == ["fewer than two neighbours, and no reference"] * 2
    with remarks() as told:
        made = northing_jump_detection(data)
    assert np.isnan(made["nacelle_position_northing_offset"]).all()
    assert any("T1 is not judged" in one for one in told)
    # with a reference one turbine is enough
    alone = jumped(data, 0, 15_000, 25.0).isel(asset=[0])
    ((asset, _, size),) = jumps_of(northing_jumps(alone, reference=data["nacelle_position"].isel(asset=1)))
    assert (asset, round(size)) == ("T0", 25)


def test_a_turbine_without_data_and_a_field_that_is_not_there():
    data = farm()
    data["nacelle_position"][:, 3] = np.nan
    table = northing_jumps(data)
    assert table.filter(pl.col("asset") == "T3")["reason"].item() == "too few days with data"
    assert np.isnan(offsets_of(table, data)[:, 3]).all()
    with pytest.raises(InputError, match="nacelle_positon"):
        northing_jumps(data, direction="nacelle_positon")
