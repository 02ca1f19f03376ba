"""The pages in a browser, over a store that lives."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser

ADDRESSES = (
    "portfolio",
    "site?site=north_ridge",
    "site?site=sun_valley",
    "site?site=la_haute_borne",
    "asset?site=north_ridge&asset=NR-T01",
    "asset?site=sun_valley&asset=SV-BESS&tag=state_of_charge&range=24h",
    "sources",
    "performance?site=la_haute_borne",
    "solar",
    "solar?site=sun_valley",
    "battery?site=sun_valley",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_request_leaves_the_machine_and_nothing_overflows(visit, address):
    page = visit(address)
    # once what takes longer is there the page loads anew
    page.wait_for_function(
        "![...document.querySelectorAll('.start h2')].some(one => /^(Assessing|Reading|Ready)/.test(one.textContent))"
        " && document.getElementById('link')?.textContent === 'Live'",
        timeout=120_000,
    )
    page.wait_for_timeout(1500)
    hosts = {urlsplit(url).hostname for url in page.requests if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {"127.0.0.1"}
    assert any("inter.woff2" in url for url in page.requests)
    assert page.problems == []
    for width, height in ((1366, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_font_is_the_one_we_ship(visit):
    page = visit("portfolio")
    assert page.evaluate("document.fonts.check('13px Inter')")


def test_the_first_line_says_what_is_wrong(visit):
    page = visit("portfolio")
    said = page.inner_text(".verdict")
    assert "Portfolio needs attention" in said
    assert re.search(r"NR-T03\s+Fault", said)
    assert re.search(r"SV-INV05\s+Stale", said)
    assert "2 of 18 assets abnormal" not in said  # assets the portfolio knows but nobody ever heard count too
    states = page.eval_on_selector_all(".matrix .hit", "all => all.map(one => one.getAttribute('aria-label'))")
    assert "Fault: NR-T03" in states
    assert "Stale: SV-INV05" in states


def test_three_clicks_from_portfolio_to_tag(visit):
    page = visit("portfolio")
    page.click("table.cards a:has-text('North Ridge')")
    page.wait_for_selector(".asset:has-text('NR-T01')")
    page.click(".asset:has-text('NR-T01')")
    page.wait_for_selector(".tag")
    page.wait_for_function("document.getElementById('link').textContent === 'Live'")
    page.click(".tag:has-text('Gearbox oil temperature')")
    page.wait_for_selector(".headline:has-text('gearbox_oil_temp')")
    assert "58.0" in page.inner_text(".headline .figure")
    assert "tag=gearbox_oil_temp" in page.url
    crumbs = page.eval_on_selector_all(".crumbs li", "all => all.map(one => one.textContent)")
    assert crumbs == ["Portfolio", "North Ridge", "NR-T01"]


def test_values_follow_the_plant(visit, plant):
    page = visit("asset?site=north_ridge&asset=NR-T02")
    page.wait_for_selector(".headline .figure:has-text('1,500')")
    plant.power = 2222.0
    try:
        page.wait_for_selector(".headline .figure:has-text('2,222')", timeout=15_000)
    finally:
        plant.power = 1500.0
    page.wait_for_selector(".headline .figure:has-text('1,500')", timeout=15_000)


def test_stale_looks_stale_with_its_age(visit):
    page = visit("site?site=sun_valley")
    card = page.locator(".asset", has_text="SV-INV05")
    assert "stale" in card.locator(".val").first.get_attribute("class")
    assert "stale" in card.locator(".age").get_attribute("class")
    fresh = page.locator(".asset", has_text="SV-INV01")
    assert "stale" not in fresh.locator(".val").first.get_attribute("class")


def test_every_value_has_a_unit_or_a_word_and_a_time(visit):
    page = visit("asset?site=north_ridge&asset=NR-T01")
    rows = page.eval_on_selector_all(
        ".tag",
        "all => all.map(row => [row.querySelector('.val').innerText, row.querySelector('time').dataset.t])",
    )
    assert len(rows) == 7
    assert all(re.search(r"[^\d.,\u2212\s]", text) and int(at) > 0 for text, at in rows)


def test_range_is_chosen_in_place(visit):
    page = visit("asset?site=north_ridge&asset=NR-T01&tag=power_output")
    page.click(".choices a:has-text('24 h')")
    page.wait_for_selector(".headline:has-text('wind_turbine/10min')", timeout=20_000)
    assert page.get_attribute(".choices a:has-text('24 h')", "aria-current") == "true"
    assert "range=24h" in page.url


def test_choosing_many_tags_leaves_no_parts_behind(visit, pages):
    page = visit("asset?site=north_ridge&asset=NR-T01")
    page.wait_for_selector(".tag")
    deadline = time.monotonic() + 30
    while pages.live.statistics()["pages"] > 1 and time.monotonic() < deadline:
        time.sleep(0.2)  # the pages of the tests before are let go
    before = pages.live.statistics()["parts"]
    for name in ("Wind speed", "Gearbox oil temperature", "Turbine status", "Wind speed"):
        page.click(f".tag:has-text('{name}')")
        page.wait_for_selector(f".headline h2:has-text('{name}')")
    assert pages.live.statistics()["parts"] == before


def test_figures_say_that_an_asset_is_missing_from_them(visit):
    page = visit("site?site=sun_valley")
    assert page.inner_text(".tile.big .partial") == "8 of 9 reporting"  # an inverter is silent
    assert visit("portfolio").inner_text(".tile.big .partial") == "14 of 15 reporting"


@pytest.mark.parametrize("width", [390, 360])
def test_on_a_phone_the_clock_covers_no_title(visit, width):
    page = visit("asset?site=north_ridge&asset=NR-MAST", width=width, height=844)
    title, clock = (page.locator(one).bounding_box() for one in ("h1", ".clock"))
    apart = title["y"] >= clock["y"] + clock["height"] or title["x"] + title["width"] <= clock["x"]
    assert apart


def test_tags_are_searched_from_the_keyboard(visit):
    page = visit("asset?site=north_ridge&asset=NR-T01")
    page.keyboard.press("/")
    page.keyboard.type("wind sp")
    shown = page.locator(".tag:not([hidden])")
    assert shown.count() == 1
    assert "Wind speed" in shown.first.inner_text()
    page.wait_for_timeout(2500)  # news arrives; the search stays, and so does the focus
    assert shown.count() == 1
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.press("Escape")
    assert page.locator(".tag:not([hidden])").count() == 7


def test_records_are_shown_as_text(visit):
    page = visit("portfolio")
    assert "Gearbox is <hot>" in page.inner_text("main")


def test_data_health_names_the_silent_device(visit):
    page = visit("sources")
    assert "Some data does not arrive" in page.inner_text(".verdict")
    row = page.locator("tr", has_text="SV-INV05")
    assert "down" in row.inner_text()
    assert "no answer" in row.inner_text()


def test_unknown_site_and_asset_say_what_there_is(visit):
    assert "North Ridge" in visit("site?site=nort_ridge").inner_text("main")
    page = visit("asset?site=north_ridge&asset=T99")
    assert "No asset is called T99" in page.inner_text("main")
    assert "NR-T01" in page.inner_text("main")


def test_a_page_that_is_left_costs_nothing_any_more(visit, pages):
    page = visit("portfolio")
    assert pages.live.statistics()["pages"] >= 1
    page.goto("about:blank")
    deadline = time.monotonic() + 30
    while pages.live.statistics()["pages"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert pages.live.statistics() == {"pages": 0, "parts": 0}
