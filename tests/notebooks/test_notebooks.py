"""Every notebook runs, and gives the numbers that are stored with it where it says so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(notebook: Path, test_data: Path, tmp_path: Path):
    """Through nbval: cells with ``# NBVAL_CHECK_OUTPUT`` must give what is stored, all must run."""
    environment = {
        **os.environ,
        "WORKBENCH_TEST_DATA": str(test_data),
        "WORKBENCH_PROJECT": str(CHECKOUT),
        "WORKBENCH_STORE": str(tmp_path / "store"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    words = ["-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=240", "-q", "-p", "no:cacheprovider", str(notebook)]
    done = subprocess.run(
        [sys.executable, *words], cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_small_and_names_no_machine(notebook: Path):
    text = notebook.read_text(encoding="utf-8")
    assert len(text) < 500_000
    assert str(CHECKOUT) not in text
    assert "/tmp/" not in text
    cells = json.loads(text)["cells"]
    assert "".join(cells[0]["source"]).startswith("# ")
    assert any("NBVAL_CHECK_OUTPUT" in "".join(cell["source"]) for cell in cells)
    for cell in cells:
        assert not any(out.get("output_type") == "error" for out in cell.get("outputs", []))
