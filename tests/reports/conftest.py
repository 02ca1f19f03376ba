"""A project with small reports of its own, and a store with a simulated past."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workbench.project import Project

DEFINITION = """\
name: {name}
title: A small report
description: For tests
notebook: {name}.ipynb
schedule: {{cron: "0 6 * * *", period: yesterday}}
parameters:
  site: {{type: str, default: coastal_flats, description: Site}}
  count: {{type: int, default: 3, minimum: 1, maximum: 9, description: How many}}
  kind: {{type: str, default: short, choices: [short, long], description: Which}}
outputs: [notebook, html, pdf, manifest]
recipients: [somebody@example.com]
"""
PARAMETERS = """\
site: str = "coastal_flats"  # Site
period: str = "2026-01"  # Period
count: int = 3  # How many
kind: str = "short"  # Which
"""


def notebook(*cells: str, parameters: str = PARAMETERS) -> str:
    """A notebook as text; cells that begin with ``#`` and a blank are Markdown."""
    made = [{"cell_type": "code", "id": "params", "metadata": {"tags": ["parameters"]}, "source": parameters,
             "outputs": [], "execution_count": None}]  # fmt: skip
    for i, source in enumerate(cells):
        if source.startswith("# "):
            made.append({"cell_type": "markdown", "id": f"cell{i}", "metadata": {}, "source": source})
        else:
            made.append({"cell_type": "code", "id": f"cell{i}", "metadata": {}, "source": source, "outputs": [],
                         "execution_count": None})  # fmt: skip
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


class Workshop:
    """A project whose reports a test writes."""

    definition = DEFINITION

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = Project(root)

    def write(self, name: str, *cells: str, definition: str = DEFINITION, parameters: str = PARAMETERS) -> None:
        self.project.reports.mkdir(exist_ok=True)
        (self.project.reports / f"{name}.yaml").write_text(definition.format(name=name))
        (self.project.reports / f"{name}.ipynb").write_text(notebook(*cells, parameters=parameters))


@pytest.fixture
def workshop(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    root = tmp_path / "project"
    shutil.copytree(checkout / "catalogs", root / "catalogs")
    monkeypatch.setenv("WORKBENCH_PROJECT", str(root))
    monkeypatch.delenv("WORKBENCH_STORE", raising=False)
    return Workshop(root)
