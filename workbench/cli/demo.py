"""``workbench demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.demo.ages import AgeWatch
    from workbench.demo.run import Demo
    from workbench.demo.summary import DemoSummary


def demo(
    seconds: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="End by itself after, say, 60s, 10min or PT1H.")
    ] = "",
    browser: Annotated[bool, typer.Option(help="Open the portfolio page when it is ready.")] = True,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the summary there as JSON.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same plants and weather.")] = 1,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where store, truth and logs go; emptied if an earlier demo's.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the pages, on the loopback address; 0 takes a free one.")
    ] = 5006,
    pages: Annotated[bool, typer.Option(help="Serve the live pages.")] = True,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND:ASSET[:…]", help="A fault to inject, as in `workbench simulate`; may be repeated."),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with a list of faults; followed while it runs.")
    ] = None,
    calm: Annotated[bool, typer.Option("--calm", help="Without the faults that any month brings.")] = False,
    history_days: Annotated[float, typer.Option(min=0, help="Days of past to make before it starts.")] = 30.0,
    any_ports: Annotated[bool, typer.Option(help="Use free ports even where the usual ones are free.")] = False,
) -> None:
    """A simulated portfolio live in the browser, nothing to configure.

    Two wind farms and a solar plant with a battery, simulated, speak OPC UA, Modbus TCP, Modbus RTU over
    TCP and MQTT on the loopback address. The collector reads them each second, the pages show them. At the
    end the store is compared with what the simulator wrote down, value by value. Ends with 1 where a value
    was lost, is wrong, or is there twice.

    In its past, and now, things go wrong as in any month: an outage, an order to curtail, a warm bearing.

    Example: workbench demo --for 60s --no-browser --json summary.json
    """
    from workbench.cli._console import console as screen
    from workbench.demo.run import Demo, DemoOptions, default_folder
    from workbench.model.time import parse_duration

    console = screen()
    duration = parse_duration(seconds).timedelta.total_seconds() if seconds else None
    options = DemoOptions(
        folder=folder or default_folder(),
        seed=seed,
        duration=duration,
        history_days=history_days,
        port=port,
        pages=pages,
        faults=tuple(fault or ()),
        fault_file=faults,
        calm=calm,
        prefer_default_ports=not any_ports,
    )
    running = Demo(options, tell=lambda line: console.print(line, highlight=False))
    failed = None
    with _stops_on_sigterm() as nothing_interrupts:
        try:
            running.start()
        except KeyboardInterrupt:
            nothing_interrupts()
            console.print("Stopped before it was ready.")
            running.end_children()
            raise typer.Exit(1) from None
        watch = None
        try:
            watch = _watch_ages(running)
            _welcome(running, console, browser=browser, duration=duration)
            failed = _show_until_done(running, watch, console, duration)
        except KeyboardInterrupt:
            console.print()
        nothing_interrupts()
        console.print("Stopping: the last values are read, then store and truth are compared …")
        if watch is not None:
            watch.stop()
        summary = running.stop(_ages(running, watch) if watch is not None else None)
    _report(summary, console)
    if json is not None:
        import orjson

        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(orjson.dumps(summary.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
    if failed:
        console.print(f"[red]{failed} ended by itself:[/] see {running.logs / (failed + '.log')}")
    _farewell(running, console)
    if failed or not summary.well:
        raise typer.Exit(1)


def _welcome(running: Demo, console: Console, *, browser: bool, duration: float | None) -> None:
    from workbench.demo.run import open_browser

    if running.url:
        console.print(f"\n[bold]Open {running.url}[/]" if not browser else f"\n[bold]{running.url}[/]")
        if browser and not open_browser(running.url):
            console.print("(no screen here to open a browser on)")
    console.print("Ctrl-C ends it.\n" if duration is None else f"Ends by itself in {duration:g} s.\n")


def _farewell(running: Demo, console: Console) -> None:
    """Where what was collected can be looked at."""
    from workbench.project import find_project

    store = running.store
    if find_project().store.absolute() == store.absolute():
        console.print("\nIt is there until the next demo: [bold]workbench store info[/], or the notebooks.")
    else:
        console.print(
            f"\nIt is there until the next demo: [bold]WORKBENCH_STORE={store} workbench store info[/]", soft_wrap=True
        )


def _stops_on_sigterm() -> Any:
    """Within it SIGTERM is as good as Ctrl-C; after calling what it gives, neither breaks the orderly end."""
    import contextlib
    import signal

    numbers = (signal.SIGINT, signal.SIGTERM)

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def guard() -> Any:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        before = {number: signal.signal(number, interrupt) for number in numbers}
        try:
            yield ignore
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return guard()


def _watch_ages(running: Demo) -> AgeWatch:
    from workbench.demo.ages import AgeWatch
    from workbench.store import LiveRing, SiteStore

    rings = {}
    for site in running.healths():
        rings[site] = LiveRing(SiteStore(running.store, site), seconds=60)
        rings[site].load()
    watch = AgeWatch(rings)
    watch.start()
    return watch


def _ages(running: Demo, watch: AgeWatch) -> dict[str, tuple[float, float]]:
    from workbench.model.samples import SeriesKey

    found = {"all": watch.percentiles()}
    for site, health in running.healths().items():
        for name, source in health["sources"].items():
            found[name] = watch.percentiles(site=site, series=SeriesKey.parse(source["series"]))
    return found


def _show_until_done(running: Demo, watch: AgeWatch, console: Console, duration: float | None) -> str | None:
    """Show a line per source until the time is over or a part has failed (its name is returned)."""
    import time

    from rich.live import Live

    end = None if duration is None else time.monotonic() + duration
    shown = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while end is None or time.monotonic() < end:
            if failed := running.failed():
                return failed
            if console.is_terminal:
                live.update(_table(running), refresh=True)
            elif time.monotonic() - shown > 10:
                shown = time.monotonic()
                console.print(_line(running, watch))
            time.sleep(1.0 if end is None else max(0.0, min(1.0, end - time.monotonic())))
    return None


def _table(running: Demo) -> Any:
    import time

    from rich.table import Table

    now = time.time_ns()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("source", "protocol"):
        table.add_column(column)
    for column in ("devices", "samples", "newest", "errors"):
        table.add_column(column, justify="right")
    for health in running.healths().values():
        for name, source in health["sources"].items():
            devices = source["devices"].values()
            newest = max((device["last_time"] for device in devices), default=0)
            table.add_row(
                name,
                source["protocol"],
                f"{len(devices)}",
                f"{sum(device['samples'] for device in devices):,}",
                f"{(now - newest) / 1e9:.1f} s ago" if newest else "-",
                f"{sum(device['errors'] for device in devices)}",
            )
    return table


def _line(running: Demo, watch: AgeWatch) -> str:
    healths = running.healths().values()
    rate = sum(health["collector"]["values_per_s"] for health in healths)
    values = sum(health["collector"]["values"] for health in healths)
    p50, p99 = watch.percentiles()
    ages = f", age p50 {p50:.2f} s, p99 {p99:.2f} s" if p50 == p50 else ""  # NaN before the first has come
    return f"{values:,} values, {rate:,.0f}/s{ages}"


def _report(summary: DemoSummary, console: Console) -> None:
    from rich.table import Table

    table = Table(title="What was collected", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("source", "protocol", "series"):
        table.add_column(column)
    for column in ("values", "lost", "wrong", "twice", "flagged", "errors", "age p50", "age p99"):
        table.add_column(column, justify="right")

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f} s"

    for row in summary.sources:
        table.add_row(
            row["source"],
            row["protocol"],
            row["series"],
            f"{row['values']:,}",
            *(f"[red]{row[name]:,}[/]" if row[name] else "0" for name in ("lost", "wrong", "duplicates")),
            f"{row['flagged']:,}",
            f"{row['errors']:,}",
            seconds(row["age_p50_s"]),
            seconds(row["age_p99_s"]),
        )
    console.print(table)
    verdict = "[green]nothing lost, nothing twice[/]" if summary.well else "[red]not every value is as it was sent[/]"
    console.print(
        f"\n{summary.values:,} values in {summary.seconds:g} s: {verdict} "
        f"(lost {summary.lost:,}, wrong {summary.wrong:,}, twice {summary.duplicates:,}, late {summary.late:,})"
    )
    console.print(
        f"age from device to a reader's live ring: median {summary.age_p50_s:.2f} s, 99 % within "
        f"{summary.age_p99_s:.2f} s; store: {summary.store_bytes_per_value:.2f} bytes per value"
    )
    for line in summary.examples:
        console.print(f"  {line}", highlight=False)
