"""Addresses of sockets as text, for log records and error messages."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from .._errors import is_own_close

# What OpenSSL reports for the first bytes of a peer that sends no TLS records. The words depend on its version.
_PLAINTEXT_REASONS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


def describe_address(address: Any) -> str:
    """Return ``address`` as text: "host:port", "[v6]:port", a path, "@name", or "an unnamed socket"."""
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    if isinstance(address, bytes):
        address = (
            "@" + address[1:].decode("utf-8", "replace") if address[:1] == b"\0" else address.decode("utf-8", "replace")
        )
    return printable(str(address)) if address else "an unnamed socket"


def printable(text: str) -> str:
    """Return ``text`` for a message of one line: characters that cannot be printed, such as line breaks, are escaped.

    A peer can choose the path of its Unix socket, and so could insert lines into a log.
    """
    return text if text.isprintable() else repr(text)[1:-1]


def name_peer(error: BaseException, peer: str) -> None:
    """Append ``peer`` to the message of ``error`` if the error is an OSError, which includes ssl.SSLError.

    The error keeps its class, ``errno`` and ``reason``. An error without a message gets one. A message that contains
    ``peer`` already is not changed, nor is an error that is not an OSError.
    """
    # Not str(): a method of the program's class may raise.
    if not isinstance(error, OSError) or peer in OSError.__str__(error):
        return
    if isinstance(error.strerror, str):
        error.strerror = f"{error.strerror} ({peer})"
    elif len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} ({peer})",)
    elif not error.args:
        # Loops raise ConnectionResetError without a message if the peer closes during a handshake.
        error.args = (f"connection closed by the peer ({peer})",)


def name_handshake(error: BaseException, server_hostname: str | None, address: str, *, hint_at_reset: bool) -> None:
    """Append the peer to the message of ``error``, with which a TLS handshake has failed.

    The peer is named by ``address``, and by ``server_hostname`` if that is not the host of ``address``. In two cases
    the message gets the hint that the peer may not speak TLS: the error of OpenSSL is typical of such a peer, or
    ``hint_at_reset`` is True and the peer has reset the connection. Pass True for a client only, and False for a socket
    that was not connected, which fails in the same way.
    """
    peer = f"TLS handshake with {address}"
    if server_hostname and server_hostname != address.rpartition(":")[0].strip("[]"):
        peer = f"TLS handshake with {server_hostname} at {address}"
    # An error that a program's SSLObject or SSLContext has raised may have no ``reason``.
    plaintext = isinstance(error, ssl.SSLError) and getattr(error, "reason", None) in _PLAINTEXT_REASONS
    reset = isinstance(error, (ConnectionResetError, BrokenPipeError)) and not is_own_close(error)
    if plaintext or (reset and hint_at_reset):
        peer += "; the peer may not speak TLS"
    name_peer(error, peer)


def is_connected(sock: socket.socket) -> bool:
    """Return True if ``sock`` is connected. If the peer has reset the connection, it may not be connected any more."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def peer_of(sock: socket.socket, default: str = "a socket that is not connected") -> str:
    """Return the address that ``sock`` is connected to as text, or ``default`` if ``sock`` is not connected."""
    try:
        return describe_address(sock.getpeername())
    except OSError:
        return default


def contains_nul(value: str | bytes) -> bool:
    """Return True if ``value`` contains a NUL. The C library would use what is before the NUL."""
    return "\0" in value if isinstance(value, str) else b"\0" in value


def refuse_nul(value: str | bytes, name: str) -> None:
    """Raise ValueError if ``value`` contains a NUL. ``name``: what the message calls the value."""
    if contains_nul(value):
        raise ValueError(f"{name} must not contain a NUL character: {value!r}")


def host_hint(host: str) -> str | None:
    """Return how to correct ``host`` if it is a URL, or has a port, brackets or spaces; else None.

    A ``host`` with several colons counts as an IPv6 address without a port, such as ``::1`` or ``fe80::1%eth0``.
    """
    if "/" in host:
        return "pass the host name without scheme and path"
    if host.startswith("["):
        return "pass an IPv6 address without brackets, and the port as a separate argument"
    if host.count(":") == 1:
        return "pass the host name without the port, which is a separate argument"
    if any(character.isspace() for character in host):
        return "a host name contains no white space"
    return None
