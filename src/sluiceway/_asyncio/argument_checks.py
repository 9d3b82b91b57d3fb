"""Checks of the arguments of open_connection, start_server and their Unix variants, made before anything is opened.

The error messages do not depend on the event loop.
"""

from __future__ import annotations

import asyncio
import operator
import socket
import ssl as ssl_module
from typing import Any

from .._implementation import core
from .._net.addresses import host_hint


def running_loop(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """Return the running loop. ValueError if ``loop`` is neither None nor the running loop (contract S9)."""
    running = asyncio.get_running_loop()
    if loop is not None and loop is not running:
        raise ValueError(f"loop argument must be the running loop {running!r} or None, not {loop!r}")
    return running


def check_client_tls(ssl: Any) -> None:
    """Check ``ssl`` of a client: an SSLContext for clients, True for the default context, False or None."""
    if ssl is not None and not isinstance(ssl, (bool, ssl_module.SSLContext)):
        raise TypeError(
            f"ssl argument must be an ssl.SSLContext, a bool or None, not {type(ssl).__name__!r}: {ssl!r}; "
            "create a context with ssl.create_default_context()"
        )
    _check_side(ssl, ssl_module.PROTOCOL_TLS_SERVER, "a client context (ssl.PROTOCOL_TLS_CLIENT)")


def check_server_hostname(server_hostname: Any, ssl: Any) -> None:
    """Check ``server_hostname``: None, or with ``ssl`` a str that can be encoded as a host name."""
    if server_hostname is None:
        return
    if not isinstance(server_hostname, str):
        raise TypeError(
            f"server_hostname argument must be a str or None, not {type(server_hostname).__name__!r}: "
            f"{server_hostname!r}"
        )
    if not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    try:
        server_hostname.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"server_hostname {server_hostname!r} is not a valid host name: {error}") from None


def check_explicit_hostname(server_hostname: Any, ssl: Any) -> None:
    """Check ``server_hostname`` as the program passed it, not a ``host``: no certificate matches a URL or a port."""
    if not isinstance(server_hostname, str) or getattr(ssl, "check_hostname", True) is False:
        # Without the check of the certificate, the name is only sent to the server, which may accept it.
        return
    hint = host_hint(server_hostname)
    if hint is not None:
        raise ValueError(f"server_hostname {server_hostname!r} is not a valid host name: {hint}")


def check_server_tls(ssl: Any) -> None:
    """Check ``ssl`` of a server: an SSLContext for servers, or None."""
    if ssl is not None and not isinstance(ssl, ssl_module.SSLContext):
        raise TypeError(
            f"ssl argument must be an ssl.SSLContext with a certificate, or None, not {type(ssl).__name__!r}: {ssl!r}; "
            "create a context with ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"
        )
    _check_side(ssl, ssl_module.PROTOCOL_TLS_CLIENT, "a server context (ssl.PROTOCOL_TLS_SERVER)")


def _check_side(ssl: Any, wrong: int, needed: str) -> None:
    protocol = getattr(ssl, "protocol", None)
    if protocol == wrong:
        raise ValueError(f"ssl argument must be {needed}, not one of {protocol.name}")


def check_stream_socket(sock: Any, family: int | None = None) -> None:
    """Check that ``sock`` is a plain stream socket, and of ``family`` unless that is None."""
    if isinstance(sock, ssl_module.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket; pass the plain socket and ssl=")
    if not hasattr(sock, "type"):
        raise TypeError(f"sock argument must be a socket, not {type(sock).__name__!r}: {sock!r}")
    if family is not None and (sock.family != family or sock.type != socket.SOCK_STREAM):
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_close_timeout(seconds: float | None) -> None:
    """Check ``close_timeout``: a number of seconds greater than 0, or None for no limit."""
    if seconds is not None:
        core.as_seconds(seconds, "close_timeout")


def check_delay(seconds: Any) -> None:
    """Check ``happy_eyeballs_delay``: a number of seconds, or None."""
    if seconds is not None and not isinstance(seconds, (int, float)):
        raise TypeError(
            f"happy_eyeballs_delay argument must be a number of seconds or None, not {type(seconds).__name__!r}: "
            f"{seconds!r}"
        )


def check_local_address(address: Any) -> None:
    """Check ``local_addr``: a tuple of host and port, or None."""
    if address is not None and (not isinstance(address, (tuple, list)) or len(address) < 2):
        raise TypeError(
            f"local_addr argument must be a tuple of host and port or None, not {type(address).__name__!r}: {address!r}"
        )


def check_port(port: Any) -> None:
    """Check ``port``: an int from 0 to 65535, a str or bytes, which the resolver interprets, or None."""
    if port is not None and not isinstance(port, (int, str, bytes)):
        raise TypeError(f"port argument must be an int, str, bytes or None, not {type(port).__name__!r}: {port!r}")
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise ValueError(f"port argument must be in the range 0 to 65535, not {port}")


def check_integers(arguments: dict[str, Any]) -> None:
    """Check that the keywords family, proto, flags, backlog and interleave, if given, are integers."""
    for name in ("family", "proto", "flags", "backlog", "interleave"):
        value = arguments.get(name, 0)
        optional = name == "interleave"
        if optional and value is None:
            continue
        try:
            operator.index(value)
        except TypeError:
            kind = "an integer or None" if optional else "an integer"
            raise TypeError(f"{name} argument must be {kind}, not {type(value).__name__!r}: {value!r}") from None
