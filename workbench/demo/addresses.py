"""Addresses of the demonstration: the catalog's defaults, or free ports where those are taken."""

from __future__ import annotations

import socket

#: Environment variable of the demo catalogs -> (form, default port).
ADDRESSES: dict[str, tuple[str, int]] = {
    "WORKBENCH_OPCUA_NORTH_RIDGE": ("opc.tcp://127.0.0.1:{port}/workbench", 48400),
    "WORKBENCH_MODBUS_NORTH_RIDGE": ("127.0.0.1:{port}", 15020),
    "WORKBENCH_MQTT": ("127.0.0.1:{port}", 18830),
    "WORKBENCH_MODBUS_COASTAL_FLATS": ("127.0.0.1:{port}", 15021),
    "WORKBENCH_MODBUS_SUN_VALLEY": ("127.0.0.1:{port}", 15022),
    "WORKBENCH_RTU_SUN_VALLEY": ("127.0.0.1:{port}", 15023),
}


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo_environment(*, prefer_defaults: bool = True) -> dict[str, str]:
    """Values of the demo catalogs' environment variables.

    With ``prefer_defaults`` an address keeps the port the catalog names, so that foreign clients find it,
    unless something else listens there.
    """
    chosen: dict[str, str] = {}
    taken: set[int] = set()
    for name, (form, default) in ADDRESSES.items():
        port = default if prefer_defaults and is_free(default) else free_port()
        while port in taken:
            port = free_port()
        taken.add(port)
        chosen[name] = form.format(port=port)
    return chosen
