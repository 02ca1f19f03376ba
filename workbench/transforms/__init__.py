"""General steps: Dataset in, Dataset out. Importing this package registers them."""

from __future__ import annotations

from workbench.transforms import quality, rolling

__all__ = ["quality", "rolling"]
