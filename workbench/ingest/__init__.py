"""Takes nested JSON messages into a site's store as they stand."""

from __future__ import annotations

from workbench.ingest.run import IngestReport, ingest

__all__ = ["IngestReport", "ingest"]
