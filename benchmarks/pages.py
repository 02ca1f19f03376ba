"""Live pages: 20 open at 1 s updates on one core, and 1,000 openings and closings.

The plant, the server (``workbench dashboards``, held to one core) and the viewers are processes of their own. 19 of the
viewers speak the pages' protocol over real websockets, as BokehJS does; one is a real browser. The delay of an update
is from the server's look at the store until the news has arrived: in the browser, until it is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks._page_viewers import Viewer
from benchmarks.figures import Figure, Watched, free_port
from benchmarks.wallboard import await_pages, resident_mb, start, watch

OPEN, SECONDS = 20, 60
OPENINGS, FIRST, AT_ONCE = 1000, 100, 2
ADDRESSES = (
    "portfolio",
    "site?site=north_ridge",
    "site?site=sun_valley",
    "asset?site=north_ridge&asset=NR-T01",
    "sources",
)
CHROMIUM = Path("/usr/bin/chromium")
#: Wraps what takes news in the browser: how long after the look it has been shown.
HOOK = """
window.delays = [];
const wait = setInterval(() => {
  if (!window.workbench?.take) return;
  clearInterval(wait);
  const take = window.workbench.take;
  window.workbench.take = (news) => {
    take(news);
    requestAnimationFrame(() => window.delays.push(Date.now() - news.now));
  };
}, 1);
"""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as store, contextlib.ExitStack() as ending:
        port = free_port()
        root = f"http://127.0.0.1:{port}"
        start("benchmarks._plant", store, ending=ending, wait=True)
        server = start("benchmarks._pages_server", store, str(port), "2", ending=ending)
        os.sched_setaffinity(server.pid, {0})
        for thread in Path(f"/proc/{server.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), {0})
        await_pages(f"{root}/portfolio")
        for address in ADDRESSES:  # what a first page loads is loaded
            await_pages(f"{root}/{address}")
        time.sleep(8)
        yield from many_open(root, server.pid)
        time.sleep(8)
        yield from many_openings(root, server.pid)


def many_open(root: str, pid: int) -> Iterator[Figure]:
    """20 pages at once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.add_init_script(HOOK)
        page.goto(f"{root}/{ADDRESSES[0]}")
        page.wait_for_function("document.getElementById('link')?.textContent === 'Live'", timeout=60_000)
        with ThreadPoolExecutor(1) as helper:  # Playwright keeps a loop running in this thread
            opened_all = threading.Event()
            others = helper.submit(lambda: asyncio.run(watched(root, opened_all)))
            opened_all.wait(120)
            page.evaluate("window.delays.length = 0")
            server = Watched(pid)
            watch(server, SECONDS)
            shown = np.array(page.evaluate("window.delays")) / 1000
            delays = np.array(others.result(120))
        browser.close()
    assert delays.size
    assert shown.size
    about = f"{delays.size:,} updates of {OPEN - 1} pages over {SECONDS} s, server held to one core"
    yield Figure("20 pages open, update delay, p95", round(float(np.percentile(delays, 95)), 3), "s", 1.0, note=about)
    note = f"{shown.size} updates, drawn"
    yield Figure("the same in a browser, p95", round(float(np.percentile(shown, 95)), 3), "s", 1.0, note=note)
    yield Figure("the same, longest", round(float(max(delays.max(), shown.max())), 3), "s")
    yield Figure("the server meanwhile", round(server.share, 3), "core")


async def watched(root: str, opened_all: threading.Event) -> list[float]:
    """Open all pages but one, watch them, and give the delays of their updates after they were open."""
    viewers, watching = [], []
    for i in range(OPEN - 1):
        viewer = Viewer(root, ADDRESSES[i % len(ADDRESSES)])
        await viewer.open()
        viewers.append(viewer)
        watching.append(asyncio.create_task(viewer.watch()))
    await asyncio.sleep(3)
    for viewer in viewers:
        viewer.delays.clear()
    opened_all.set()
    ended, _ = await asyncio.wait(watching, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
    for task in ended:
        task.result()  # a page that was closed meanwhile is a failure
    for task in watching:
        task.cancel()
    for viewer in viewers:
        viewer.close()
    return [delay for viewer in viewers for delay in viewer.delays]


def many_openings(root: str, pid: int) -> Iterator[Figure]:
    """Pages opened and left, one after the other and two at a time."""
    began = time.monotonic()
    asyncio.run(opened(root, FIRST))
    first = settled(pid)
    asyncio.run(opened(root, OPENINGS - FIRST))
    last = settled(pid)
    note = f"{first:.1f} MB after the first {FIRST}, {last:.1f} MB after {OPENINGS:,}"
    change = 100 * (last - first) / first
    yield Figure("1,000 openings and closings, memory", round(change, 2), "%", 1.0, note=note)
    yield Figure("an opening", round((time.monotonic() - began) / OPENINGS, 3), "s", note=f"{AT_ONCE} at a time")


async def opened(root: str, count: int) -> None:
    """Open and leave so many pages."""
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for i in left:
            viewer = Viewer(root, ADDRESSES[i % len(ADDRESSES)])
            await viewer.open()
            viewer.close()

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


def settled(pid: int) -> float:
    """Memory once the pages that were left are let go: the median of some looks [MB]."""
    time.sleep(8)
    looks = []
    for _ in range(10):
        looks.append(resident_mb(pid))
        time.sleep(0.5)
    return float(np.median(looks))
