from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from workbench.display.drawing import HEIGHT, WIDTH, Place, positions, rose, site_layout
from workbench.display.plots import rose_table
from workbench.display.readings import PARTS
from workbench.display.states import STATES


def whole(site):
    """Its assets but for the parts of others, as the page shows them."""
    return [asset for asset in site.assets if asset.type not in PARTS]


def places(site):
    return [
        Place(asset.id, asset.type, asset.latitude, asset.longitude, STATES["operating_normal"], "1 kW", "asset")
        for asset in whole(site)
    ]


@pytest.mark.parametrize("site", ["north_ridge", "coastal_flats", "sun_valley", "la_haute_borne"])
def test_assets_stand_apart_and_on_the_drawing(portfolio, site):
    at, metres = positions(places(portfolio.sites[site]))
    assert metres > 0
    assert (at >= 0).all()
    assert (at[:, 0] <= WIDTH).all()
    assert (at[:, 1] <= HEIGHT).all()
    for i in range(len(at)):
        for j in range(i):
            dx, dy = np.abs(at[i] - at[j])
            assert dx > 40 or dy > 40, "labels would cover each other"


def test_north_is_up_and_east_is_right(portfolio):
    site = portfolio.sites["north_ridge"]
    at = dict(zip([place.id for place in places(site)], positions(places(site))[0], strict=True))
    assert at["NR-T01"][1] < at["NR-T04"][1]
    assert at["NR-T01"][0] < at["NR-T03"][0]


@pytest.mark.parametrize("site", ["north_ridge", "sun_valley"])
def test_layout_is_well_formed_and_names_every_asset(portfolio, site):
    drawn = site_layout(places(portfolio.sites[site]), wind_from=240.0, name="a & b")
    root = ET.fromstring(drawn)
    labels = [element.get("aria-label") for element in root.iter() if element.tag.endswith("a")]
    assert labels == [f"{asset.id}, Normal" for asset in whole(portfolio.sites[site])]


def test_one_asset_is_enough():
    assert "only" in site_layout([Place("only", "met_mast", 50.0, 8.0, None)])
    assert site_layout([]) == ""


def test_rose_table_counts_every_finite_sample():
    shares, labels = rose_table(np.array([0.0, 359.0, 90.0, np.nan, 180.0]), np.array([5.0, 5.0, 1.0, 3.0, np.nan]))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0].sum() == pytest.approx(2 / 3)  # 0° and 359° are both north
    assert shares[4, 0] == pytest.approx(1 / 3)
    assert labels[0] == "0–4 m/s"


def test_rose_is_drawn():
    rng = np.random.default_rng(1)
    drawn = rose(*rose_table(rng.uniform(0, 360, 500), rng.weibull(2, 500) * 9), now={"direction": 30.0})
    assert drawn.count("<path") > 40
