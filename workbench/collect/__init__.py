"""The collector: every live source into its site's journal, and the health of all of it."""

from __future__ import annotations

from workbench.collect.changes import changes_in
from workbench.collect.health import HealthFile, read_health
from workbench.collect.intake import SiteIntake
from workbench.collect.service import Collector

__all__ = ["Collector", "HealthFile", "SiteIntake", "changes_in", "read_health"]
