"""A store with a simulated past in it."""

from __future__ import annotations

from pathlib import Path

from workbench.demo.sample import sample_store
from workbench.store import SiteStore


def test_it_keeps_the_kinds_that_are_asked_for(tmp_path: Path):
    root = sample_store(
        ["north_ridge"], days=0.05, fine_hours=0, folder=tmp_path, asset_types=["met_mast", "grid_meter"]
    )
    store = SiteStore(root, "north_ridge")
    try:
        assert {one.key.asset_type for one in store.series()} == {"met_mast", "grid_meter"}
    finally:
        store.close()
