"""The gate of the page server: who asks, and whether they may. Pages and handlers declare the role they need.

A page declares it in a line of its file, ``needs = "operator"``; an action where it is given to the page,
``page.on("stop", stop, needs="operator")``; a handler as a class attribute. Without a declaration it is viewer.
"""

from __future__ import annotations

import ast
import logging
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from tornado.web import Finish, HTTPError, create_signed_value, decode_signed_value
from tornado.websocket import WebSocketHandler

from workbench.display.access import FILE, Access, Role, loopback, role_of
from workbench.model.errors import BadValue, InputError

log = logging.getLogger(__name__)

COOKIE = "workbench"
DECLARATION = "needs"


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at pages."""

    name: str
    role: Role
    until: float = float("inf")  #: when the sign-in ends [s since 1970 UTC]

    def may(self, needs: Role | str) -> bool:
        """Whether what needs that role is open to them."""
        return self.role >= role_of(needs) and time.time() < self.until


OWNER = Viewer("", Role.ADMIN)  #: whoever looks where there is no sign-in: this machine's own user


class Gate:
    """Knows the viewers by their cookies and the roles that pages need.

    Parameters
    ----------
    access
        None lets everybody in.
    pages
        Page name to file.
    """

    def __init__(self, access: Access | None, pages: Mapping[str, str]) -> None:
        self.access, self.pages = access, pages
        given = access.cookie_secret if access is not None else None
        self.secret = given.get_secret_value() if given is not None else secrets.token_hex(32)
        self.offers: dict[str, Any] | None = None  #: what the identity provider offers, once it has been asked
        self._declared: dict[str, tuple[float, Role]] = {}

    @property
    def closed(self) -> bool:
        """Whether one has to sign in."""
        return self.access is not None

    # -- who asks -------------------------------------------------------------------------------------

    def cookie(self, name: str, role: Role) -> tuple[bytes, float]:
        """The cookie of somebody who has signed in, and for how many days it is good."""
        hours = self.access.hours_of(name) if self.access is not None else 0.0
        content = orjson.dumps({"name": name, "role": str(role), "until": time.time() + 3600 * hours})
        return create_signed_value(self.secret, COOKIE, content), hours / 24

    def viewer(self, request: Any) -> Viewer | None:
        """Who sent a request; None for somebody who has not signed in, or too long ago."""
        if self.access is None:
            return OWNER
        sent = request.cookies.get(COOKIE)
        # The content says when it ends; tornado's own limit must not be shorter.
        content = decode_signed_value(self.secret, COOKIE, sent.value, max_age_days=3660) if sent is not None else None
        if content is None:
            return None
        said = orjson.loads(content)
        name, until = str(said["name"]), float(said["until"])
        if time.time() >= until:
            return None
        if self.access.oidc is not None:
            return Viewer(name, role_of(said["role"]), until)
        user = self.access.users.get(name)  # as the file has it now, not as the cookie does
        return Viewer(name, user.role, until) if user is not None else None

    def user(self, handler: Any) -> str | None:
        """Name of who asks a handler for a page; ends the request where they lack the role the page needs."""
        found = self.viewer(handler.request)
        if found is None:
            return None
        page = handler.request.path.strip("/").split("/")[0]
        needs = self.needs(page)
        if not found.may(needs):
            log.warning("%s, %s, was refused %s, which needs %s", found.name, found.role, page, needs)
            if isinstance(handler, WebSocketHandler):
                raise HTTPError(403)
            handler.set_status(403)
            raise Finish(refusal(found, page, needs))
        handler.request.viewer = found
        return found.name or "owner"

    def visitor(self, request: Any) -> Viewer:
        """Who a page is made for.

        Raises
        ------
        InputError
            Nobody who may see pages: the request did not come through the gate.
        """
        if not self.closed:
            return OWNER
        found = getattr(request, "viewer", None)
        if not isinstance(found, Viewer):
            raise InputError("sign in to see this page")
        return found

    # -- what pages need ------------------------------------------------------------------------------

    def needs(self, page: str) -> Role:
        """The role a page needs; admin where its declaration cannot be read."""
        path = self.pages.get(page)
        if path is None:
            return Role.VIEWER
        try:
            changed = Path(path).stat().st_mtime
            known = self._declared.get(page)
            if known is None or known[0] != changed:
                known = self._declared[page] = (changed, declared(path))
            return known[1]
        except (InputError, OSError):
            return Role.ADMIN

    def check(self) -> None:
        """Look at the declarations of all pages.

        Raises
        ------
        InputError
            One names a role that is none.
        """
        for path in self.pages.values():
            declared(path)


def declared(path: str | Path) -> Role:
    """The role that a page's file declares by ``needs = "…"``; viewer where it does not, or is no Python.

    Raises
    ------
    InputError
        What it declares is no role.
    """
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except SyntaxError:
        return Role.VIEWER  # whoever opens it is told what is wrong with it
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(at, "id", "") == DECLARATION for at in node.targets):
            value = node.value.value if isinstance(node.value, ast.Constant) else ast.unparse(node.value)
            try:
                return role_of(value)
            except BadValue as error:
                raise InputError(
                    str(error),
                    file=path,
                    line=node.lineno,
                    where=DECLARATION,
                    found=value,
                    expected=error.expected,
                    hint=error.hint,
                ) from None
    return Role.VIEWER


def refusal(viewer: Viewer, page: str, needs: Role) -> str:
    """The page that somebody sees who lacks a role."""
    from workbench.display.plain import plain_page

    text = f"The page {page} needs the role {needs}; {viewer.name} has the role {viewer.role}."
    return plain_page("This page is not open to you", text, link=("portfolio", "Back to the portfolio"))


# -- while a page is made -------------------------------------------------------------------------------

_visiting: ContextVar[Viewer] = ContextVar("visiting", default=OWNER)


def visitor() -> Viewer:
    """For whom the page is made that is being made now; where no server makes it, the owner of the machine."""
    return _visiting.get()


@contextmanager
def visiting(viewer: Viewer) -> Iterator[None]:
    """Make ``viewer`` the one that ``visitor()`` gives, while a page is made."""
    token = _visiting.set(viewer)
    try:
        yield
    finally:
        _visiting.reset(token)


# -- where to serve -------------------------------------------------------------------------------------


def check_address(address: str, access: Access | None, *, without_sign_in: bool = False) -> None:
    """Whether pages may be served at an address: beyond this machine with sign-in only, or if said twice.

    Raises
    ------
    InputError
        They may not.
    """
    if loopback(address) or access is not None or without_sign_in:
        return
    raise InputError(
        "whoever reaches this machine could see the pages",
        where="--address",
        found=address,
        expected=f"sign-in, configured in {FILE} in the project's folder",
        hint="if everybody may see them, say so twice: --address … --without-sign-in",
    )


def origins(address: str, port: int, access: Access | None) -> list[str]:
    """The hosts under which pages may open a connection that keeps them live."""
    hosts = {address} if not _everywhere(address) else {socket.gethostname(), socket.getfqdn(), *_own_addresses()}
    if loopback(address) or _everywhere(address):
        hosts |= {"127.0.0.1", "localhost"}
    found = {f"{f'[{host}]' if ':' in host else host}:{port}".lower() for host in hosts}
    if access is not None and access.address:
        parts = urlsplit(access.address)
        usual = {"https": 443, "http": 80}.get(parts.scheme, port)
        found |= {parts.netloc.lower(), f"{parts.hostname}:{parts.port or usual}"}
    return sorted(found)


def _everywhere(address: str) -> bool:
    return address in ("0.0.0.0", "::", "")  # noqa: S104  asked about, not listened on


def _own_addresses() -> set[str]:
    try:
        return {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()
