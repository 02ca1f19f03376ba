"""Signing in: Panel's basic sign-in with hashed passwords, and Panel's OAuth flow for any OpenID Connect provider.

References
----------
OpenID Connect Core 1.0, section 3.1 (authorization code flow); Discovery 1.0.
RFC 7636, Proof Key for Code Exchange.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from panel.auth import BasicAuthProvider, BasicLoginHandler, GenericLoginHandler, LogoutHandler, _validate_next_url
from panel.util import decode_token
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.web import HTTPError

from workbench.display.access import Oidc, Role, check_password, hash_password, secure
from workbench.display.gate import COOKIE, Gate
from workbench.display.plain import plain_page

log = logging.getLogger(__name__)

#: Failures after which a name is not tried again for a while, and for how long [s].
MOST_FAILURES, PAUSE = 5, 60.0
_WRONG = "Name or password is wrong."
_FLAWED = "The identity provider's answer cannot be accepted: {}."


class SignIn(BasicAuthProvider):
    """Lets Panel and Bokeh ask the gate who a request is from; sends whoever is nobody to sign in."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._throttle = Throttle()
        super().__init__(login_endpoint="/login", logout_endpoint="/logout")  # type: ignore[no-untyped-call]

    def _remove_user(self, session_context: Any) -> None:
        """Panel counts the sessions of each user here; nobody asks for it."""

    @property
    def get_user(self) -> Any:
        """What gives the name of a request's user."""
        return self.gate.user

    @property
    def login_handler(self) -> type:
        """What serves ``/login``."""
        oidc = self.gate.access is not None and self.gate.access.oidc is not None
        return type("Login", (OidcLogin if oidc else PasswordLogin,), {"gate": self.gate, "throttle": self._throttle})

    @property
    def logout_handler(self) -> type:
        """What serves ``/logout``."""
        return type("Logout", (SignOut,), {"gate": self.gate})


class Throttle:
    """Keeps from guessing passwords: after some failures a name has to wait."""

    def __init__(self) -> None:
        self.work = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sign-in")  # one costly hash at a time
        self._failed: dict[str, list[float]] = {}

    def wait(self, name: str) -> float:
        """How long the name has to wait [s]; 0 for not at all."""
        last = [at for at in self._failed.get(name, ()) if time.monotonic() - at < PAUSE]
        return PAUSE - (time.monotonic() - last[-1]) if len(last) >= MOST_FAILURES else 0.0

    def note(self, name: str, well: bool) -> None:
        """Take note of an attempt."""
        if well:
            self._failed.pop(name, None)
            return
        if len(self._failed) > 10_000:
            self._failed.clear()
        self._failed[name] = [*self._failed.get(name, [])[1 - MOST_FAILURES :], time.monotonic()]


class _Signs:
    """What both ways of signing in do when it went well."""

    gate: Gate

    def let_in(self, name: str, role: Role) -> None:
        """Give the browser the cookie by which it is known from now on; scripts cannot read it."""
        value, days = self.gate.cookie(name, role)
        address = self.gate.access.address if self.gate.access is not None else ""
        self.set_cookie(  # type: ignore[attr-defined]
            COOKIE,
            value,
            expires_days=days,
            httponly=True,
            samesite="Lax",
            secure=address.startswith("https:"),
            path="/",
        )
        log.info("%s, %s, has signed in", name, role)


class PasswordLogin(_Signs, BasicLoginHandler):
    """The form for name and password."""

    throttle: Throttle
    _dummy = ""  #: the hash that a name is tried against that nobody has, so that it takes as long

    def get(self) -> None:
        """Show the form."""
        self._form("", self.get_argument("next", "/"))

    async def post(self) -> None:
        """Try name and password."""
        name, password = self.get_argument("username", "").strip(), self.get_body_argument("password", "", strip=False)
        following = self.get_body_argument("next", "/")
        access = self.gate.access
        assert access is not None  # noqa: S101  there is no such page without
        if (wait := self.throttle.wait(name)) > 0:
            self.set_status(429)
            self.set_header("Retry-After", str(int(wait) + 1))
            self._form(f"Too many failures: try again in {wait:.0f} s.", following, name)
            return
        user = access.users.get(name)
        hashed = user.password.get_secret_value() if user is not None else await self._nobody()
        right = await asyncio.get_running_loop().run_in_executor(self.throttle.work, check_password, password, hashed)
        self.throttle.note(name, right and user is not None)
        if not right or user is None:
            log.warning("a sign-in as %r failed", name)
            self.set_status(401)
            self._form(_WRONG, following, name)
            return
        self.let_in(name, user.role)
        self.redirect(_validate_next_url(following) or "/")

    async def _nobody(self) -> str:
        if not PasswordLogin._dummy:
            PasswordLogin._dummy = await asyncio.get_running_loop().run_in_executor(
                self.throttle.work, hash_password, "nobody"
            )
        return PasswordLogin._dummy

    def _form(self, error: str, following: str, name: str = "") -> None:
        form = {"next": _validate_next_url(following) or "/", "name": name, "error": error}
        self.set_header("Cache-Control", "no-store")
        self.write(plain_page("Sign in", form=form))


