"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# An example may take as long as it does: the machine may be busy.
settings.register_profile("workbench", deadline=None)
settings.load_profile("workbench")

CHECKOUT = Path(__file__).resolve().parent.parent


def _require(what: object, reason: str) -> None:
    """Skip with ``reason`` unless ``what``; in CI a missing part is a failure."""
    if what:
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"missing in CI: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """``require(what, reason)``: skip (in CI: fail) unless ``what`` is there."""
    return _require


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real data, from ``WORKBENCH_TEST_DATA`` or beside the checkout."""
    folder = Path(os.environ.get("WORKBENCH_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
    _require(
        folder.is_dir(), f"no test data: WORKBENCH_TEST_DATA is not set and {folder.name} is not beside the checkout"
    )
    # the catalogs look nowhere else for it, and no test downloads what stands beside the checkout
    os.environ["WORKBENCH_TEST_DATA"] = str(folder.resolve())
    return folder.resolve()


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process remembers every secret it has seen; a test knows its own only."""
    monkeypatch.setattr("workbench.model.secrets._spellings", set())


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Root of the checkout."""
    return CHECKOUT


@pytest.fixture
def process(tmp_path: Path, checkout: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``process("check", path)``: the command in a process of its own, with the project's catalogs and a new store."""

    def start(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workbench", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            env={
                **os.environ,
                "COLUMNS": "160",
                "NO_COLOR": "1",
                "WORKBENCH_PROJECT": str(checkout),
                "WORKBENCH_STORE": str(tmp_path / "store"),
            },
        )

    return start


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """Root of a store with two days of simulated past of two sites."""
    from workbench.demo.sample import sample_store

    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_PROJECT", str(checkout))
    try:
        return sample_store(
            ["coastal_flats", "sun_valley"], end="2026-06-16T12:00", days=2.0, fine_hours=0.2,
            folder=tmp_path_factory.mktemp("sample") / "store",
        )  # fmt: skip
    finally:
        patch.undo()
