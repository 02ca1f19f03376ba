"""``workbench simulate``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.simulate.service import Endpoint, SimulationService


def simulate(
    seed: Annotated[int, typer.Option(help="The same seed gives the same weather and the same plants.")] = 1,
    site: Annotated[list[str] | None, typer.Option(help="Only this site; may be repeated.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Write down there what is served (an empty or new folder).")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="Inject a fault, such as hot_bearing:NR-T03:25; may be repeated.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="YAML file with a list of faults; followed while it runs.", metavar="FILE")
    ] = None,
    duration: Annotated[str | None, typer.Option("--for", help="End by itself after so long, such as 60s.")] = None,
    host: Annotated[
        str | None, typer.Option(help="Listen there instead of on this machine only. Mind: no passwords.")
    ] = None,
    broker: Annotated[str, typer.Option(help="MQTT broker: auto, mosquitto or amqtt.")] = "auto",
) -> None:
    """Run the simulated plants and their protocol servers alone.

    Real servers (OPC UA, Modbus TCP, Modbus RTU over TCP, MQTT) stand at the addresses that the catalogs
    name, so that any client can connect. Runs until Ctrl-C or SIGTERM.

    Where a port is taken, choose another through the environment variable in the catalog:
    `WORKBENCH_MODBUS_SUN_VALLEY=127.0.0.1:16022 workbench simulate`

    A fault is kind:asset[:magnitude], with variable=…, ramp=10min, after=30s, for=5min where wanted. Kinds:
    hot_bearing [K], stuck_sensor, soiled_string [share lost], outage, curtailment [share left],
    pitch_offset [degree], yaw_misalignment [degree]. With --truth, faults.jsonl tells what was done.
    A line added to the file of --faults while it runs injects that fault at once; one taken out ends it.

    Example: `workbench simulate --site north_ridge --seed 7 --for 10min`
    """
    import asyncio
    import sys
    import time

    from workbench.model.errors import InputError
    from workbench.model.samples import NS
    from workbench.model.time import parse_duration

    if broker not in ("auto", "mosquitto", "amqtt"):
        raise InputError("no such broker", where="--broker", found=broker, expected="auto, mosquitto or amqtt")
    seconds = None if duration is None else parse_duration(duration).ns / 1e9
    from workbench.catalog import open_catalog
    from workbench.catalog.served import live_entries

    catalog = open_catalog()
    entries = live_entries(catalog, site)

    # the models and the protocol libraries take seconds to import: not before the input is known to be right
    from workbench.simulate.fault_text import FaultFile, inject, parse_fault
    from workbench.simulate.service import SimulationService, build_plants
    from workbench.simulate.truth import TruthLog

    quiet_libraries()
    names = list(dict.fromkeys(entry.site for entry in entries))
    sites = {name: catalog.portfolio.sites[name] for name in names}

    async def run() -> SimulationService:
        start = time.time_ns() // NS * NS
        plants = build_plants(sites, seed, start)
        inject(plants, [parse_fault(text, start) for text in fault or ()])
        followed = None if faults is None else FaultFile(faults, plants, lambda text: print(text, file=sys.stderr))
        if followed is not None:
            followed.load(start)
        service = SimulationService(
            plants,
            entries,
            truth=None if truth is None else TruthLog(truth),
            broker=broker,  # type: ignore[arg-type]
            host=host,
            each=None if followed is None else followed.look,
        )
        await run_service(service, seconds)
        return service

    status = asyncio.run(run()).status
    skipped = f", {status.skipped} seconds skipped" if status.skipped else ""
    print(f"Served {status.values:,} values in {status.ticks} ticks{skipped}.")


async def run_service(service: SimulationService, seconds: float | None) -> None:
    """Start ``service``, tell where it is, run it until a signal or for ``seconds``, and stop it."""
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.request_stop)
    await service.start()
    try:
        show_endpoints(service.endpoints())
        await service.run(seconds)
    finally:
        await service.stop()


def show_endpoints(endpoints: Iterable[Endpoint]) -> None:
    """What stands where, a line per entry, and how a foreign client asks for it."""
    groups: dict[tuple[str, str], list[Endpoint]] = {}
    for end in endpoints:
        groups.setdefault((end.entry, end.address), []).append(end)
    rows = [("entry", "address", "assets", "variables")]
    for (entry, address), ends in groups.items():
        first, last = ends[0], ends[-1]
        assets = f"{first.asset} ({first.place})" + (f" … {last.asset} ({last.place})" if len(ends) > 1 else "")
        rows.append((entry, address, assets, str(first.variables)))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + f"  {row[3]:>9}")
    examples: dict[str, str] = {}
    for ends in groups.values():
        scheme = ends[0].address.partition("://")[0]
        examples.setdefault(scheme, _example(scheme, ends[0]))
    print("\nAsk with another client:")
    for example in examples.values():
        print(f"  {example}")
    print("\nCtrl-C ends it.", flush=True)


def _example(scheme: str, end: Endpoint) -> str:
    host, _, port = end.address.partition("://")[2].partition("/")[0].rpartition(":")
    place = end.place.partition(" ")[2]
    if scheme == "modbus-tcp":
        return f"mbpoll -m tcp -p {port} -a {place} -0 -r 0 -c 20 -1 {host}"
    if scheme == "modbus-rtu-over-tcp":
        return (
            f"socat pty,raw,link=/tmp/rtu tcp:{host}:{port} & mbpoll -m rtu -P none -a {place} -0 -r 0 -c 8 -1 /tmp/rtu"
        )
    if scheme == "mqtt":
        return f"mosquitto_sub -h {host} -p {port} -t '{place}' -v"
    return f"uals -u {end.address} -d 4"


def quiet_libraries() -> None:
    """Keep what protocol libraries say about other people's clients off the screen."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("amqtt", "asyncua", "pymodbus", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
