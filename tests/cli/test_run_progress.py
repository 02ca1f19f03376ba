"""``workbench run`` shows how far a step is, and never on standard output."""

from __future__ import annotations

import pytest

from workbench.cli import run as command
from workbench.cli._console import console
from workbench.steps import progress


def test_in_a_log_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys):
    from workbench.display import progress as shown

    monkeypatch.setattr(shown, "LINES", 0.0)
    with command._shown(console(stderr=True), "a pipeline") as begin:
        progress(1, 2)
        begin("wake_losses")
        progress(1, 4, "[turbines]")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["a pipeline: 50 %", "wake_losses: [turbines] 25 %"]


def test_on_a_terminal_the_line_changes(monkeypatch: pytest.MonkeyPatch, capsys):
    from workbench.display import progress as shown

    monkeypatch.setattr(shown, "SCREEN", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    said: list[object] = []
    screen = console(stderr=True)
    assert screen.is_terminal
    real = screen.status

    def status(text):
        one = real(text)
        monkeypatch.setattr(one, "update", said.append)
        return one

    monkeypatch.setattr(screen, "status", status)
    with command._shown(screen, "a pipeline") as begin:
        begin("wake_losses")
        progress(1, 4, "[turbines]")
    assert said == ["wake_losses …", r"wake_losses … \[turbines] 25 %"]
    assert capsys.readouterr().out == ""
