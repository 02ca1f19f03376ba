"""Who may see the pages: ``access.yaml`` in the project's folder. Without it there is no sign-in.

    users:
      ana: {password: "scrypt:…", role: operator}

or, with an identity provider that speaks OpenID Connect,

    oidc:
      issuer: https://login.example.org
      client: workbench
      secret: ${secret:oidc}
      groups: {control-room: operator}

References
----------
RFC 7914, The scrypt Password-Based Key Derivation Function.
OpenID Connect Core 1.0.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from workbench.model.errors import BadValue, InputError, InputErrors, did_you_mean
from workbench.model.yamlfile import load_yaml, validation_errors

FILE = "access.yaml"
#: Cost of a password's hash: 32 MB and about a quarter of a second, as OWASP recommends for scrypt.
COST = (1 << 15, 8, 3)
_MOST_MEMORY = 256 << 20


class Role(IntEnum):
    """What somebody may do; each role may do what those before it may."""

    VIEWER = 1
    ANALYST = 2
    OPERATOR = 3
    ADMIN = 4

    def __str__(self) -> str:
        return self.name.lower()


def role_of(name: object) -> Role:
    """The role of that name.

    Raises
    ------
    BadValue
        There is no such role.
    """
    if isinstance(name, Role):
        return name
    known = [str(role) for role in Role]
    if str(name) in known:
        return Role[str(name).upper()]
    raise BadValue(f"{name!r} is no role", expected=" < ".join(known), hint=did_you_mean(str(name), known))


RoleName = Annotated[Role, BeforeValidator(role_of)]
Hours = Annotated[float, Field(gt=0, le=10 * 8766)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(_Model):
    """Somebody who signs in with a password."""

    password: SecretStr  #: its hash, as ``workbench dashboards password`` prints it
    role: RoleName = Role.VIEWER
    hours: Hours | None = None  #: how long a sign-in is good, where it is not as long as everybody's

    @model_validator(mode="after")
    def _is_a_hash(self) -> Self:
        _parts(self.password.get_secret_value())
        return self


class Oidc(_Model):
    """An identity provider that speaks OpenID Connect."""

    issuer: str  #: its address; what it offers is asked of ``/.well-known/openid-configuration`` below it
    client: str  #: the name under which it knows the workbench
    secret: SecretStr | None = None
    name: str = "email"  #: the claim that names the user
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    roles: dict[str, RoleName] = Field(default_factory=dict)  #: user to role
    groups_claim: str = "groups"
    groups: dict[str, RoleName] = Field(default_factory=dict)  #: group to role
    others: RoleName | None = None  #: role of whoever else signs in; nobody else may by default

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        # The identity is believed because the provider itself hands it over, on an encrypted connection.
        if not secure(self.issuer):
            raise BadValue("the issuer must be reached by https", expected="https://…")
        return self

    def role(self, claims: Mapping[str, Any]) -> Role | None:
        """The role of somebody the provider says this of: their own, or the highest of their groups; None for no access."""
        name = str(claims.get(self.name) or "")
        if not name or (self.name == "email" and claims.get("email_verified") is False):
            return None
        if name in self.roles:
            return self.roles[name]
        given = claims.get(self.groups_claim) or ()
        groups = [given] if isinstance(given, str) else [str(group) for group in given]
        return max((self.groups[group] for group in groups if group in self.groups), default=self.others)


class Access(_Model):
    """All of ``access.yaml``."""

    users: dict[str, User] = Field(default_factory=dict)
    oidc: Oidc | None = None
    hours: Hours = 12.0  #: how long a sign-in is good [h]
    address: str = ""  #: where browsers reach the pages, such as ``https://pages.example.org``; where served by default
    cookie_secret: SecretStr | None = None  #: signs the cookies; by default made anew when the server starts

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.users) == bool(self.oidc):
            raise BadValue("there must be one way to sign in", expected="either users or oidc")
        if self.cookie_secret is not None and len(self.cookie_secret.get_secret_value()) < 32:
            raise BadValue("the cookie secret is too short to guard anything", expected="at least 32 characters")
        if self.address and not urlsplit(self.address).hostname:
            raise BadValue("the address is none", expected="https://host or https://host:port")
        return self

    def hours_of(self, name: str) -> float:
        """How long a sign-in of that user is good [h]."""
        user = self.users.get(name)
        return user.hours if user is not None and user.hours is not None else self.hours


def load_access(project: Path) -> Access | None:
    """The access file of a project's folder; None where there is none, which is to say no sign-in.

    Raises
    ------
    InputError
        Something in it is wrong: with line, key and the nearest valid name; no secret is shown.
    """
    path = project / FILE
    if not path.exists():
        return None
    from workbench.catalog.substitute import reveal, substitute

    source = load_yaml(path)
    if not isinstance(source.data, Mapping):
        raise InputError("this file must say how to sign in", file=path, expected="the key users, or oidc")
    content = reveal(substitute(source.data, source, ()))
    try:
        return Access.model_validate(content)
    except ValidationError as error:
        raise InputErrors(validation_errors(error, source, model=Access)) from None


def secure(address: str) -> bool:
    """Whether nobody on the way can read what goes to an address: https, or this machine itself."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and loopback(parts.hostname)))


def loopback(host: str | None) -> bool:
    """Whether only this machine reaches what is served at ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


# -- passwords ------------------------------------------------------------------------------------------


def hash_password(password: str) -> str:
    """The hash of a password, for the access file: ``scrypt:n:r:p:salt:key``."""
    salt = secrets.token_bytes(16)
    n, r, p = COST
    return ":".join(("scrypt", str(n), str(r), str(p), _text(salt), _text(_derive(password, salt, n, r, p))))


def check_password(password: str, hashed: str) -> bool:
    """Whether the hash is that of the password. Takes a moment on purpose: not for a thread that serves."""
    n, r, p, salt, key = _parts(hashed)
    return hmac.compare_digest(_derive(password, salt, n, r, p), key)


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=_MOST_MEMORY)


def _parts(hashed: str) -> tuple[int, int, int, bytes, bytes]:
    wrong = BadValue(
        "this is no hash of a password",
        expected="scrypt:n:r:p:salt:key",
        hint="workbench dashboards password prints one",
    )
    scheme, *rest = hashed.split(":")
    if scheme != "scrypt" or len(rest) != 5:
        raise wrong
    try:
        n, r, p = (int(part) for part in rest[:3])
        salt, key = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in rest[3:])
    except (ValueError, binascii.Error):
        raise wrong from None
    if len(key) != 32 or len(salt) < 8 or n < 2 or n & (n - 1) or r < 1 or p < 1 or 128 * n * r > _MOST_MEMORY // 2:
        raise wrong
    return n, r, p, salt, key


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
