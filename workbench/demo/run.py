"""Runs the demonstration: plants, collector and pages as processes of their own, and the reckoning at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from workbench.demo.addresses import demo_environment, free_port, is_free
from workbench.demo.processes import Child
from workbench.demo.summary import DemoSummary, summarise
from workbench.model.errors import InputError, did_you_mean

MARK = ".workbench-demo"  #: only a folder with this file in it is ever emptied
DEFAULT_PORT = 5006
#: Seconds the servers go on answering after the last tick, so that it can still be read.
LINGER = 3.0


@dataclass
class DemoOptions:
    """What the demonstration is to do."""

    folder: Path  #: store, truth and logs go there; emptied at the start if it is an earlier demo's
    seed: int = 1
    duration: float | None = None  #: seconds; None runs until told to stop
    history_days: float = 30.0
    port: int = DEFAULT_PORT
    pages: bool = True
    faults: tuple[str, ...] = ()
    fault_file: Path | None = None  #: followed while it runs
    calm: bool = False  #: without the ordinary faults of a month
    prefer_default_ports: bool = True
    start_timeout: float = 600.0  #: [s] a guard against what hangs; a busy machine may take minutes


@dataclass
class Demo:
    """The demonstration. ``start``, then ``stop`` once: it returns the summary.

    ``tell`` is called with a line whenever something worth saying happens.
    """

    options: DemoOptions
    tell: Callable[[str], None] = print
    children: dict[str, Child] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    began_ns: int = 0
    history: dict[str, Any] = field(default_factory=dict)
    _lock: IO[str] | None = None

    @property
    def store(self) -> Path:
        """Root of the demo's store."""
        return self.options.folder / "store"

    @property
    def truth(self) -> Path:
        """Folder in which the simulator writes down what it serves."""
        return self.options.folder / "truth"

    @property
    def logs(self) -> Path:
        """Folder of the children's logs."""
        return self.options.folder / "logs"

    # -- start ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and return when the pages answer and every source has been started.

        Raises
        ------
        InputError
            A fault is wrong, the folder is not a demo's or one runs in it, or a part did not start; its log is
            quoted.
        """
        check_faults(self.options)
        self._lock = prepare_folder(self.options.folder)
        self.environment = demo_environment(prefer_defaults=self.options.prefer_default_ports)
        self.environment["WORKBENCH_STORE"] = str(self.store)
        try:
            self._start_plant()
            # The collector comes first when processors are few: pages can wait, devices do not.
            self.children["collector"] = Child(
                "collector",
                ["-m", "workbench", "collect", "--store", str(self.store)],
                log=self.logs / "collector.log",
                environment=self.environment,
            )
            if self.options.pages:
                self._start_pages()
            self._wait_for(self._collecting, "collector", "the collector reads every source")
            # Last and least: what pipelines make of the statistics may come a little later.
            self.children["pipelines"] = Child(
                "pipelines",
                ["-m", "workbench", "schedule", "--kind", "pipeline"],
                log=self.logs / "pipelines.log",
                environment=self.environment,
                nice=10,
            )
            self.began_ns = time.time_ns()
            if self.options.pages:
                self._wait_for(self._answering, "pages", "the pages answer")
        except BaseException:
            self.end_children()
            raise

    def _start_plant(self) -> None:
        options = self.options
        self.tell(f"Making a past of {options.history_days:g} days for three sites (seed {options.seed}) …")
        arguments = ["-m", "workbench.demo.plant", "--store", str(self.store), "--truth", str(self.truth)]
        arguments += ["--seed", str(options.seed), "--history-days", str(options.history_days)]
        arguments += ["--linger", str(LINGER)]
        for fault in options.faults:
            arguments += ["--fault", fault]
        if options.fault_file is not None:
            arguments += ["--faults", str(options.fault_file)]
        if options.calm:
            arguments += ["--calm"]
        plant = Child(
            "plants", arguments, log=self.logs / "plants.log", environment=self.environment, stdout=subprocess.PIPE
        )
        self.children["plants"] = plant
        assert plant.process.stdout is not None  # noqa: S101
        patience = threading.Timer(options.start_timeout, plant.process.kill)
        patience.daemon = True
        patience.start()
        try:
            for line in plant.process.stdout:  # ends when the child does
                said = orjson.loads(line)
                if said["event"] == "history":
                    self.history = said
                    self.tell(f"  {said['values']:,} values in {said['seconds']:.1f} s")
                elif said["event"] == "serving":
                    self.tell("Serving: " + ", ".join(said["endpoints"]))
                    return
        finally:
            patience.cancel()
        raise self._did_not_start(plant, "the simulated plants")

    def _start_pages(self) -> None:
        port = self.options.port or free_port()
        if not is_free(port):
            if port != DEFAULT_PORT:
                raise InputError("the port is taken", where="--port", found=port, hint="choose another")
            port = free_port()
        self.url = f"http://127.0.0.1:{port}/portfolio"
        self.children["pages"] = Child(
            "pages",
            ["-m", "workbench", "dashboards", "--no-browser", "--port", str(port), "--store", str(self.store)],
            log=self.logs / "pages.log",
            environment=self.environment,
            nice=5,
        )

    def _wait_for(self, there: Callable[[], bool], child: str, what: str) -> None:
        deadline = time.monotonic() + self.options.start_timeout
        while not there():
            if not self.children[child].running or time.monotonic() > deadline:
                raise self._did_not_start(self.children[child], what)
            time.sleep(0.1)

    def _did_not_start(self, child: Child, what: str) -> InputError:
        return InputError(
            f"the demo did not get to where {what}", file=child.log, found="\n" + child.tail(), hint="see the whole log"
        )

    def _collecting(self) -> bool:
        states = [
            device["samples"]
            for health in self.healths().values()
            for source in health["sources"].values()
            for device in source["devices"].values()
        ]
        return bool(states) and all(states)

    def _answering(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:  # noqa: S310  our own loopback server
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    # -- while it runs --------------------------------------------------------------------------------

    def healths(self) -> dict[str, dict[str, Any]]:
        """Newest health per site."""
        from workbench.collect import read_health

        found = {path.parent.name: read_health(path.parent) for path in sorted(self.store.glob("*/health.json"))}
        return {site: health for site, health in found.items() if health is not None}

    def failed(self) -> str | None:
        """Name of a part that has ended by itself, if one has."""
        return next((name for name, child in self.children.items() if not child.running), None)

    # -- the end --------------------------------------------------------------------------------------

    def stop(self, ages: dict[str, Any] | None = None) -> DemoSummary:
        """End everything in order, so that nothing served stays unread, and compare with the truth."""
        ended = time.time_ns()
        plants = self.children.get("plants")
        if plants is not None and plants.running:
            # It stops ticking at once and goes on answering for LINGER seconds.
            plants.process.terminate()
            time.sleep(LINGER - 1.0)
        healths = self.healths()
        codes = self.end_children()
        return summarise(
            store=self.store,
            truth=self.truth,
            began_ns=self.began_ns,
            ended_ns=ended,
            healths=healths,
            ages=ages or {},
            exit_codes=codes,
            history_values=int(self.history.get("values", 0)),
        )

    def end_children(self) -> dict[str, int]:
        """End what was started, readers before what they read from; returns exit codes."""
        order: list[str] = [name for name in ("pages", "pipelines", "collector", "plants") if name in self.children]
        codes: dict[str, int] = {name: self.children[name].end() for name in order}
        stdout = self.children["plants"].process.stdout if "plants" in self.children else None
        if stdout is not None:
            stdout.close()
        if self._lock is not None:
            self._lock.close()
        return codes


def check_faults(options: DemoOptions) -> None:
    """Look at the faults before anything is touched; raises InputError for one that cannot be."""
    if not options.faults and options.fault_file is None:
        return
    from workbench.catalog import open_portfolio
    from workbench.simulate.fault_text import load_faults, parse_fault
    from workbench.simulate.faults import KINDS

    assets = {asset.id: asset.type for asset in open_portfolio().assets()}
    faults = [parse_fault(text, 0) for text in options.faults]
    faults += [] if options.fault_file is None else load_faults(options.fault_file, 0)
    for fault in faults:
        fitting = KINDS[fault.kind].asset_types
        known = [asset for asset, kind in assets.items() if "*" in fitting or kind in fitting]
        if fault.asset not in known:
            raise InputError(
                f"{fault.kind} cannot happen to {fault.asset}" if fault.asset in assets else "no such asset",
                where="--fault",
                found=fault.asset,
                expected=", ".join(known),
                hint=did_you_mean(fault.asset, known),
            )


def prepare_folder(folder: Path) -> IO[str]:
    """Make ``folder`` an empty demo folder; an earlier demo's is emptied, anything else is refused.

    Returns the lock that keeps another demo from it until it is closed.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise InputError(
            "this folder holds something that no demo made",
            file=folder,
            expected="an empty or new folder, or an earlier demo's",
            hint="choose another with --dir",
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / MARK).open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip().rpartition(" ")[2]
        lock.close()
        raise InputError(
            "a demo runs in this folder",
            file=folder,
            found=f"process {owner}",
            hint="end it with Ctrl-C first, or choose another folder with --dir",
        ) from None
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARK:
            path.unlink()
    lock.truncate(0)
    lock.write(f"Made by `workbench demo`, which empties this folder when it starts. Process {os.getpid()}\n")
    lock.flush()
    return lock


def default_folder() -> Path:
    """Where the demo keeps its store unless told otherwise."""
    from workbench.project import find_project

    return find_project().demo


def open_browser(url: str) -> bool:
    """Show ``url`` in the user's browser, where there is a screen to show it on."""
    import webbrowser

    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(url)
