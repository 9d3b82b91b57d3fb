"""Addresses of sockets as text, for log records and error messages."""

from __future__ import annotations

import socket
from typing import Any


def describe_address(address: Any) -> str:
    """Return ``address`` as text: "host:port", "[v6]:port", a path, "@name", or "an unnamed socket"."""
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    if isinstance(address, bytes):
        address = (
            "@" + address[1:].decode("utf-8", "replace") if address[:1] == b"\0" else address.decode("utf-8", "replace")
        )
    return str(address) if address else "an unnamed socket"


def name_peer(error: BaseException, peer: str) -> None:
    """Append ``peer`` to the message of an operating-system or TLS error (contract T1).

    The error keeps its class, number and reason. An error of another class is not changed, nor is one whose message
    contains ``peer``.
    """
    if not isinstance(error, OSError) or peer in str(error):
        return
    if isinstance(error.strerror, str):
        error.strerror = f"{error.strerror} ({peer})"
    elif len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} ({peer})",)
    elif not error.args:
        # Loops raise ConnectionResetError without a message if the peer closes during a handshake.
        error.args = (f"connection closed by the peer ({peer})",)


def peer_of(sock: socket.socket) -> str:
    """Return the address that ``sock`` is connected to, as text."""
    try:
        return describe_address(sock.getpeername())
    except OSError:
        return "a socket that is not connected"
