"""ConnectOptions: the checked keyword arguments of ``connect()``, except ``idle_timeout``."""

from __future__ import annotations

import dataclasses
import inspect
import math
import socket
import ssl
from collections.abc import Callable
from typing import Any

from .._asyncio.argument_checks import check_client_tls, check_explicit_hostname, check_server_hostname
from .._implementation import core
from .._net.addresses import name_peer
from .._net.resolve import Resolver
from .endpoint import Endpoint, SocketEndpoint, TCPEndpoint, UnixEndpoint, parse_local

# The largest values that Linux accepts for TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT.
_KEEPALIVE_MAXIMA = (32767, 32767, 127)


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectOptions:
    """The checked keyword arguments of one call. ``tls``: a context, True for the default context, or False.

    ``timeout`` is None for no limit, also if ``math.inf`` was passed. ``local_text`` is ``local`` as it was passed.
    """

    tls: ssl.SSLContext | bool
    timeout: float | None
    local: tuple[str, int] | None
    local_text: str | None
    keepalive: tuple[int, int, int] | None
    resolver: Resolver | None
    configure_socket: Callable[[socket.socket], object] | None
    session: ssl.SSLSession | None
    server_hostname: str | None
    limit: int

    def configure(self, sock: socket.socket) -> None:
        """Apply ``keepalive`` and ``configure_socket`` to a socket that is not bound or connected yet.

        The message of an OSError of ``configure_socket`` gets the name of the argument at its end: connect() drops the
        traceback, which would show the origin. An error without arguments is not changed.
        """
        if self.keepalive is not None:
            set_keepalive(sock, *self.keepalive)
        if self.configure_socket is not None:
            try:
                self.configure_socket(sock)
            except OSError as error:
                if error.args:
                    name_peer(error, "configure_socket")
                raise


def check_options(
    endpoint: Endpoint,
    *,
    tls: Any,
    timeout: Any,
    local: Any,
    keepalive: Any,
    resolver: Any,
    configure_socket: Any,
    session: Any,
    server_hostname: Any,
    limit: Any,
) -> ConnectOptions:
    """Return the checked arguments for a connect to ``endpoint``. Raise TypeError or ValueError for a wrong one."""
    check_client_tls(tls, "tls")
    if isinstance(endpoint, TCPEndpoint) and endpoint.tls is not None:
        if tls is not None and bool(tls) is not endpoint.tls:
            other = ("tls" if tls else "tcp") + endpoint.text[len("tls") :]
            raise ValueError(
                f"tls={tls!r} contradicts the scheme of the address {endpoint.text!r}; leave out tls=, or pass "
                f"{other!r}"
            )
        tls = tls or endpoint.tls
    tls = tls or False
    _check_tls(endpoint, tls, session, server_hostname)
    if timeout is not None:
        core.as_seconds(timeout, "connect(): timeout")
    if not isinstance(endpoint, TCPEndpoint):
        kind = "a Unix socket" if isinstance(endpoint, UnixEndpoint) else "a socket of the program"
        for name, value in {"local": local, "resolver": resolver}.items():
            if value is not None:
                raise ValueError(f"{name} is only meaningful with a host and a port, not with {kind}")
    if isinstance(endpoint, SocketEndpoint) and configure_socket is not None:
        raise ValueError("configure_socket is only meaningful for a socket that connect() creates")
    _check_callables(resolver, configure_socket)
    if keepalive is not None:
        _check_keepalive(keepalive)
        if isinstance(endpoint, UnixEndpoint) or (isinstance(endpoint, SocketEndpoint) and not endpoint.is_tcp()):
            raise ValueError("keepalive is only meaningful for TCP")
    return ConnectOptions(
        tls,
        None if timeout == math.inf else timeout,
        None if local is None else parse_local(local),
        local,
        keepalive,
        resolver,
        configure_socket,
        session,
        _hostname(endpoint, tls, server_hostname),
        core.as_limit(limit, "connect"),
    )


def set_keepalive(sock: socket.socket, idle: int, interval: int, count: int) -> None:
    """Let the kernel probe a silent peer after ``idle`` seconds, then every ``interval`` seconds, ``count`` times.

    An option that the system does not have is left out.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS has another name for the first option.
    idle_option = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
    for option, value in (
        (idle_option, idle),
        (getattr(socket, "TCP_KEEPINTVL", None), interval),
        (getattr(socket, "TCP_KEEPCNT", None), count),
    ):
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _check_tls(endpoint: Endpoint, tls: Any, session: Any, server_hostname: Any) -> None:
    check_server_hostname(server_hostname, tls, "tls")
    check_explicit_hostname(server_hostname, tls)
    if tls and server_hostname is None and not isinstance(endpoint, TCPEndpoint):
        raise ValueError(
            f"tls for {endpoint.text!r} needs server_hostname, the name that the certificate of the peer must have; "
            "server_hostname='' disables the check"
        )
    if session is None:
        return
    if not isinstance(session, ssl.SSLSession):
        raise TypeError(f"session argument must be an ssl.SSLSession or None, not {type(session).__name__!r}")
    if not tls:
        raise ValueError("session is only meaningful with tls")
    if isinstance(tls, ssl.SSLContext):
        try:
            # The context raises the error that it would raise after the connect.
            tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost", session=session)
        except ValueError as error:
            raise ValueError(f"session belongs to another context than the one of tls: {error}") from None


def _hostname(endpoint: Endpoint, tls: Any, server_hostname: str | None) -> str | None:
    if not tls or server_hostname is not None:
        return server_hostname
    # The zone id of an IPv6 address has a meaning on this machine only.
    return endpoint.host.partition("%")[0] if isinstance(endpoint, TCPEndpoint) else None


def _check_callables(resolver: Any, configure_socket: Any) -> None:
    if resolver is not None and not callable(resolver):
        raise TypeError(f"resolver argument must be a coroutine function or None, not {type(resolver).__name__!r}")
    if configure_socket is None:
        return
    if not callable(configure_socket) or inspect.iscoroutinefunction(configure_socket):
        raise TypeError(
            "configure_socket argument must be None or a callable that is no coroutine function, "
            f"not {configure_socket!r}"
        )


def _check_keepalive(keepalive: Any) -> None:
    accepted = "accepted is a tuple of three ints: idle and interval in seconds (1 to 32767), and count (1 to 127)"
    if not isinstance(keepalive, tuple) or len(keepalive) != 3:
        raise TypeError(f"keepalive argument must not be {keepalive!r}; {accepted}")
    for value, maximum in zip(keepalive, _KEEPALIVE_MAXIMA, strict=True):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"keepalive argument must not be {keepalive!r}; {accepted}")
        if not 1 <= value <= maximum:
            raise ValueError(f"keepalive argument must not be {keepalive!r}; {accepted}")
