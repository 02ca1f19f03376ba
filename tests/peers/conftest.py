"""What the peers need of this machine, and the sink of the source tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.sources.conftest import eventually, make_sink, running, sink  # noqa: F401  fixtures of ours too

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "sources")]  # peer.py, and the harnesses of the source tests


@pytest.fixture(scope="session")
def node(require) -> str:
    """The program node, with the packages that ``sh .ci/system`` installs."""
    found = shutil.which("node")
    require(found, "node is not installed")
    require((HERE / "node_modules").is_dir(), "the packages of tests/peers are not installed: sh .ci/system")
    return str(found)
