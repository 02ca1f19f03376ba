"""The command, called in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.model.errors import InputError


@pytest.fixture
def call(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """``call("runs", "--json")``: what the command prints; an error in the input is raised."""
    from workbench.cli import app

    monkeypatch.setenv("WORKBENCH_PROJECT", str(checkout))
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    def invoke(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words])
        if isinstance(done.exception, InputError):
            raise done.exception
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    return invoke
