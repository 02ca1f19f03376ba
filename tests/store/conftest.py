"""A site with a journal and a store in a temporary folder, and batches to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.store import SiteStore

KEY = SeriesKey("wind_turbine", "1s")
#: A border of hours.
T0 = 472_222 * 3_600 * NS
VARIABLES = ("power_output", "wind_speed", "energy_production_lifetime")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteStore]:
    found = SiteStore(tmp_path / "store", "ridge")
    yield found
    found.close()


@pytest.fixture
def key() -> SeriesKey:
    return KEY


@pytest.fixture
def t0() -> int:
    return T0


def make_batch(
    seconds: Sequence[float],
    values: Sequence[Sequence[float]],
    *,
    assets: Sequence[str] = ("A",),
    asset: Sequence[int] | None = None,
    quality: Sequence[Sequence[int]] | None = None,
    count: Sequence[int] | None = None,
    variables: Sequence[str] = VARIABLES,
    dtypes: Sequence[str] | None = None,
    key: SeriesKey = KEY,
    step: int = NS,
    replace: bool = False,
) -> Batch:
    """A batch of samples ``seconds`` after T0; ``values`` a row per sample."""
    time = np.array([T0 + round(s * NS) for s in seconds], dtype=np.int64)
    n = len(time)
    dtypes = dtypes or tuple("f8" if name == "energy_production_lifetime" else "f4" for name in variables)
    return Batch(
        shape=Shape(key, tuple(variables), tuple(dtypes)),
        assets=tuple(assets),
        slot=time - time % step,
        asset=np.zeros(n, np.int32) if asset is None else np.array(asset, np.int32),
        time=time,
        received=time + 5_000_000,
        count=np.ones(n, np.uint16) if count is None else np.array(count, np.uint16),
        values=np.array(values, dtype=np.float64).reshape(n, len(variables)),
        quality=None if quality is None else np.array(quality, dtype=np.uint16).reshape(n, len(variables)),
        replace=replace,
    )


@pytest.fixture
def batch() -> Callable[..., Batch]:
    return make_batch


@pytest.fixture
def clock() -> list[int]:
    """A clock that stands: ``clock[0]`` is now [ns]."""
    return [T0]
