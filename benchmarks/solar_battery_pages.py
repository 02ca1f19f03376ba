"""The pages of solar plants and batteries in a browser: how long until one is seen, and until a change is answered.

A year of the simulated plant (8 inverters, 80 strings, 8 trackers, a battery of 48 cells), the page server a process of its own, a
real browser. A change is timed inside the browser, from the event of the select box (or the click) until what it changed has
been painted. The same while the server assesses anew is a figure of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, Watched, free_port
from benchmarks.pages import CHROMIUM
from benchmarks.wallboard import await_pages, resident_mb, start

#: A thirtieth, twelve days, does in a test of this module.
SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
DAYS = max(3, round(365 * SCALE))
ROUNDS = 9
SITE = "sun_valley"
#: What stands on a page when all has been assessed.
LAST = {"solar": "solar-loss-table", "battery": "warranty"}
#: Values are there, and the server answers.
LIVE = """document.getElementById('link')?.textContent === 'Live' && document.querySelector('.tiles') !== null
    && Boolean(window.workbench?.send)"""
#: Resolves with the milliseconds until the part of that name has other content and has been painted.
PAINTED = """
([box, part]) => {
  const holder = [...document.querySelectorAll('[id]')].find((one) => one.id.endsWith('-' + part));
  window.painted = new Promise((told) => {
    let began = 0;
    const begin = () => { began = performance.now() };
    box.addEventListener('change', begin, {once: true});
    box.addEventListener('click', begin, {once: true});
    new MutationObserver((_, watcher) => {
      if (!began) return;
      watcher.disconnect();
      requestAnimationFrame(() => setTimeout(() => told(performance.now() - began)));
    }).observe(holder, {childList: true, subtree: true, characterData: true});
  });
}
"""


def figures() -> Iterator[Figure]:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as store, contextlib.ExitStack() as ending:
        subprocess.run([sys.executable, "-m", "benchmarks._solar_year", store, str(DAYS)], check=True)
        port = free_port()
        root = f"http://127.0.0.1:{port}"
        server = start("benchmarks._pages_server", store, str(port), "2", ending=ending)
        await_pages(f"{root}/portfolio")
        playwright = ending.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        ending.callback(browser.close)
        for kind, address in (("solar", f"solar?site={SITE}"), ("battery", f"battery?site={SITE}")):
            process = Watched(server.pid)
            began = time.perf_counter()
            page, _ = opened(browser, f"{root}/{address}")
            page.wait_for_selector(f"[id$=-{LAST[kind]}] table", timeout=600_000)
            page.wait_for_function(
                LIVE, timeout=120_000
            )  # it loads anew then; until it is live its links are plain ones
            wall = time.perf_counter() - began
            process.look()
            note = f"{DAYS} days; CPU of the server {process.share * wall:.1f} s"
            yield Figure(f"{kind} page: first viewer, until all is assessed", wall, "s", note=note)
            yield from changes(kind, page)
            page.close()
            walls = []
            for _ in range(3):
                page, wall = opened(browser, f"{root}/{address}")
                walls.append(wall)
                page.close()
            yield Figure(f"{kind} page: until it is seen and live, once assessed", max(walls), "s", note=_walls(walls))
            yield Figure(f"{kind} page: memory of the server after it", resident_mb(server.pid), "MB")


def opened(browser: Any, url: str) -> tuple[Any, float]:
    """A page, and how long until it shows values that are live [s]."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_function(LIVE, timeout=120_000)
    return page, time.perf_counter() - began


def changes(kind: str, page: Any) -> Iterator[Figure]:
    """What a viewer may change."""
    if kind == "solar":
        for words in ("Period", "Inverter"):
            box = page.get_by_label(words, exact=True)
            options = [one.inner_text() for one in box.locator("option").all()]
            yield _waits(
                f"solar page: another {words.lower()}", [chosen(page, box, one, LAST[kind]) for one in _round(options)]
            )
        links = page.locator("[id$=-kpi-table] nav").first.locator("a")
        yield _waits(
            "solar page: another key figure",
            [clicked(page, links.nth(at % 6), "kpi-table") for at in range(1, ROUNDS + 1)],
        )
    else:
        links = page.locator("[id$=-cell-map] nav").first.locator("a")
        yield _waits(
            "battery page: cells by another quantity",
            [clicked(page, links.nth(at % 3), "cell-map") for at in range(1, ROUNDS + 1)],
        )


def _round(options: list[str]) -> list[str]:
    """Each time another than before."""
    return [options[at % len(options)] for at in range(1, ROUNDS + 1)]


def chosen(page: Any, box: Any, option: str, part: str) -> float:
    """Choose from a select box; the time until the part has been painted [s]."""
    page.evaluate(PAINTED, [box.element_handle(), part])
    box.select_option(option)
    return float(page.evaluate("window.painted")) / 1000


def clicked(page: Any, link: Any, part: str) -> float:
    """Follow a link that changes a part; the time until it has been painted [s]."""
    page.evaluate(PAINTED, [link.element_handle(), part])
    link.click()
    return float(page.evaluate("window.painted")) / 1000


def _waits(name: str, walls: list[float]) -> Figure:
    return Figure(name, max(walls), "s", target=0.5, note=_walls(walls))


def _walls(walls: list[float]) -> str:
    return "the slowest of " + ", ".join(f"{wall:.3f}" for wall in walls)
