"""Reports on paper."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workbench.reports.export import find_browser, to_pdf

PAGE = "<!doctype html><title>T</title><h1>Energy</h1><p>12.3 GWh</p>"


@pytest.fixture
def browser(require) -> str:
    found = find_browser()
    require(found, "no Chromium on this machine")
    assert found is not None
    return found


async def test_prints_where_a_loop_runs_as_in_a_notebook(tmp_path: Path, browser: str, require):
    import shutil

    require(shutil.which("pdftotext"), "no pdftotext on this machine")
    (tmp_path / "page.html").write_text(PAGE)
    to_pdf(tmp_path / "page.html", tmp_path / "page.pdf", browser=browser, header="Head", footer="Foot")
    said = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True).stdout
    for words in ("Energy", "12.3 GWh", "Head", "Foot"):
        assert words in said
    assert "1/1" in said.replace(" ", "")


def test_a_browser_that_does_not_start_is_told(tmp_path: Path):
    (tmp_path / "page.html").write_text(PAGE)
    with pytest.raises(RuntimeError, match="nowhere"):
        to_pdf(tmp_path / "page.html", tmp_path / "page.pdf", browser=str(tmp_path / "nowhere"), header="", footer="")
    assert not (tmp_path / "page.pdf").exists()
