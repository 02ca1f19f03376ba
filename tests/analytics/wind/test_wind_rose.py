from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.wind_rose import weibull, wind_rose


def test_sectors_are_centred_on_north_and_shares_add_up(dataset):
    directions = [350.0, 10.0, 11.24, 11.26, 180.0, np.nan]
    data = dataset(
        {"wind_direction": [[d] for d in directions], "wind_speed": [[v] for v in (3.0, 5.0, 9.0, 20.0, 8.0, 5.0)]}
    )
    rose = wind_rose(data)
    assert rose["frequency"].sum().item() == pytest.approx(1.0)
    assert rose.attrs["samples"] == 5
    by = dict(zip(rose["name"].values.tolist(), rose["frequency"].sum("speed_class").values.tolist(), strict=True))
    assert by["N"] == pytest.approx(3 / 5)
    assert by["NNE"] == pytest.approx(1 / 5)
    assert rose["frequency"].sel(sector=0.0, speed_class=4.0).item() == pytest.approx(1 / 5)
    assert rose["frequency"].sel(sector=22.5, speed_class=16.0).item() == pytest.approx(1 / 5)
    assert rose["wind_speed"].sel(sector=0.0).item() == pytest.approx(17 / 3)
    assert np.isnan(rose["wind_speed"].sel(sector=90.0).item())
    assert rose["energy_flux"].sum().item() == pytest.approx(1.0)
    assert rose["energy_flux"].sel(sector=22.5).item() == pytest.approx(8000 / (27 + 125 + 729 + 8000 + 512))


def test_twelve_sectors_are_named_by_degrees_where_the_compass_has_none(dataset):
    data = dataset({"wind_direction": [[1.0]], "wind_speed": [[5.0]]})
    assert wind_rose(data, sectors=8)["name"].values.tolist() == ["N", "NE", "E", "SE", "S", "SW", "W", "NW"]
    assert wind_rose(data, sectors=12)["name"].values.tolist()[:3] == ["0°", "30°", "60°"]


def test_the_tables_of_page_and_report_agree(dataset):
    from workbench.display.plots import rose_table

    rng = np.random.default_rng(7)
    data = dataset({"wind_direction": rng.uniform(0, 360, (500, 2)), "wind_speed": rng.weibull(2, (500, 2)) * 8})
    shares, _ = rose_table(data["wind_direction"], data["wind_speed"])
    np.testing.assert_allclose(wind_rose(data)["frequency"].values, shares)


def test_weibull_finds_what_was_drawn():
    rng = np.random.default_rng(3)
    scale, shape = weibull(xr.DataArray(rng.weibull(2.2, 200_000) * 7.5))
    assert scale == pytest.approx(7.5, rel=0.01)
    assert shape == pytest.approx(2.2, rel=0.01)


def test_weibull_of_too_little_is_missing():
    assert np.isnan(weibull(xr.DataArray([5.0, 6.0]))).all()
    assert np.isnan(weibull(xr.DataArray(np.full(50, 5.0)))).all()


def test_weibull_is_the_most_likely(haute_borne):
    """No distribution nearby is likelier; scipy is the judge."""
    from scipy.stats import weibull_min

    turbines, _ = haute_borne
    speeds = turbines["wind_speed"].values.ravel()
    speeds = speeds[np.isfinite(speeds) & (speeds > 0)][::7]
    scale, shape = weibull(xr.DataArray(speeds))
    best = weibull_min.logpdf(speeds.astype(float), shape, scale=scale).sum()
    for factor_a, factor_k in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99)):
        assert weibull_min.logpdf(speeds.astype(float), shape * factor_k, scale=scale * factor_a).sum() < best
