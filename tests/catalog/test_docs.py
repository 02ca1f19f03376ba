"""The pages of the docs about catalogs: up to date, and what they show is right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.catalog import open_catalog
from workbench.catalog.keys_page import page
from workbench.catalog.spec import load_tagmap
from workbench.cli.catalog import app
from workbench.model.vocabulary import load_vocabulary


def test_the_page_of_keys_is_up_to_date(checkout: Path) -> None:
    written = (checkout / "docs" / "catalog-keys.md").read_text(encoding="utf-8")
    assert written == page(), "write it anew: workbench catalog page --out docs/catalog-keys.md"


def test_every_key_is_explained_and_every_part_is_there() -> None:
    text = page()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if not row.replace("\\|", "").split("|")[4].strip()] == []
    for name in re.findall(r"\]\(#(\w+)\)", text):
        assert re.search(rf"^### {name}$", text, re.MULTILINE | re.IGNORECASE), name
    for word in ("`driver: modbus`", "`driver: reanalysis`", "`driver: store`", "`protocol: opcua`", "≥ 0, ≤ 255"):
        assert word in text


def test_the_command_writes_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["page", "--out", str(tmp_path / "below" / "keys.md")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "below" / "keys.md").read_text(encoding="utf-8") == page()


def test_what_the_page_shows_is_right(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_SECRET_BROKER", "x")
    text = (checkout / "docs" / "catalogs.md").read_text(encoding="utf-8")
    shutil.copytree(checkout / "catalogs" / "portfolio", tmp_path / "portfolio")
    shutil.copytree(checkout / "catalogs" / "tags", tmp_path / "tags")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    catalogs = [block for block in blocks if "entries:" in block]
    [tagmap] = [block for block in blocks if "protocol:" in block]
    [terms] = [block for block in blocks if "terms:" in block]
    assert len(catalogs) + 2 == len(blocks)
    for number, block in enumerate(catalogs):
        (tmp_path / f"{number}.yaml").write_text(block, encoding="utf-8")
    opened = open_catalog(tmp_path)
    assert len(opened) == 5
    assert [error.message for error in opened.check()] == ["no file matches the pattern"]
    (tmp_path / "tags" / "mine.yaml").write_text(tagmap, encoding="utf-8")
    assert len(load_tagmap(tmp_path / "tags" / "mine.yaml").tags) == 3
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "terms.yaml").write_text(terms, encoding="utf-8")
    assert list(load_vocabulary(tmp_path / "own")) == ["tower_base_humidity"]
    for linked in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (checkout / "docs" / linked).exists(), linked
