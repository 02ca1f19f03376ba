from __future__ import annotations

import http.cookies
import time
from types import SimpleNamespace

import pytest

from workbench.display.access import Access, Role, User, hash_password
from workbench.display.gate import COOKIE, OWNER, Gate, Viewer, check_address, declared, origins, visiting, visitor
from workbench.model.errors import InputError


@pytest.fixture(scope="module")
def access():
    hashed = hash_password("correct horse")
    return Access(
        users={"ana": User(password=hashed, role="operator"), "bo": User(password=hashed)},
        address="https://pages.example.org",
    )


def request(gate, name, role=Role.ADMIN, value=None):
    cookies = http.cookies.SimpleCookie()
    cookies[COOKIE] = value or gate.cookie(name, role)[0].decode()
    return SimpleNamespace(cookies=cookies)


def test_without_sign_in_everybody_is_the_owner():
    gate = Gate(None, {})
    assert not gate.closed
    assert gate.viewer(SimpleNamespace(cookies={})) is OWNER
    assert OWNER.may("admin")


def test_a_cookie_is_believed_when_this_server_made_it(access):
    gate, other = Gate(access, {}), Gate(access, {})
    assert gate.viewer(request(gate, "ana")).name == "ana"
    assert gate.viewer(request(other, "ana")) is None
    assert gate.viewer(request(gate, "", value="x|y|z")) is None
    assert gate.viewer(SimpleNamespace(cookies=http.cookies.SimpleCookie())) is None


def test_the_role_is_that_of_the_file_not_of_the_cookie(access):
    gate = Gate(access, {})
    assert gate.viewer(request(gate, "bo", Role.ADMIN)).role is Role.VIEWER
    assert gate.viewer(request(gate, "carl", Role.ADMIN)) is None  # taken out of the file


def test_a_sign_in_ends(access, monkeypatch):
    gate = Gate(access, {})
    sent = request(gate, "ana")
    assert gate.viewer(sent) is not None
    later = time.time() + 13 * 3600
    monkeypatch.setattr("workbench.display.gate.time.time", lambda: later)
    assert gate.viewer(sent) is None
    assert not Viewer("ana", Role.ADMIN, until=later - 1).may("viewer")


def test_a_page_is_made_for_nobody_who_did_not_come_through_the_gate(access):
    gate = Gate(access, {})
    with pytest.raises(InputError, match="sign in"):
        gate.visitor(SimpleNamespace())
    with pytest.raises(InputError, match="sign in"):
        gate.visitor(None)
    ana = Viewer("ana", Role.OPERATOR)
    assert gate.visitor(SimpleNamespace(viewer=ana)) is ana
    assert visitor() is OWNER
    with visiting(ana):
        assert visitor() is ana


def test_pages_declare_the_role_they_need(tmp_path):
    page = tmp_path / "page.py"
    page.write_text('"""A page."""\nx = 1\n')
    assert declared(page) is Role.VIEWER
    page.write_text('"""A page."""\nneeds = "operator"  # who may see it\n')
    assert declared(page) is Role.OPERATOR
    gate = Gate(None, {"page": str(page)})
    gate.check()
    assert gate.needs("page") is Role.OPERATOR
    assert gate.needs("elsewhere") is Role.VIEWER


@pytest.mark.parametrize("value", ['"operater"', "ROLE", "3"])
def test_a_role_that_is_none_is_told_and_closes_the_page(tmp_path, value):
    page = tmp_path / "page.py"
    page.write_text(f'"""A page."""\nneeds = {value}\n')
    gate = Gate(None, {"page": str(page)})
    with pytest.raises(InputError, match="no role") as raised:
        gate.check()
    assert (raised.value.line, raised.value.where) == (2, "needs")
    assert gate.needs("page") is Role.ADMIN


def test_beyond_loopback_with_sign_in_or_said_twice(access):
    check_address("127.0.0.1", None)
    for address in ("0.0.0.0", "192.168.1.4", "pages.example.org", "::"):
        with pytest.raises(InputError, match="could see the pages"):
            check_address(address, None)
        check_address(address, None, without_sign_in=True)
        check_address(address, access)


def test_origins_are_those_under_which_the_pages_are_reached(access):
    assert origins("127.0.0.1", 5006, None) == ["127.0.0.1:5006", "localhost:5006"]
    assert "pages.example.org" in origins("0.0.0.0", 5006, access)
    assert "pages.example.org:443" in origins("0.0.0.0", 5006, access)
    assert "0.0.0.0:5006" not in origins("0.0.0.0", 5006, access)
    assert "[::1]:5006" in origins("::1", 5006, None)
