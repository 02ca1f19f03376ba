from __future__ import annotations

import pytest

from workbench.display import theme
from workbench.display.states import _MEANING, STATES, STATUS_VARIABLES, state_of
from workbench.model.vocabulary import vocabulary


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ({"turbine_status": "generating", "operational_mode": "normal"}, "operating_normal"),
        ({"turbine_status": "idling"}, "operating_normal"),
        ({"turbine_status": "curtailed"}, "operating_reduced"),
        ({"turbine_status": "generating", "operational_mode": "noise_reduced"}, "operating_reduced"),
        ({"operating_state": "throttled"}, "operating_reduced"),
        ({"turbine_status": "fault", "availability_status": "forced_outage"}, "fault"),
        ({"turbine_status": "fault", "operational_mode": "service"}, "maintenance"),
        ({"turbine_status": "stopped", "availability_status": "scheduled_maintenance"}, "maintenance"),
        ({"turbine_status": "stopped"}, "offline"),
        ({"battery_status": "charging"}, "operating_normal"),
        ({"operating_state": "sleeping"}, "operating_normal"),
        ({"breaker_status": "open"}, "offline"),
        ({"breaker_status": "closed"}, "operating_normal"),
        ({"reactive_power_mode": "off"}, "operating_normal"),  # says nothing about the asset's state
        ({}, "operating_normal"),
    ],
)
def test_state_from_what_the_controller_says(statuses, state):
    assert state_of(statuses, fresh=True).name == state


def test_what_is_old_is_stale_whatever_it_said():
    assert state_of({"turbine_status": "fault"}, fresh=False).name == "stale"
    assert state_of({}, fresh=False, known=False).name == "unknown"


def test_curtailment_reduces_but_does_not_hide_a_fault():
    assert state_of({"turbine_status": "generating"}, fresh=True, limited=True).name == "operating_reduced"
    assert state_of({"turbine_status": "fault"}, fresh=True, limited=True).name == "fault"


def test_states_differ_in_shape_and_word_and_only_normal_is_well():
    assert len({state.shape for state in STATES.values()}) == len(STATES)
    assert len({state.word for state in STATES.values()}) == len(STATES)
    assert [name for name, state in STATES.items() if not state.abnormal] == ["operating_normal"]


def test_every_shape_is_drawn():
    sprite = (theme.STATIC / "marks.svg").read_text()
    assert all(f'id="s-{state.shape}"' in sprite for state in STATES.values())


def test_meanings_are_words_of_the_vocabulary():
    known = {word for name in STATUS_VARIABLES if name in vocabulary() for word in (vocabulary()[name].states or {})}
    said = {word for _, words in _MEANING for word in words}
    assert not said - known


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize(
    "colour", [theme.FAULT, theme.REDUCED, theme.MAINTENANCE, theme.OFFLINE, theme.TEXT, theme.MUTED, theme.LINK]
)
def test_text_is_readable_on_panels(colour):
    """WCAG 2.1 AA: a contrast of 4.5 for text."""
    ground, ink = _luminance(theme.PANEL), _luminance(colour)
    assert (ground + 0.05) / (ink + 0.05) >= 4.5
