"""A past of the simulated solar plant with its battery, written to a store: ``python -m benchmarks._solar_year STORE DAYS``.

Ten-minute statistics from instants two minutes apart, with the ordinary faults of the demonstration; ends now.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from workbench.catalog import open_catalog
from workbench.simulate.fault_text import inject
from workbench.simulate.history import STATISTICS, past
from workbench.simulate.ordinary import ordinary_faults
from workbench.simulate.service import build_plants
from workbench.store import SiteStore

SITE, SEED, SUBSTEP = "sun_valley", 1, 120
NS, SLOT, PIECE = 1_000_000_000, 600, 10 * 86_400


def write(root: Path, days: int) -> None:
    """Piece by piece: the instants of a year would not fit into memory."""
    facts = open_catalog().portfolio.site(SITE)
    end = int(time.time()) // SLOT * SLOT
    begin = end - days * 86_400
    plants = build_plants({SITE: facts}, SEED, begin * NS)
    assets = {asset.id: asset.type for asset in facts.assets}
    inject(plants, ordinary_faults(assets, SEED, begin * NS, end * NS))
    store = SiteStore(root, SITE)
    for at in range(begin, end, PIECE):
        to = min(at + PIECE, end)
        # the last half hour at its own cadence too, so that there is something that is now
        fine = 1800 if to == end else 0
        for key, data in past(plants[SITE], at * NS, to * NS, fine=fine, substep=SUBSTEP).items():
            if key.cadence == STATISTICS or fine:
                store.import_dataset(key, data)
    store.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
