"""Checks of what the four functions are given, before anything is opened: the same sentences on every loop."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from typing import Any

from .._implementation import core


def running_loop(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """The running loop; ``loop`` may be given for old programs' sake, but no other (contract S9)."""
    running = asyncio.get_running_loop()
    if loop is not None and loop is not running:
        raise ValueError(f"loop must be the running loop {running!r} or None, not {loop!r}")
    return running


def check_client_tls(ssl: Any) -> None:
    """A client's ``ssl``: an SSLContext, True for the default one, or nothing."""
    if ssl is not None and not isinstance(ssl, (bool, ssl_module.SSLContext)):
        raise TypeError(f"ssl takes an ssl.SSLContext, True or None, not {type(ssl).__name__}")
    _check_side(ssl, ssl_module.PROTOCOL_TLS_SERVER, "a client needs one of PROTOCOL_TLS_CLIENT")


def check_server_hostname(server_hostname: Any, ssl: Any) -> None:
    """``server_hostname`` goes with ``ssl`` and is a name that TLS can send."""
    if server_hostname is None:
        return
    if not isinstance(server_hostname, str):
        raise TypeError(f"server_hostname takes a str, not {type(server_hostname).__name__} {server_hostname!r}")
    if not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    try:
        server_hostname.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"server_hostname {server_hostname!r} is no host name: {error}") from None


def check_server_tls(ssl: Any) -> None:
    """A server's ``ssl``: an SSLContext with its certificate, or nothing."""
    if ssl is not None and not isinstance(ssl, ssl_module.SSLContext):
        raise TypeError(f"ssl argument must be an SSLContext or None, not {ssl!r}: a server needs a certificate")
    _check_side(ssl, ssl_module.PROTOCOL_TLS_CLIENT, "a server needs one of PROTOCOL_TLS_SERVER, with its certificate")


def _check_side(ssl: Any, wrong: int, needed: str) -> None:
    protocol = getattr(ssl, "protocol", None)
    if protocol == wrong:
        raise ValueError(f"ssl is a context of {protocol.name}: {needed}")


def check_stream_socket(sock: Any, family: int | None = None) -> None:
    """``sock`` is a stream socket, not wrapped by ssl, of ``family`` where that matters."""
    if isinstance(sock, ssl_module.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket: give the plain socket, and ssl=")
    if not hasattr(sock, "type"):
        raise TypeError(f"sock takes a socket, not {type(sock).__name__} {sock!r}")
    if family is not None and (sock.family != family or sock.type != socket.SOCK_STREAM):
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_close_timeout(seconds: float | None) -> None:
    """``close_timeout``: seconds above zero, or None for no bound."""
    if seconds is not None:
        core.as_seconds(seconds, "close_timeout")


def check_delay(seconds: Any) -> None:
    """``happy_eyeballs_delay``: a number of seconds, or None."""
    if seconds is not None and not isinstance(seconds, (int, float)):
        raise TypeError(
            f"happy_eyeballs_delay is a number of seconds or None, not {type(seconds).__name__} {seconds!r}"
        )


def check_local_address(address: Any) -> None:
    """``local_addr``: host and port to connect from, or None."""
    if address is not None and (not isinstance(address, (tuple, list)) or len(address) < 2):
        raise TypeError(f"local_addr takes a tuple of host and port or None, not {type(address).__name__} {address!r}")


def check_port(port: Any) -> None:
    """A port that is a number is one that TCP has; a name, or None, is the resolver's affair."""
    if port is not None and not isinstance(port, (int, str, bytes)):
        raise TypeError(f"port takes a number, a service name or None, not {type(port).__name__} {port!r}")
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise ValueError(f"port takes a number from 0 to 65535, not {port}")
