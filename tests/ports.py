"""Ports for servers that the tests start in processes of their own, and whose addresses have to be known before.

Each is held until this process ends by a socket that never listens: beside it a server may (all of ours set
SO_REUSEADDR), while the kernel gives the port to no connection and to nobody else who asks for any.
"""

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    port: int = holder.getsockname()[1]
    return port
