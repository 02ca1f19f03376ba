"""The demonstration's plants, as a process: makes a past, writes it to the store, then serves the present.

Past and present come from the same simulated sites, so that the live ticks go on where the history ended.
What it has to say it says as JSON lines on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from workbench.model.errors import InputError
from workbench.model.samples import NS, Event, SeriesKey
from workbench.simulate.history import STATISTICS
from workbench.store import Records, SiteStore

if TYPE_CHECKING:
    import xarray as xr

#: Hours of the past kept at the full cadence; what is older has ten-minute statistics only.
FULL_HOURS = 3
#: Seconds the past reaches beyond now at last: what writing that last piece and starting the servers may take.
AHEAD = 5


def write_history(plants: Mapping[str, Any], store: Path, start: int, end: int) -> int:
    """Write the past of every plant over [``start``, ``end``) [ns] to the store; returns the number of values.

    Ten-minute statistics for all of it, the series at full cadence for its last hours.
    """
    return _write(store, {site: _Past(plant, start, end) for site, plant in plants.items()})


def bridge(plants: Mapping[str, Any], store: Path, start: int) -> int:
    """Write what happened while the past was being written, so that it meets the first live tick.

    Returns the number of values. Making and writing it takes a moment too, hence twice: the second time
    there are only seconds left.
    """
    values = 0
    for ahead in (0, AHEAD):
        end = (time.time_ns() // NS + ahead) * NS
        values += sum(
            _import(store, site, data) for site, plant in plants.items() for data in [plant.history(start, end, "1s")]
        )
        start = end
    time.sleep(max(0.0, start / 1e9 - time.time() - 0.5))
    return values


@dataclass
class _Past:
    plant: Any
    start: int
    end: int

    def make(self) -> dict[SeriesKey, xr.Dataset]:
        made: dict[SeriesKey, xr.Dataset] = self.plant.past(self.start, self.end, fine=FULL_HOURS * 3600)
        return made


def _write(store: Path, pasts: Mapping[str, _Past]) -> int:
    """Make the past of one site while other processes write those of the ones before."""
    # Writing takes twice as long as making; more writers than processors would only be in each other's way.
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), multiprocessing.get_context("spawn")) as writer:
        written = [writer.submit(_import, store, site, past.make()) for site, past in pasts.items()]
        return sum(job.result() for job in written)


def _import(root: Path, site: str, data: Mapping[SeriesKey, xr.Dataset]) -> int:
    store = SiteStore(root, site)
    for key, block in data.items():
        store.import_dataset(key, block)
    store.close()
    records = Records(root / "records.sqlite")
    records.add_events(past_events(site, data))
    records.close()
    return sum(int(block[name].size) for block in data.values() for name in block.data_vars)


def past_events(site: str, data: Mapping[SeriesKey, xr.Dataset]) -> list[Event]:
    """Changes of state in the past: to the second where there are seconds, to ten minutes before."""
    from workbench.collect import changes_in

    fine = {key.asset_type: block for key, block in data.items() if key.cadence != STATISTICS}
    events = []
    for key, block in data.items():
        if key.cadence == STATISTICS and key.asset_type in fine:
            begin = fine[key.asset_type]["time"].values[0]
            block = block.sel(time=block["time"] <= begin)
        events += changes_in(site, key, block)
    return events


async def serve(service: Any, linger: float) -> None:
    """Serve until SIGTERM; then stop ticking at once and stop answering after ``linger`` [s]."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.request_stop)
    await service.start()
    say(event="serving", endpoints=sorted({f"{e.entry} at {e.address}" for e in service.endpoints()}))
    try:
        await service.run()
        await asyncio.sleep(linger)
    finally:
        await service.stop()


def say(**what: Any) -> None:
    """Tell the parent."""
    sys.stdout.write(orjson.dumps(what).decode() + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Put a remark into the log."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the plants until told to stop."""
    from workbench.catalog import open_catalog
    from workbench.catalog.served import live_entries
    from workbench.logs import configure_logs
    from workbench.simulate.fault_text import FaultFile, inject, parse_fault
    from workbench.simulate.ordinary import ordinary_faults
    from workbench.simulate.service import SimulationService, build_plants
    from workbench.simulate.truth import TruthLog

    parser = argparse.ArgumentParser(prog="python -m workbench.demo.plant", description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history-days", type=float, default=30.0)
    parser.add_argument("--linger", type=float, default=3.0)
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--calm", action="store_true")
    options = parser.parse_args(arguments)
    configure_logs()
    began = time.monotonic()
    try:
        catalog = open_catalog()
        entries = live_entries(catalog)
        sites = {site: catalog.portfolio.site(site) for site in sorted({entry.site for entry in entries})}
        end = time.time_ns() // NS * NS
        begin = end - int(options.history_days * 86_400) * NS
        begin -= begin % (600 * NS)
        plants = build_plants(sites, options.seed, begin)
        inject(plants, [parse_fault(text, end) for text in options.fault])
        if not options.calm:
            for site in plants:
                assets = {asset.id: asset.type for asset in sites[site].assets}
                inject(plants, ordinary_faults(assets, options.seed, begin, end))
        followed = None if options.faults is None else FaultFile(options.faults, plants, complain)
        if followed is not None:
            followed.load(end)
        values = write_history(plants, options.store, begin, end)
        values += bridge(plants, options.store, end)
        say(event="history", values=values, seconds=round(time.monotonic() - began, 1))
        each = None if followed is None else followed.look
        service = SimulationService(plants, entries, truth=TruthLog(options.truth), each=each)
        asyncio.run(serve(service, options.linger))
    except InputError as error:
        complain(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