class OidcLogin(_Signs, GenericLoginHandler):
    """Panel's OAuth flow, with what OpenID Connect asks for on top: discovery, PKCE, and a token that is looked at."""

    @property
    def oidc(self) -> Oidc:
        """The provider, as the access file has it."""
        access = self.gate.access
        if access is None or access.oidc is None:
            raise HTTPError(404)
        return access.oidc

    @property
    def _redirect_uri(self) -> str:
        access = self.gate.access
        root = access.address if access is not None and access.address else ""
        return (root.rstrip("/") or f"{self.request.protocol}://{self.request.host}") + "/login"

    async def get_authenticated_user(
        self, redirect_uri: str, client_id: str, state: str, client_secret: str | None = None, code: str | None = None
    ) -> str | None:
        """Send the browser to the provider; when it comes back with a code, let the user in."""
        offers = await self._discover()
        if not code:
            verifier, challenge = self.get_code()  # type: ignore[no-untyped-call]
            self.set_code_cookie(verifier)  # type: ignore[no-untyped-call]
            asked = {
                "response_type": "code",
                "client_id": self.oidc.client,
                "redirect_uri": self._redirect_uri,
                "scope": " ".join(self.oidc.scopes),
                "state": state,
                "nonce": _nonce(state),
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
            join = "&" if "?" in offers["authorization_endpoint"] else "?"
            self.redirect(offers["authorization_endpoint"] + join + urlencode(asked))
            return None
        if not state:
            raise HTTPError(401, _FLAWED.format("it belongs to no sign-in"))
        claims = await self._claims(offers, code, state)
        name, role = str(claims.get(self.oidc.name) or ""), self.oidc.role(claims)
        if role is None:
            log.warning("%r signed in at %s, but has no role here", name, self.oidc.issuer)
            raise HTTPError(403, f"{name or 'This user'} is known to the identity provider, but has no role here.")
        self.let_in(name, role)
        return name

    async def _discover(self) -> dict[str, Any]:
        if self.gate.offers is not None:
            return self.gate.offers
        issuer = self.oidc.issuer.rstrip("/")
        found = await self._fetch(HTTPRequest(f"{issuer}/.well-known/openid-configuration"))
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise HTTPError(502, _FLAWED.format("it calls itself by another name"))
        for name in ("authorization_endpoint", "token_endpoint"):
            if not secure(str(found.get(name, ""))):
                raise HTTPError(502, _FLAWED.format(f"its {name} is not reached by https"))
        self.gate.offers = found
        return found

    async def _claims(self, offers: dict[str, Any], code: str, state: str) -> dict[str, Any]:
        """What the provider says of the user: straight from it, so its connection vouches for it."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self.oidc.client,
            "code_verifier": self.get_code_cookie(),  # type: ignore[no-untyped-call]
        }
        request = HTTPRequest(offers["token_endpoint"], method="POST", headers={"Accept": "application/json"})
        if self.oidc.secret is not None:
            secret = self.oidc.secret.get_secret_value()
            if "client_secret_basic" in offers.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
                request.auth_username, request.auth_password = self.oidc.client, secret
            else:
                form["client_secret"] = secret
        request.body = urlencode(form).encode()
        answer = await self._fetch(request)
        claims = self._checked(str(answer.get("id_token", "")), state)
        if (self.oidc.name not in claims or self.oidc.groups_claim not in claims) and offers.get("userinfo_endpoint"):
            headers = {"Accept": "application/json", "Authorization": f"Bearer {answer.get('access_token')}"}
            more = await self._fetch(HTTPRequest(offers["userinfo_endpoint"], headers=headers))
            if more.get("sub") == claims.get("sub"):  # another's are not taken
                claims = {**more, **claims}
        return claims

    def _checked(self, token: str, state: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = dict(decode_token(token))
        except Exception:
            raise HTTPError(502, _FLAWED.format("it holds no token of who it is")) from None
        audience = claims.get("aud")
        if str(claims.get("iss", "")).rstrip("/") != self.oidc.issuer.rstrip("/"):
            raise HTTPError(401, _FLAWED.format("the token is of another issuer"))
        if self.oidc.client not in (audience if isinstance(audience, list) else [audience]):
            raise HTTPError(401, _FLAWED.format("the token is for somebody else"))
        if float(claims.get("exp", 0)) < time.time() - 60:
            raise HTTPError(401, _FLAWED.format("the token has run out"))
        if claims.get("nonce") != _nonce(state):
            raise HTTPError(401, _FLAWED.format("the token belongs to another sign-in"))
        return claims

    async def _fetch(self, request: HTTPRequest) -> dict[str, Any]:
        request.connect_timeout = request.request_timeout = 15.0
        try:
            answer = await AsyncHTTPClient().fetch(request)
            content = json.loads(answer.body)
        except (HTTPClientError, OSError, ValueError) as error:
            log.warning("the identity provider did not answer as it should: %s: %s", request.url, error)
            raise HTTPError(502, "The identity provider does not answer as it should; try again in a moment.") from None
        return content if isinstance(content, dict) else {}

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what went wrong, and how to try again."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        text = getattr(error, "log_message", None) or "Something went wrong; the log of the pages says what."
        self.write(plain_page("Signing in did not work", str(text), link=("/login", "Try again")))


class SignOut(LogoutHandler):
    """Forgets who the browser is."""

    gate: Gate

    def get(self) -> None:
        """Take the cookie away."""
        self.clear_cookie(COOKIE, path="/")
        self.set_header("Cache-Control", "no-store")
        self.write(plain_page("Signed out", link=("/", "Sign in again")))


def _nonce(state: str) -> str:
    """Ties the token to this sign-in: whoever did not see the state cannot have it."""
    return hashlib.sha256(f"nonce {state}".encode()).hexdigest()
