"""The page of solar plants, in a browser, on the store that lives."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_a_plant_is_live_and_an_inverter_is_a_click_away(visit):
    page = visit("solar?site=sun_valley")
    page.wait_for_selector(".tiles.six", timeout=60_000)
    assert page.inner_text("h1") == "Sun Valley"
    assert page.get_attribute("nav.pages a[aria-current=page]", "href") == "solar"
    assert "640" in page.inner_text(".tiles.six")  # the irradiance
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("td.head a >> text=SV-INV03")
    page.wait_for_function("document.querySelector('h1')?.textContent === 'SV-INV03'", timeout=60_000)
    assert page.problems == []
    outside = [url for url in page.requests if "127.0.0.1" not in url and "localhost" not in url]
    assert [url for url in outside if url.startswith("http")] == []


def test_what_is_not_there_is_told(visit):
    page = visit("solar?site=sun_valley&asset=SV-NONE")
    assert "No asset is called SV-NONE" in page.inner_text("main")
    page.click("a.chip >> text=SV-INV01")
    page.wait_for_function("document.querySelector('h1')?.textContent === 'SV-INV01'", timeout=60_000)
