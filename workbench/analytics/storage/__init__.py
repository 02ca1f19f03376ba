"""Storage: state of charge, health, efficiency, cycles, cells, temperatures, warranty, ageing, hybrid plants."""

from __future__ import annotations

from workbench.analytics.storage.ageing import Ageing, remaining_life
from workbench.analytics.storage.assessment import Assessment, assess
from workbench.analytics.storage.capacity_test import discharge_capacity
from workbench.analytics.storage.cells import cell_spread, cell_voltage_spread, weakest_cells
from workbench.analytics.storage.cycles import cycle_summary, cycle_table, rainflow
from workbench.analytics.storage.fields import Power, correct_signs, power_of, reversed_signs
from workbench.analytics.storage.health import state_of_health
from workbench.analytics.storage.health_trend import health_trend
from workbench.analytics.storage.hybrid import hybrid_energy, hybrid_flows, plant_dataset
from workbench.analytics.storage.learned_curve import learn_curve
from workbench.analytics.storage.open_circuit import CURVES, OpenCircuitCurve
from workbench.analytics.storage.recount import recount, soc_drift
from workbench.analytics.storage.round_trip import round_trip_efficiency
from workbench.analytics.storage.thermal import ThermalLimits, thermal_alarms, thermal_events
from workbench.analytics.storage.usable_energy import usable_energy, usable_energy_tests
from workbench.analytics.storage.warranty import WarrantyTerms, warranty_breaches, warranty_log

__all__ = [
    "CURVES",
    "Ageing",
    "Assessment",
    "OpenCircuitCurve",
    "Power",
    "ThermalLimits",
    "WarrantyTerms",
    "assess",
    "cell_spread",
    "cell_voltage_spread",
    "correct_signs",
    "cycle_summary",
    "cycle_table",
    "discharge_capacity",
    "health_trend",
    "hybrid_energy",
    "hybrid_flows",
    "learn_curve",
    "plant_dataset",
    "power_of",
    "rainflow",
    "recount",
    "remaining_life",
    "reversed_signs",
    "round_trip_efficiency",
    "soc_drift",
    "state_of_health",
    "thermal_alarms",
    "thermal_events",
    "usable_energy",
    "usable_energy_tests",
    "warranty_breaches",
    "warranty_log",
    "weakest_cells",
]
