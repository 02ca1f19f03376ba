"""The demonstration's plants, as a process: makes a past, writes it to the store, then serves the present.

Past and present come from the same simulated sites, so that the live ticks go on where the history ended.
What it has to say it says as JSON lines on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
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
AHEAD = 6
#: Seconds of it for starting the servers.
STARTING = 2


@contextmanager
def writers() -> Iterator[Executor]:
    """Processes that write to the stores, a site each at a time, while the past of the next is being made."""
    # Writing takes several times as long as making; more writers than processors would only be in each other's way.
    number = min(2, os.cpu_count() or 1)
    pool = ProcessPoolExecutor(number, multiprocessing.get_context("spawn"))
    try:
        for _ in range(number):
            pool.submit(_load)
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # nothing waits for processes to end that have done their work


def write_history(pool: Executor, plants: Mapping[str, Any], store: Path, start: int, end: int) -> int:
    """Write the past of every plant over [``start``, ``end``) [ns] to the store; returns the number of values.

    Ten-minute statistics for all of it, the series at full cadence for its last hours.
    """
    fine = FULL_HOURS * 3600
    jobs = [pool.submit(_import, store, site, plant.past(start, end, fine=fine)) for site, plant in plants.items()]
    return sum(job.result() for job in jobs)


def bridge(pool: Executor, plants: Mapping[str, Any], store: Path, start: int) -> int:
    """Write what happened since ``start`` [ns], while the past was being written, so that it meets the first live tick.

    Returns the number of values. Making and writing it takes a moment too, hence it reaches a little ahead of now;
    where that moment was longer, once more.
    """
    values, ahead = 0, AHEAD
    while start < time.time_ns() + STARTING * NS:
        began = time.monotonic()
        end = (time.time_ns() // NS + ahead) * NS
        jobs = [
            pool.submit(_import, store, site, plant.history(start, end, "1s")) for site, plant in plants.items()
        ]  # fmt: skip
        values += sum(job.result() for job in jobs)
        start = end
        ahead = max(AHEAD, STARTING + math.ceil(1.5 * (time.monotonic() - began)))
    time.sleep(max(0.0, start / 1e9 - time.time() - 0.5))
    return values


def _load() -> None:
    """Load what writing needs, before there is anything to write."""
    import workbench.collect
    import workbench.store.importing  # noqa: F401


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
        with writers() as pool:
            plants = build_plants(sites, options.seed, begin)
            inject(plants, [parse_fault(text, end) for text in options.fault])
            if not options.calm:
                for site in plants:
                    assets = {asset.id: asset.type for asset in sites[site].assets}
                    inject(plants, ordinary_faults(assets, options.seed, begin, end))
            followed = None if options.faults is None else FaultFile(options.faults, plants, complain)
            if followed is not None:
                followed.load(end)
            values = write_history(pool, plants, options.store, begin, end)
            values += bridge(pool, plants, options.store, end)
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
