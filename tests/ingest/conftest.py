"""The two sample streams of the specification, and a store to take them into."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.ingest import IngestReport, ingest
from workbench.model.assets import Asset, Portfolio, Site

_DATA = Path(__file__).parent.parent / "model" / "data"
SAMPLES = {
    "wind_turbine": _DATA / "01-sample-wind-turbine-data-stream.json",
    "inverter": _DATA / "02-sample-solar-farm-data-stream.json",
}


def sample(name: str) -> dict[str, Any]:
    return json.loads(SAMPLES[name].read_text())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def portfolio() -> Portfolio:
    site = Site(
        "hill", "The Hill", "wind", "UTC", 48.0, 5.0, 300.0, 50.0, 2000.0, [Asset("T1", "wind_turbine", "hill")]
    )
    return Portfolio({"hill": site})


@pytest.fixture
def take_in(tmp_path: Path, store: Path, portfolio: Portfolio) -> Callable[..., IngestReport]:
    """``take_in(message, …)``: the messages as one NDJSON file into the store."""

    def take(*messages: Any, name: str = "m.ndjson", **options: Any) -> IngestReport:
        path = tmp_path / name
        path.write_text("\n".join(m if isinstance(m, str) else json.dumps(m) for m in messages))
        return ingest([path], store, portfolio, **options)

    return take
