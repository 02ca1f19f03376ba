"""A libmodbus server in a process of its own, by ctypes. Argument: a TCP port, or a serial port (unit 1, 115200 bit/s).

On a line of standard input: ``{"holding": {"4": 17}}``, what to show in ``holding``, ``input``, ``coil`` or
``discrete``. Says ``ready`` when it listens and ``shown`` after each line.
"""

from __future__ import annotations

import ctypes
import json
import select
import socket
import sys
from ctypes.util import find_library

SIZE = 200  #: addresses of each table
LONGEST = 260  #: bytes of a Modbus TCP message


class Mapping(ctypes.Structure):
    """``modbus_mapping_t``."""

    _fields_ = [
        *[(name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits",
                                            "nb_input_registers", "start_input_registers", "nb_registers",
                                            "start_registers")],
        ("coil", ctypes.POINTER(ctypes.c_uint8)),
        ("discrete", ctypes.POINTER(ctypes.c_uint8)),
        ("input", ctypes.POINTER(ctypes.c_uint16)),
        ("holding", ctypes.POINTER(ctypes.c_uint16)),
    ]  # fmt: skip


def main() -> None:
    library = ctypes.CDLL(find_library("modbus") or "libmodbus.so.5")
    library.modbus_new_tcp.restype = library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    mapping = library.modbus_mapping_new(SIZE, SIZE, SIZE, SIZE)
    place, clients = sys.argv[1], set[int]()
    if place.isdigit():
        context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", int(place)))
        listener = library.modbus_tcp_listen(context, 5)
    else:
        context = ctypes.c_void_p(library.modbus_new_rtu(place.encode(), 115200, ctypes.c_char(b"N"), 8, 1))
        library.modbus_set_slave(context, 1)
        listener = library.modbus_connect(context)
        clients.add(library.modbus_get_socket(context))
    if listener < 0:
        sys.exit("cannot listen")
    watched = {sys.stdin, listener} if place.isdigit() else {sys.stdin}
    query = (ctypes.c_uint8 * LONGEST)()
    print("ready", flush=True)
    while True:
        for end in select.select([*watched, *clients], [], [])[0]:
            if end is sys.stdin:
                line = sys.stdin.buffer.raw.readline()
                if not line:
                    return
                for table, values in json.loads(line).items():
                    for address, value in values.items():
                        getattr(mapping.contents, table)[int(address)] = value
                print("shown", flush=True)
            elif end in watched:
                accepted, _ = socket.socket(fileno=socket.dup(listener)).accept()
                clients.add(accepted.detach())
            else:
                if place.isdigit():
                    library.modbus_set_socket(context, end)
                length = library.modbus_receive(context, query)
                if length > 0:
                    library.modbus_reply(context, query, length, mapping)
                elif length < 0 and place.isdigit():
                    clients.discard(end)
                    socket.close(end)


if __name__ == "__main__":
    main()
