"""General steps: Dataset in, Dataset out. Importing this package registers them."""

from __future__ import annotations

from workbench.transforms import aggregate, fields, quality, record_checks, records, rolling, rules

__all__ = ["aggregate", "fields", "quality", "record_checks", "records", "rolling", "rules"]
