"""A store that lives: a past, a thread that appends each second, health as a collector writes it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
import pytest
import xarray as xr

from workbench.display.server import PageServer, create_server
from workbench.model.samples import NS, Batch, Event, SeriesKey, Shape
from workbench.model.vocabulary import vocabulary
from workbench.project import Project
from workbench.store import Records, SiteStore

CHROMIUM = Path("/usr/bin/chromium")


def status(variable, state):
    return float(vocabulary()[variable].states[state])


FLEET = {
    ("north_ridge", "wind_turbine"): [f"NR-T0{i}" for i in range(1, 7)],
    ("north_ridge", "grid_meter"): ["NR-GRID"],
    ("north_ridge", "met_mast"): ["NR-MAST"],
    ("sun_valley", "inverter"): [f"SV-INV0{i}" for i in range(1, 9)],
    ("sun_valley", "irradiance_sensor"): ["SV-PYR01"],
    ("sun_valley", "battery"): ["SV-BESS"],
}
VALUES = {
    "wind_turbine": {
        "power_output": 1500.0,
        "wind_speed": 8.5,
        "wind_direction": 240.0,
        "nacelle_position": 238.0,
        "gearbox_oil_temp": 58.0,
        "energy_production_today": 9000.0,
        "turbine_status": status("turbine_status", "generating"),
    },
    "grid_meter": {"active_power": 8000.0, "grid_frequency": 60.01},
    "met_mast": {"wind_speed": 8.7, "wind_direction": 241.0, "temperature": 11.0},
    "inverter": {
        "total_ac_power": 500.0,
        "energy_today": 2000.0,
        "operating_state": status("operating_state", "running"),
    },
    "irradiance_sensor": {"irradiance_poa": 640.0, "module_temperature": 35.0},
    "battery": {
        "active_power": -300.0,
        "state_of_charge": 55.0,
        "battery_status": status("battery_status", "charging"),
    },
}
FAULTY, SILENT = "NR-T03", "SV-INV05"


class Plant(threading.Thread):
    """Appends a second of samples each second, and writes health."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.stores = {site: SiteStore(root, site) for site, _ in FLEET}
        self.ends = threading.Event()
        self.power = 1500.0
        self._past()

    def values(self, asset: str, kind: str) -> list[float]:
        found = dict(VALUES[kind])
        if kind == "wind_turbine":
            found["power_output"] = self.power
        if asset == FAULTY:
            found |= {"power_output": -9.0, "turbine_status": status("turbine_status", "fault")}
        return list(found.values())

    def _past(self) -> None:
        end = int(time.time()) // 600 * 600
        times = ((end - 600 * np.arange(150, 0, -1)) * NS).astype("datetime64[ns]")
        for (site, kind), assets in FLEET.items():
            table = np.array([self.values(asset, kind) for asset in assets])
            data = xr.Dataset(
                {
                    name: (("time", "asset"), np.tile(table[:, i], (times.size, 1)))
                    for i, name in enumerate(VALUES[kind])
                },
                coords={"time": times, "asset": assets},
            )
            self.stores[site].import_dataset(SeriesKey(kind, "10min"), data)
        now = int(time.time())
        for back in range(30, 0, -1):
            self.append(now - back, silent=back < 20)
        Records(self.root / "records.sqlite").add_events(
            [Event("north_ridge", FAULTY, (now - 60) * NS, "alarm", "A-1", "active", "Gearbox is <hot>", "high")]
        )

    def append(self, second: int, *, silent: bool = True) -> None:
        for (site, kind), assets in FLEET.items():
            live = [asset for asset in assets if not (silent and asset == SILENT)]
            names = tuple(VALUES[kind])
            shape = Shape(SeriesKey(kind, "1s"), names, tuple(vocabulary()[name].dtype for name in names))
            stamp = np.full(len(live), second * NS, np.int64)
            rows = np.array([self.values(asset, kind) for asset in live])
            order = np.arange(len(live), dtype=np.int32)
            ones = np.ones(len(live), np.uint16)
            self.stores[site].journal.append([Batch(shape, tuple(live), stamp, order, stamp, stamp, ones, rows)])
        for site in self.stores:
            self._health(site, second)

    def _health(self, site: str, second: int) -> None:
        def device(asset: str) -> dict:
            down = asset == SILENT
            return {
                "state": "down" if down else "ok",
                "last_time": (second - 300 if down else second) * NS,
                "last_received": (second - 300 if down else second) * NS,
                "samples": 10,
                "values": 100,
                "bad": 0,
                "errors": 3 if down else 0,
                "last_error": "no answer" if down else "",
                "reconnects": 0,
            }

        sources = {
            f"{at}.{kind}": {"protocol": "modbus", "series": f"{kind}/1s", "devices": {a: device(a) for a in assets}}
            for (at, kind), assets in FLEET.items()
            if at == site
        }
        content = {
            "time": time.time_ns(),
            "collector": {
                "pid": 1,
                "started": second * NS,
                "values_per_s": 42.0,
                "waiting": 0,
                "values": 1000,
                "late": 0,
            },
            "sources": sources,
        }
        draft = self.root / site / "health.tmp"
        draft.write_bytes(orjson.dumps(content))
        draft.replace(self.root / site / "health.json")

    def run(self) -> None:
        while not self.ends.wait(1.0 - time.time() % 1.0):
            self.append(int(time.time()))

    def stop(self) -> None:
        self.ends.set()
        self.join(5)
        for store in self.stores.values():
            store.close()


@pytest.fixture(scope="package")
def plant(tmp_path_factory):
    plant = Plant(tmp_path_factory.mktemp("plant"))
    plant.start()
    yield plant
    plant.stop()


# As long as the tests of this folder: nothing is served while other rooms are tested.
@pytest.fixture(scope="package")
def pages(plant, checkout, test_data) -> PageServer:
    with create_server(Project(checkout), store=plant.root, idle=3.0) as server:
        assert server.live.wait(60)
        yield server


# Playwright keeps a loop running in this thread while it is open: no longer than the tests that need it.
@pytest.fixture(scope="module")
def browser(require):
    require(CHROMIUM.exists(), "no Chromium at /usr/bin/chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def visiting(browser, pages):
    """Gives what opens pages, and closes them."""
    opened = []

    def open_page(address, *, width=1366, height=768, server=None, live=True):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.requests, page.problems = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        opened.append(page)
        root = (server or pages).url.rsplit("/", 1)[0]
        page.goto(f"{root}/{address}")
        if live:
            page.wait_for_function("document.getElementById('link')?.textContent === 'Live'", timeout=60_000)
        return page

    yield open_page
    for page in opened:
        page.close()


@pytest.fixture
def visit(browser, pages):
    """``visit("site?site=north_ridge", width=390)``: a page that is live, its requests and errors recorded."""
    with visiting(browser, pages) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def stay(browser, pages):
    """As ``visit``, for a page that several tests look at one after the other."""
    with visiting(browser, pages) as open_page:
        yield open_page
