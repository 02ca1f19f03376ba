"""Addresses of the simulated devices: parse them, and refuse what would be a surprise."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import NamedTuple

from workbench.model.errors import InputError


class Address(NamedTuple):
    """Host and port of a server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, default_port: int | None = None, where: str | None = None) -> Address:
    """``Address`` from ``host:port``, ``[::1]:port`` or, with a default port, ``host``.

    Raises
    ------
    InputError
        Where it is not an address.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or (host.count(":") and not host.startswith("[")):
        host, port = text.strip(), "" if default_port is None else str(default_port)
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError("not an address", where=where, found=text, expected="host:port, for example 127.0.0.1:15020")
    return Address(host.strip("[]"), int(port))


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine to itself only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable(host: str) -> str:
    """Where this machine itself reaches a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def check_host(address: Address, *, allowed: str | None, where: str) -> None:
    """Refuse to listen beyond this machine unless ``allowed`` names the host; raises InputError.

    ``where`` is the name of the entry served there.
    """
    if not is_loopback(address.host) and address.host != allowed:
        raise InputError(
            "the simulator speaks without passwords and listens on this machine only",
            where=where,
            found=str(address),
            expected="127.0.0.1, ::1 or localhost",
            hint=f"to serve other machines all the same: workbench simulate --host {address.host}",
        )


def check_free(address: Address, where: str) -> None:
    """Raise InputError where something listens on ``address`` already, or it is not ours to listen on."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise bind_error(error, address, where) from error


def bind_error(error: OSError, address: Address, where: str) -> InputError:
    """The error a user sees when ``address`` could not be bound."""
    if error.errno == errno.EADDRINUSE:
        return InputError(
            f"port {address.port} is in use",
            where=where,
            found=f"something already listens on {address}",
            expected="a free port",
            hint="end the other program (another simulator or demo?), or choose a port: workbench simulate --help",
        )
    return InputError(f"cannot listen on {address}: {error.strerror or error}", where=where)
