"""General steps: Dataset in, Dataset out. Importing this package registers them."""

from __future__ import annotations

from workbench.transforms import fields, quality, rolling, rules

__all__ = ["fields", "quality", "rolling", "rules"]
