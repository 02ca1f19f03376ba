"""Errors say the place, what was found, what was expected and what to do."""

from __future__ import annotations

from workbench.model.errors import InputError, InputErrors, did_you_mean, nearest


def test_an_error_shows_all_it_knows():
    error = InputError(
        "unknown key", file="a.yaml", line=7, where="entries.scada", found="urll", expected="url", hint="mend it"
    )
    assert str(error).splitlines() == [
        "a.yaml:7: entries.scada: unknown key",
        "  found:    urll",
        "  expected: url",
        "  hint:     mend it",
    ]


def test_what_is_not_known_is_not_shown():
    assert str(InputError("no such thing")) == "no such thing"
    assert str(InputError("bad", file="a.csv")) == "a.csv: bad"


def test_found_may_be_zero_or_empty():
    assert "found:    0" in str(InputError("bad", found=0))


def test_several_errors_are_one_error_with_all_their_texts():
    both = InputErrors([InputError("first", file="a", line=1), InputError("second", file="b", line=2)])
    assert isinstance(both, InputError)
    assert str(both) == "a:1: first\nb:2: second"
    assert [error.line for error in both.errors] == [1, 2]


def test_nearest_names():
    names = ["wind_speed", "wind_direction", "power_output"]
    assert nearest("wind_sped", names)[0] == "wind_speed"
    assert nearest("xyz", names) == []
    assert did_you_mean("pwer_output", names) == "did you mean 'power_output'?"
    assert did_you_mean("xyz", names) is None
