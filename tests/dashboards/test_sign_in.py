"""Signing in, over the wire and in a browser: who gets what, and who does not."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
from http.cookies import SimpleCookie
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from workbench.display.access import hash_password
from workbench.display.gate import COOKIE
from workbench.display.server import create_server
from workbench.model.errors import InputError
from workbench.project import Project

_spec = spec_from_file_location("oidc", Path(__file__).with_name("oidc.py"))
oidc = module_from_spec(_spec)
_spec.loader.exec_module(oidc)

PASSWORD = "correct horse"
ACTION = """
from workbench.display import Page, Part, live_view, markup
view = live_view()
page = Page("Action", view)
page.on("stop", lambda wish: done.append(wish), needs="operator")
done = []
page.row(Part("link", lambda now: markup.ask("Stop", {"do": "stop"}, "action"), about=("action",)))
page.row(Part("done", lambda now: f"<p id=done>{len(done)}</p>", about=(str(id(done)),)))
page.show()
"""


class Client:
    """A browser without a screen: keeps cookies, follows nothing by itself."""

    def __init__(self, port):
        self.port, self.cookies = port, {}

    def ask(self, path, method="GET", form=None, **headers):
        if "://" in path:
            parts = urlsplit(path)
            host, port, path = parts.hostname, parts.port, f"{parts.path}?{parts.query}"
        else:
            host, port = "127.0.0.1", self.port
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies and port == self.port:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            method, given["Content-Type"] = "POST", "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            connection.request(method, path, body=urlencode(form) if form else None, headers=given)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value:
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
        return answer.status, answer.headers, body.decode("utf-8", "replace")

    def sign_in(self, name, password=PASSWORD, following="/portfolio"):
        return self.ask("/login", form={"username": name, "password": password, "next": following})

    def websocket(self, page="portfolio", token="x", origin=None):
        """The first line of the answer to a raw handshake, without what a browser would add."""
        lines = [
            f"GET /{page}/ws HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: bokeh, {token}",
            f"Origin: {origin or f'http://127.0.0.1:{self.port}'}",
        ]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw:
            raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            return raw.recv(4096).decode("latin-1").splitlines()[0]


@pytest.fixture(scope="module")
def make_project(tmp_path_factory, checkout):
    def make(text):
        root = tmp_path_factory.mktemp("mine")
        for face in ("catalogs", "dashboards"):
            shutil.copytree(checkout / face, root / face)
        (root / "access.yaml").write_text(text)
        (root / "dashboards" / "control.py").write_text(
            'needs = "operator"\n' + (checkout / "dashboards" / "sources.py").read_text()
        )
        (root / "dashboards" / "action.py").write_text(ACTION)
        return Project(root)

    return make


@pytest.fixture(scope="module")
def server(make_project, plant):
    hashed = hash_password(PASSWORD)
    people = "".join(f"  {name}: {{password: '{hashed}', role: {role}}}\n" for name, role in (("vera", "viewer"), ("olaf", "operator"), ("adam", "admin")))  # fmt: skip
    with create_server(make_project(f"users:\n{people}"), store=plant.root, idle=3.0) as server:
        assert server.live.wait(60)
        yield server


@pytest.fixture
def client(server):
    return Client(server.port)


def token_of(html):
    return re.search(r'"token":"([^"]+)"', html)[1]


# -- nobody ---------------------------------------------------------------------------------------------


def test_pages_ask_nobody_in_to_sign_in(client):
    for path in ("/portfolio", "/site?site=north_ridge", "/sources", "/wallboard"):
        status, headers, body = client.ask(path)
        assert status == 302
        assert "/login?next=" in headers["Location"] or "./login?next=" in headers["Location"]
        assert "NR-T03" not in body
    assert client.ask("/login")[0] == 200
    assert client.ask("/assets/workbench.css")[0] == 200


def test_a_websocket_without_a_session_is_refused(client, server):
    assert client.websocket().startswith("HTTP/1.1 403")
    client.cookies[COOKIE] = "2|1:0|10:1700000000|9:workbench|4:e30=|0123"
    assert client.websocket().startswith("HTTP/1.1 403")
    # Not with the token of somebody's page either, as long as the cookie is missing.
    vera = Client(server.port)
    vera.sign_in("vera")
    token = token_of(vera.ask("/portfolio")[2])
    assert Client(server.port).websocket(token=token).startswith("HTTP/1.1 403")
    assert vera.websocket(token=token).startswith("HTTP/1.1 101")


def test_nothing_live_is_given_to_nobody(client):
    status, _, body = client.ask("/wallboard/snapshot")
    assert (status, body) == (403, "Sign in first.")
    assert client.ask("/portfolio/autoload.js?bokeh-autoload-element=x")[0] in (302, 403)
    assert client.ask("/portfolio/metadata")[0] in (302, 403)


def test_another_site_cannot_open_a_websocket_with_the_browsers_cookie(client):
    client.sign_in("vera")
    token = token_of(client.ask("/portfolio")[2])
    assert client.websocket(token=token, origin="http://elsewhere.example.org").startswith("HTTP/1.1 403")


# -- with a password ------------------------------------------------------------------------------------


def test_signing_in_leads_to_the_page_that_was_asked_for(client):
    status, headers, _ = client.sign_in("vera", following="/site?site=north_ridge")
    assert (status, headers["Location"]) == (302, "/site?site=north_ridge")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    status, _, body = client.ask("/site?site=north_ridge")
    assert status == 200
    assert "NR-T01" in body
    assert "vera" in body
    assert client.cookies[COOKIE] not in body  # the page's token carries no cookie
    assert client.ask("/wallboard/snapshot")[0] == 200


def test_a_wrong_password_and_an_unknown_name_are_told_alike(client):
    first, second = client.sign_in("vera", "wrong"), client.sign_in("nobody", "wrong")
    assert (first[0], second[0]) == (401, 401)
    assert "Name or password is wrong." in first[2]
    assert first[2].replace("vera", "nobody") == second[2]
    assert COOKIE not in client.cookies


def test_guessing_is_slowed_down(client):
    answers = [client.sign_in("mallory", f"guess {i}")[0] for i in range(7)]
    assert answers == [401] * 5 + [429] * 2
    assert client.sign_in("vera")[0] == 302  # others are not held up


@pytest.mark.parametrize("following", ["https://elsewhere.example.org/", "//elsewhere.example.org", "\\\\elsewhere"])
def test_signing_in_leads_nowhere_else(client, following):
    status, headers, _ = client.sign_in("vera", following=following)
    assert status == 400 or headers["Location"].startswith("/portfolio")
    assert "elsewhere" not in (headers["Location"] or "")


def test_signing_out_forgets(client):
    client.sign_in("vera")
    assert client.ask("/portfolio")[0] == 200
    assert "Signed out" in client.ask("/logout")[2]
    assert client.ask("/portfolio")[0] == 302


# -- roles ----------------------------------------------------------------------------------------------


def test_a_page_is_open_to_the_role_it_declares_and_to_those_above(server):
    for name, status in (("vera", 403), ("olaf", 200), ("adam", 200)):
        client = Client(server.port)
        client.sign_in(name)
        answered, _, body = client.ask("/control")
        assert answered == status, name
        assert ("needs the role operator" in body) == (status == 403)
        token = "x" if status == 403 else token_of(body)
        assert client.websocket("control", token).split()[1] == ("403" if status == 403 else "101")


def test_a_wallboard_declares_its_role_too(make_project, plant):
    project = make_project(f"users:\n  vera: {{password: '{hash_password(PASSWORD)}'}}\n")
    file = project.dashboards / "wallboard.py"
    file.write_text(file.read_text() + 'needs = "operator"\n')
    with create_server(project, store=plant.root) as server:
        client = Client(server.port)
        client.sign_in("vera")
        for path in ("/wallboard", "/wallboard/snapshot"):
            status, _, body = client.ask(path)
            assert (status, "needs operator" in body) == (403, True)
            assert "NR-T03" not in body


@pytest.mark.browser
def test_an_action_is_done_for_who_may_and_refused_to_who_may_not(browser, server):
    for name, done in (("vera", "0"), ("olaf", "1")):
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/action")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_function("document.getElementById('link')?.textContent === 'Live'", timeout=60_000)
        assert page.inner_text(".who").startswith(name)
        page.click("a[data-ask]")
        if done == "1":
            page.wait_for_selector("#done:has-text('1')", timeout=15_000)
        else:
            page.wait_for_selector(".notice:has-text('needs the role operator')", timeout=15_000)
            assert page.inner_text("#done") == "0"
        context.close()


@pytest.mark.browser
def test_a_wallboard_whose_sign_in_ends_asks_for_it(browser, server):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/wallboard?every=1")
    assert "/login" in page.url
    page.fill("input[name=username]", "vera")
    page.fill("input[name=password]", PASSWORD)
    page.click("button")
    page.wait_for_function("document.getElementById('link')?.textContent === 'Live'", timeout=60_000)
    context.clear_cookies()
    page.wait_for_selector("input[name=password]", timeout=15_000)
    context.close()


@pytest.mark.browser
def test_an_open_page_gets_nothing_more_when_the_sign_in_ends(browser, make_project, plant):
    hashed = hash_password(PASSWORD)
    with create_server(
        make_project(f"hours: 0.003\nusers:\n  vera: {{password: '{hashed}'}}\n"), store=plant.root
    ) as server:
        assert server.live.wait(60)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/portfolio")
        page.fill("input[name=username]", "vera")
        page.fill("input[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_function("document.getElementById('link')?.textContent === 'Live'", timeout=60_000)
        page.wait_for_selector("input[name=password]", timeout=30_000)
        assert server.live.statistics()["pages"] == 0
        page.close()


# -- an identity provider -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def provider():
    with oidc.Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def federated(make_project, plant, provider):
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_SECRET_PROVIDER", oidc.SECRET)
    text = f"oidc:\n  issuer: {provider.issuer}\n  client: {oidc.CLIENT}\n  secret: ${{secret:provider}}\n  groups: {{control-room: operator}}\n"
    with create_server(make_project(text), store=plant.root, idle=3.0) as server:
        assert server.live.wait(60)
        yield server
    patch.undo()


@pytest.fixture
def honest(provider):
    person = dict(provider.person)
    yield provider
    provider.person, provider.spoil = person, {}


def through(client, start="/login?next=/control"):
    """Follow the whole way to the provider and back; the last answer."""
    status, headers, body = client.ask(start)
    for _ in range(3):
        if status != 302:
            break
        status, headers, body = client.ask(headers["Location"])
    return status, headers, body


def test_the_provider_lets_in_with_the_role_of_the_group(federated, honest):
    client = Client(federated.port)
    status, headers, _ = client.ask("/control")
    assert status == 302
    status, headers, _ = client.ask(headers["Location"].removeprefix("."))
    asked = urlsplit(headers["Location"])
    assert f"{asked.scheme}://{asked.netloc}" == honest.issuer
    assert "code_challenge_method=S256" in asked.query
    assert "nonce=" in asked.query
    assert oidc.SECRET not in headers["Location"]
    status, headers, _ = client.ask(headers["Location"])
    status, headers, _ = client.ask(headers["Location"])
    assert (status, headers["Location"]) == (302, "/control")
    status, _, body = client.ask("/control")
    assert status == 200
    assert "ana@example.org" in body
    assert not {"access_token", "id_token"} & client.cookies.keys()
    assert client.websocket("control", token_of(body)).startswith("HTTP/1.1 101")


def test_who_has_no_role_is_not_let_in(federated, honest):
    honest.person |= {"email": "bo@example.org", "groups": ["golf"]}
    client = Client(federated.port)
    status, _, body = through(client)
    assert status == 403
    assert "has no role here" in body
    assert COOKIE not in client.cookies


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"aud": "another"}, "for somebody else"),
        ({"iss": "https://elsewhere.example.org"}, "another issuer"),
        ({"exp": 1_000_000}, "has run out"),
        ({"nonce": "of another"}, "another sign-in"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(federated, honest, spoil, said):
    honest.spoil = spoil
    client = Client(federated.port)
    status, _, body = through(client)
    assert status == 401
    assert said in body
    assert COOKIE not in client.cookies


def test_a_code_from_somebody_elses_sign_in_is_refused(federated, honest):
    there = Client(federated.port)
    _, headers, _ = there.ask("/login?next=/control")
    _, headers, _ = there.ask(headers["Location"])
    stolen = headers["Location"]
    for path in (stolen, re.sub("state=[^&]+", "state=", stolen)):
        victim = Client(federated.port)
        assert victim.ask(path)[0] in (401, 403)
        assert COOKIE not in victim.cookies


def test_a_provider_that_is_gone_is_told(make_project, plant):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = f"oidc: {{issuer: 'http://127.0.0.1:{port}', client: w, others: viewer}}\n"
    with create_server(make_project(text), store=plant.root) as server:
        status, _, body = Client(server.port).ask("/login")
    assert status == 502
    assert "does not answer as it should" in body


# -- where it is served ---------------------------------------------------------------------------------


def test_beyond_loopback_is_refused_without_sign_in(tmp_path, checkout, plant):
    for face in ("catalogs", "dashboards"):
        shutil.copytree(checkout / face, tmp_path / face)
    for address in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(InputError, match="could see the pages"):
            create_server(Project(tmp_path), store=plant.root, address=address)


def test_an_access_file_that_is_wrong_lets_nothing_be_served(make_project, plant):
    with pytest.raises(InputError, match=r"access\.yaml:2"):
        create_server(make_project("users:\n  ana: {password: plain}\n"), store=plant.root)


def test_a_page_that_declares_no_role_there_is_keeps_the_server_from_starting(make_project, plant):
    project = make_project(f"users:\n  ana: {{password: '{hash_password(PASSWORD)}'}}\n")
    (project.dashboards / "control.py").write_text('needs = "operater"\n')
    with pytest.raises(InputError, match="did you mean 'operator'"):
        create_server(project, store=plant.root)


def test_no_secret_is_in_the_log(federated, honest, caplog):
    caplog.set_level("DEBUG")
    through(Client(federated.port))
    assert oidc.SECRET not in caplog.text
    assert json.dumps(oidc.SECRET) not in caplog.text
