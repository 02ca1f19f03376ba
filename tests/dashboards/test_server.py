"""The server of the pages: what it serves when something is missing or wrong."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from bokeh.client import pull_session
from bokeh.models import ImportedStyleSheet

from workbench.display.server import create_server
from workbench.model.errors import InputError
from workbench.project import Project


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.status, answer.url, answer.read().decode()


@pytest.fixture
def project(tmp_path, checkout):
    for face in ("catalogs", "dashboards"):
        shutil.copytree(checkout / face, tmp_path / "mine" / face)
    return Project(tmp_path / "mine")


def test_root_leads_to_the_portfolio_and_assets_are_served(pages):
    root = pages.url.rsplit("/", 1)[0]
    status, url, html = get(root + "/")
    assert (status, url) == (200, pages.url)
    assert "Portfolio" in html
    for name in ("workbench.css", "workbench.js", "icon.svg"):
        assert get(f"{root}/assets/{name}")[0] == 200
    with pytest.raises(urllib.error.HTTPError):
        get(f"{root}/assets/../theme.py")


def test_the_first_html_has_the_values_already(pages):
    html = get(pages.url)[2]
    assert "NR-T03" in html
    assert "<i>MW</i>" in html


def test_an_empty_store_says_what_to_run(project):
    with create_server(project) as server:
        assert server.live.wait(30)
        html = get(server.url)[2]
    assert "Nothing has been collected yet" in html
    assert "workbench demo" in html
    assert "workbench collect" in html
    assert not project.store.exists()  # looking creates nothing


def test_a_page_of_ones_own_with_an_error_tells_file_and_line(project):
    (project.dashboards / "mine.py").write_text("x = 1\n\nnumber = 1 / 0\n")
    (project.dashboards / "broken.py").write_text("def (:\n")
    with create_server(project) as server:
        root = server.url.rsplit("/", 1)[0]
        assert server.live.wait(30)
        mine, broken = get(f"{root}/mine")[2], get(f"{root}/broken")[2]
        (project.dashboards / "mine.py").write_text(
            "from workbench.display import Page, Part, live_view\n"
            "page = Page('Mine', live_view())\n"
            "page.row(Part('hello', lambda now: f'<p>{len(now.sites)} sites</p>', title='Hello'))\n"
            "page.show()\n"
        )
        mended = get(f"{root}/mine")[2]
    assert "mine.py:3" in mine
    assert "ZeroDivisionError" in mine
    assert "broken.py:1" in broken
    assert "SyntaxError" in broken
    assert "<p>5 sites</p>" in mended


def test_no_pages_and_a_taken_port_are_input_errors(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be served"):
            create_server(project, port=taken.getsockname()[1])
    shutil.rmtree(project.dashboards)
    project.dashboards.mkdir()
    with pytest.raises(InputError, match="no pages"):
        create_server(project)


def test_the_command_prints_a_hash_and_never_the_password():
    from workbench.display.access import check_password

    def ask(password):
        command = [sys.executable, "-m", "workbench", "dashboards", "password"]
        return subprocess.run(command, input=password + "\n", capture_output=True, text=True, timeout=60)

    done = ask("correct horse")
    assert done.returncode == 0
    assert check_password("correct horse", done.stdout.strip())
    assert "horse" not in done.stdout + done.stderr
    short = ask("short")
    assert short.returncode == 2
    assert "at least 8" in short.stderr


def test_the_command_refuses_to_serve_everybody_unless_said_twice():
    command = [sys.executable, "-m", "workbench", "dashboards", "--no-browser", "--address", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--without-sign-in" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["performance?site=la_haute_borne", "site?site=nowhere"])
def test_a_session_made_anew_without_a_page_asks_nothing_elsewhere(pages, address):
    # so it is where a browser connects after the session of its page has ended: on a slow machine, after a sleep
    root = pages.url.rsplit("/", 1)[0]
    name, _, query = address.partition("?")
    session = pull_session(url=f"{root}/{name}", arguments=dict([query.split("=")]))
    try:
        sheets = [one for top in session.document.roots for one in top.select({"type": ImportedStyleSheet})]
        assert sheets
        assert [sheet.url for sheet in sheets if urlsplit(sheet.url).netloc] == []
    finally:
        session.close()
