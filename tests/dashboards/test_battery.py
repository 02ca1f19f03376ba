"""The page of batteries, in a browser, on the store that lives."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1366])
def test_what_is_measured_is_live_and_what_cannot_be_assessed_is_said(visit, width):
    page = visit("battery?site=sun_valley", width=width)
    page.wait_for_selector(".tiles.six", timeout=60_000)
    assert "State of charge" in page.inner_text(".tiles.six")
    assert "55.0" in page.inner_text(".tiles.six")
    assert page.inner_text("h1") == "SV-BESS"
    assert page.get_attribute("nav.pages a[aria-current=page]", "href") == "battery"
    page.wait_for_selector("[data-reload], .start, .tiles.six >> nth=1", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.problems == []
    outside = [url for url in page.requests if "127.0.0.1" not in url and "localhost" not in url]
    assert [url for url in outside if url.startswith("http")] == []


def test_a_battery_that_is_not_there_is_told(visit):
    page = visit("battery?site=sun_valley&battery=SV-NONE")
    assert "No battery is called SV-NONE" in page.inner_text("main")
    page.click("a.chip >> text=SV-BESS")
    page.wait_for_function("document.querySelector('h1')?.textContent === 'SV-BESS'", timeout=60_000)
