"""General steps: Dataset in, Dataset out. Importing this package registers them."""

from __future__ import annotations

from workbench.transforms import (
    aggregate,
    alerting,
    anomaly,
    effects,
    fields,
    quality,
    record_checks,
    record_effects,
    record_joins,
    records,
    rolling,
    rules,
)

__all__ = [
    "aggregate",
    "alerting",
    "anomaly",
    "effects",
    "fields",
    "quality",
    "record_checks",
    "record_effects",
    "record_joins",
    "records",
    "rolling",
    "rules",
]
