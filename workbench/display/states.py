"""The state of an asset as an operator names it, from what its controller reports.

Seven states, each with a word, a colour and a shape of its own, so that nothing hangs on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.display import theme


@dataclass(frozen=True)
class State:
    """How a state is told: its name, a word for people, a colour, a shape, and how bad it is (0 is well)."""

    name: str
    word: str
    colour: str
    shape: str  #: id of the drawing in the page's sprite
    severity: int

    @property
    def abnormal(self) -> bool:
        """Whether somebody should look."""
        return self.severity > 0


STATES: dict[str, State] = {
    state.name: state
    for state in (
        State("operating_normal", "Normal", theme.NORMAL, "normal", 0),
        State("operating_reduced", "Reduced", theme.REDUCED, "reduced", 2),
        State("maintenance", "Maintenance", theme.MAINTENANCE, "maintenance", 1),
        State("fault", "Fault", theme.FAULT, "fault", 4),
        State("offline", "Offline", theme.OFFLINE, "offline", 3),
        State("stale", "Stale", theme.STALE, "stale", 3),
        State("unknown", "Unknown", theme.STALE, "unknown", 3),
    )
}

#: A reading older than this many cadences is stale.
STALE_AFTER = 5.0

# What controllers say, by the state it means. Where several are said, the first of this order counts:
# a turbine that is serviced while its controller reports a fault is in maintenance.
_MEANING: tuple[tuple[str, frozenset[str]], ...] = (
    ("maintenance", frozenset({"maintenance", "service", "scheduled_maintenance", "planned_corrective_action"})),
    (
        "fault",
        frozenset(
            {
                "fault",
                "emergency_stop",
                "forced_outage",
                "tripped",
                "bad_state",
                "stalled",
                "open_circuit",
                "short_circuit",
                "ground_fault",
                "arc_fault",
                "fuse_blown",
                "reverse_polarity",
            }
        ),
    ),
    (
        "offline",
        frozenset(
            {
                "stopped",
                "off",
                "grid_loss",
                "grid_outage",
                "communication_loss",
                "unavailable",
                "requested_shutdown",
                "suspended",
                "force_majeure",
                "disconnected",
                "offline",
                "open",
            }
        ),
    ),
    (
        "operating_reduced",
        frozenset(
            {
                "curtailed",
                "throttled",
                "noise_reduced",
                "storm",
                "ice",
                "bat_protection",
                "shadow",
                "partially_available",
                "low_current",
                "soiled",
                "shaded",
                "warning",
            }
        ),
    ),
)

#: Variables that say something of an asset's state, and which of their states to believe.
STATUS_VARIABLES = (
    "turbine_status",
    "operating_state",
    "battery_status",
    "operational_mode",
    "availability_status",
    "breaker_status",
    "tracker_status",
    "status",
)


#: States of other variables that are not as they should be.
_SAID_BY: dict[tuple[str, str], str] = {
    ("active_alarm", "active"): "fault",
    ("active_power_curtailment", "active"): "operating_reduced",
    ("grid_connection", "disconnected"): "offline",
}


def abnormal_state(variable: str, said: str | None) -> State | None:
    """What the state ``said`` by a variable means, where it is not as it should be; None otherwise."""
    name = _SAID_BY.get((variable, said or ""))
    if name is None and variable in STATUS_VARIABLES:
        name = next((name for name, meanings in _MEANING if said in meanings), None)
    return STATES[name] if name is not None else None


def state_of(statuses: Mapping[str, str], *, fresh: bool, known: bool = True, limited: bool = False) -> State:
    """The state of an asset.

    Parameters
    ----------
    statuses
        Names of states by status variable, ``{"turbine_status": "generating"}``. Variables not listed in
        ``STATUS_VARIABLES`` are not looked at.
    fresh
        Whether the asset's newest value is young enough to speak of now.
    known
        Whether anything was ever heard of it.
    limited
        Whether its output is held down on purpose (curtailment active).
    """
    if not known:
        return STATES["unknown"]
    if not fresh:
        return STATES["stale"]
    said = {statuses[name] for name in STATUS_VARIABLES if name in statuses}
    for name, meanings in _MEANING:
        if said & meanings:
            return STATES[name]
    return STATES["operating_reduced" if limited else "operating_normal"]
