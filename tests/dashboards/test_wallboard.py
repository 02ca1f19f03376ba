"""The wallboard: what goes over the wire, and what a browser shows when something stops."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import shutil
import threading
import time
from urllib.parse import urlsplit

import pytest

from workbench.display.server import create_server
from workbench.project import Project


def ask(server, path="/wallboard/snapshot", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.fixture
def project(tmp_path, checkout):
    for face in ("catalogs", "dashboards"):
        shutil.copytree(checkout / face, tmp_path / "mine" / face)
    return Project(tmp_path / "mine")


@pytest.fixture
def board(plant, project):
    """A server with a live view of its own, so that it may be broken."""
    with create_server(project, store=plant.root, idle=3.0) as server:
        assert server.live.wait(60)
        yield server


@pytest.fixture
def open_board(browser):
    opened = []

    def open_page(server, *, width=1366, height=768, every=1):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.requests, page.problems, page.sockets = [], [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.on("websocket", lambda socket: page.sockets.append(socket.url))
        opened.append(page)
        page.goto(f"http://127.0.0.1:{server.port}/wallboard?every={every}")
        page.wait_for_function("document.getElementById('link').textContent === 'Live'", timeout=60_000)
        return page

    yield open_page
    for page in opened:
        page.close()


def stale(page, timeout=40_000):
    page.wait_for_function("!document.getElementById('stale').hidden", timeout=timeout)
    return page.inner_text("#stale")


# -- over the wire --------------------------------------------------------------------------------------


def test_the_snapshot_is_packed_once_and_the_same_for_all(board):
    status, headers, packed = ask(board, Accept_Encoding="gzip")
    assert status == 200
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Vary"] == "Accept-Encoding"
    content = json.loads(gzip.decompress(packed))
    assert any("NR-T03" in part["all"] for part in content["parts"].values())
    assert abs(int(headers["Server-Time"]) - time.time() * 1000) < 5000
    plain = ask(board)[2]
    assert json.loads(plain)["parts"].keys() == content["parts"].keys()
    assert len(packed) < len(plain) / 3


def test_who_has_it_already_gets_nothing_again(board):
    end = threading.Event()
    board.live.look = lambda: end.wait(60) and board.live.now  # the data stands still
    time.sleep(1.5)
    status, headers, _ = ask(board)
    assert status == 200
    again, later, body = ask(board, If_None_Match=headers["Etag"])
    assert (again, body) == (304, b"")
    assert int(later["Server-Time"]) >= int(headers["Server-Time"])
    assert ask(board, If_None_Match='W/"another"')[0] == 200
    end.set()


def test_many_who_ask_make_one_producer(board):
    ask(board)
    looks, made = board.live.now.tick, board.producer.made
    answers = [ask(board, Accept_Encoding="gzip")[0] for _ in range(100)]
    assert answers == [200] * 100
    # As many as there were looks meanwhile, however many asked; and there is no session.
    assert board.producer.made - made <= board.live.now.tick - looks + 1
    assert board.live.statistics()["pages"] == 1


def test_the_page_is_complete_without_its_script(board):
    status, headers, body = ask(board, "/wallboard")
    assert status == 200
    html = body.decode()
    assert "NR-T03" in html
    assert "<i>MW</i>" in html
    assert "no-cache" in headers["Cache-Control"]
    assert "bokeh" not in html.lower()


def test_an_older_project_without_the_file_has_a_wallboard_too(project, plant):
    (project.dashboards / "wallboard.py").unlink()
    with create_server(project, store=plant.root) as server:
        assert server.live.wait(60)
        assert ask(server, "/wallboard")[0] == 200


def test_a_wallboard_with_an_error_tells_file_and_line(project, plant):
    (project.dashboards / "wallboard.py").write_text("x = 1\n\nnumber = 1 / 0\n")
    with create_server(project, store=plant.root) as server:
        assert server.live.wait(60)
        status, _, body = ask(server, "/wallboard")
        assert status == 500
        assert "wallboard.py:3" in body.decode()
        assert ask(server)[0] == 500


# -- in a browser ---------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1366, 768)])
def test_it_fills_a_wall_screen_without_websocket_or_a_request_elsewhere(open_board, pages, width, height):
    page = open_board(pages, width=width, height=height)
    page.wait_for_selector(".plot path.net", state="attached", timeout=30_000)
    page.wait_for_timeout(2500)
    assert page.sockets == []
    assert {urlsplit(url).hostname for url in page.requests if url.startswith("http")} == {"127.0.0.1"}
    assert sum("snapshot" in url for url in page.requests) >= 2
    assert page.problems == []
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [width, height]
    for section in page.query_selector_all("main section"):  # nothing is cut off or pushed out
        box = section.bounding_box()
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
        assert section.evaluate("one => one.scrollHeight <= one.clientHeight + 1")
    assert "Portfolio needs attention" in page.inner_text(".verdict")


@pytest.mark.browser
def test_on_a_phone_it_scrolls_as_pages_do(open_board, pages):
    page = open_board(pages, width=390, height=844)
    page.wait_for_selector(".plot path.net", state="attached", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = [section.bounding_box() for section in page.query_selector_all(".rest section")]
    assert all(a["y"] + a["height"] <= b["y"] for a, b in itertools.pairwise(boxes))
    assert page.locator(".plot").bounding_box()["height"] > 150


@pytest.mark.browser
def test_values_follow_the_plant(open_board, pages, plant):
    page = open_board(pages)
    before = page.inner_text(".tile.big .figure b")
    plant.power = 2222.0
    try:
        page.wait_for_function(
            f"document.querySelector('.tile.big .figure b').innerText !== '{before}'", timeout=15_000
        )
    finally:
        plant.power = 1500.0


@pytest.mark.browser
def test_without_the_network_it_says_stale_and_the_age_counts_up(open_board, pages):
    page = open_board(pages)
    page.context.set_offline(True)
    said = stale(page)
    assert "No connection to the server" in said
    assert page.inner_text("#link") == "Stale"
    assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "grayscale(1)"
    seconds = [page.evaluate("parseFloat(document.querySelector('#stale strong').textContent.match(/[\\d.]+/)[0])")]
    page.wait_for_timeout(2500)
    seconds.append(page.evaluate("parseFloat(document.querySelector('#stale strong').textContent.match(/[\\d.]+/)[0])"))
    assert seconds[1] >= seconds[0] + 1.5
    assert page.evaluate("document.documentElement.scrollHeight") == 768  # the banner has found room
    page.context.set_offline(False)
    page.wait_for_function("document.getElementById('stale').hidden", timeout=15_000)
    assert page.inner_text("#link") == "Live"


@pytest.fixture
def hasty(monkeypatch):
    """Stale after three seconds, not fifteen."""
    monkeypatch.setattr("workbench.display.wallboard.STALE", 3.0)


@pytest.mark.browser
def test_a_producer_that_stopped_is_told(open_board, hasty, board):
    page = open_board(board)
    end = threading.Event()
    board.live.look = lambda: end.wait(90) and board.live.now
    try:
        assert "no longer looks at its data" in stale(page)
    finally:
        end.set()


@pytest.mark.browser
def test_a_collector_that_stopped_is_told(open_board, hasty, plant, board):
    page = open_board(board)
    kept = plant.append
    plant.append = lambda second: None
    try:
        said = stale(page)
    finally:
        plant.append = kept
    assert "Nothing new is collected" in said
    assert "Stale for" in said
    page.wait_for_function("document.getElementById('stale').hidden", timeout=20_000)


@pytest.mark.browser
def test_a_server_that_is_gone_is_told(open_board, plant, project):
    with create_server(project, store=plant.root, idle=3.0) as server:
        assert server.live.wait(60)
        page = open_board(server)
    assert "No connection to the server" in stale(page)


@pytest.mark.browser
def test_pages_lead_to_it_and_it_to_them(visit, pages):
    page = visit("portfolio")
    page.click(".pages a:has-text('Wallboard')")
    page.wait_for_selector("html.wall")
    page.click(".pages a:has-text('Portfolio')")
    page.wait_for_function("document.getElementById('link')?.textContent === 'Live'", timeout=60_000)


@pytest.mark.browser
def test_a_clock_that_is_wrong_makes_nothing_stale(browser, pages):
    page = browser.new_page()
    page.add_init_script("const real = Date.now; Date.now = () => real() - 7200000;")
    page.goto(f"http://127.0.0.1:{pages.port}/wallboard?every=1")
    page.wait_for_timeout(4000)  # Playwright's own waiting goes by the clock that is wrong
    assert page.inner_text("#stale") == ""
    assert page.inner_text("#link") == "Live"
    assert page.locator(".val.stale").count() < page.locator(".val").count() / 2
    page.close()
