"""Fixtures of the model's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).with_name("data")


@pytest.fixture(params=["01-sample-wind-turbine-data-stream", "02-sample-solar-farm-data-stream"])
def stream(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A sample message of the specification, as it stands there."""
    return json.loads((DATA / f"{request.param}.json").read_text())


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file below the test's folder: ``write(name, text)``."""

    def writer(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return writer
