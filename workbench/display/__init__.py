"""One visual language for live pages, notebooks and reports: colours, numbers, tiles, plots."""

from __future__ import annotations
