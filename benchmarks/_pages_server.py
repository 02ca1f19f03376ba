"""The page server of the benchmarks, a process of its own: ``python -m benchmarks._pages_server STORE PORT IDLE``.

As ``workbench dashboards`` runs it; only that pages of viewers who have gone are let go after IDLE seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from workbench.display.server import create_server
from workbench.project import packaged_project

if __name__ == "__main__":
    store, port, idle = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    create_server(packaged_project(), store=store, port=port, idle=idle).run()
