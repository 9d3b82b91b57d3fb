"""Checks of the arguments of open_connection, start_server and their Unix variants, made before a socket is opened.

The error messages do not depend on the event loop.
"""

from __future__ import annotations

import asyncio
import math
import operator
import socket
import ssl as ssl_module
from typing import Any

from .._implementation import core
from .._net.addresses import host_hint, refuse_nul
from .._net.resolve import refuse_beyond_c_int


def running_loop(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """Return the running loop. Raise ValueError if ``loop`` is another loop; None is accepted."""
    running = asyncio.get_running_loop()
    if loop is not None and loop is not running:
        raise ValueError(f"loop argument must be the running loop {running!r} or None, not {loop!r}")
    return running


def check_client_tls(ssl: Any, name: str = "ssl") -> None:
    """Raise TypeError unless ``ssl`` is an SSLContext, a bool or None, and ValueError if the context is for servers.

    ``name``: the name of the argument ``ssl`` in messages.
    """
    if ssl is not None and not isinstance(ssl, (bool, ssl_module.SSLContext)):
        raise TypeError(
            f"{name} argument must be an ssl.SSLContext, a bool or None, not {type(ssl).__name__!r}: {ssl!r}; "
            "create a context with ssl.create_default_context()"
        )
    _check_side(ssl, ssl_module.PROTOCOL_TLS_SERVER, name)


def check_server_hostname(server_hostname: Any, ssl: Any, name: str = "ssl") -> None:
    """Raise TypeError unless ``server_hostname`` is a str or None.

    Raise ValueError for a str that contains a NUL or cannot be encoded as a host name. If ``ssl`` is None or False,
    raise ValueError for any str. ``name``: the name of the argument ``ssl`` in messages.
    """
    if server_hostname is None:
        return
    if not isinstance(server_hostname, str):
        raise TypeError(
            f"server_hostname argument must be a str or None, not {type(server_hostname).__name__!r}: "
            f"{server_hostname!r}"
        )
    if not ssl:
        raise ValueError(f"server_hostname is only meaningful with {name}")
    refuse_nul(server_hostname, "server_hostname argument")
    try:
        server_hostname.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"server_hostname {server_hostname!r} is not a valid host name: {error}") from None


def check_explicit_hostname(server_hostname: Any, ssl: Any, call: str = "", stream: str = "") -> None:
    """Raise ValueError if ``server_hostname`` is a str that no certificate can match; see host_hint().

    If the context ``ssl`` does not check host names, any str is accepted. The message names the method ``call`` and
    its connection ``stream``, unless ``call`` is empty.
    """
    if not isinstance(server_hostname, str) or getattr(ssl, "check_hostname", True) is False:
        # The name is only sent to the server, which may accept it.
        return
    hint = host_hint(server_hostname)
    if hint is not None:
        prefix, where = (f"{call}(): ", f" ({stream})") if call else ("", "")
        raise ValueError(f"{prefix}server_hostname {server_hostname!r} is not a valid host name: {hint}{where}")


def check_server_tls(ssl: Any) -> None:
    """Raise TypeError unless ``ssl`` is an SSLContext or None, and ValueError if the context is for clients."""
    if ssl is not None and not isinstance(ssl, ssl_module.SSLContext):
        raise TypeError(
            f"ssl argument must be an ssl.SSLContext with a certificate, or None, not {type(ssl).__name__!r}: {ssl!r}; "
            "create a context with ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) and its load_cert_chain()"
        )
    _check_side(ssl, ssl_module.PROTOCOL_TLS_CLIENT)


def _check_side(ssl: Any, wrong: int, name: str = "ssl") -> None:
    """Raise ValueError if ``ssl`` is a context with the protocol ``wrong``, which is for the other side."""
    if getattr(ssl, "protocol", None) == wrong:
        client, server = "a client context (ssl.PROTOCOL_TLS_CLIENT)", "a server context (ssl.PROTOCOL_TLS_SERVER)"
        needed, given = (server, client) if wrong == ssl_module.PROTOCOL_TLS_CLIENT else (client, server)
        raise ValueError(f"{name} argument must be {needed}, not {given}")


def check_stream_socket(sock: Any, family: int | None = None) -> None:
    """Raise TypeError if ``sock`` is not a socket, or is an ssl.SSLSocket.

    Raise ValueError unless its type is SOCK_STREAM and its family is ``family``. If ``family`` is None, any family is
    accepted.
    """
    if isinstance(sock, ssl_module.SSLSocket):
        raise TypeError(
            "Socket cannot be of type SSLSocket; pass the plain socket, and the context as ssl= (connect(): tls=)"
        )
    if not hasattr(sock, "type"):
        raise TypeError(f"sock argument must be a socket, not {type(sock).__name__!r}: {sock!r}")
    if family is not None and (sock.family != family or sock.type != socket.SOCK_STREAM):
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_close_timeout(seconds: float | None) -> None:
    """Raise TypeError or ValueError unless ``seconds`` is a number greater than 0, or None, which means no timeout."""
    if seconds is not None:
        core.as_seconds(seconds, "close_timeout")


def as_delay(seconds: Any) -> float | None:
    """Return ``seconds``, the argument ``happy_eyeballs_delay``. Raise TypeError unless it is a number or None.

    Raise ValueError for NaN, and for an int that a float cannot hold. As in asyncio, a negative number is accepted.
    """
    if seconds is None:
        return None
    delay = core.float_if_number(seconds)
    if not isinstance(delay, (int, float)):
        raise TypeError(
            f"happy_eyeballs_delay argument must be a number of seconds or None, not {type(seconds).__name__!r}: "
            f"{seconds!r}"
        )
    try:
        valid = not math.isnan(delay)
    except OverflowError:
        valid = False
    if not valid:
        raise ValueError("happy_eyeballs_delay argument must be a number of seconds that a float can hold, and not NaN")
    return delay


def as_local_address(address: Any) -> tuple[Any, ...] | None:
    """Return ``address``, the argument ``local_addr``, as a tuple, or None.

    Raise TypeError unless it is a tuple or list of host and port, or None. For the port, see as_port(). The host is
    checked by resolve().
    """
    if address is None:
        return None
    if not isinstance(address, (tuple, list)) or len(address) < 2:
        raise TypeError(
            "local_addr argument must be a tuple of host and port, such as ('192.0.2.1', 0), or None, not "
            f"{type(address).__name__!r}: {address!r}"
        )
    return (address[0], as_port(address[1], "port of local_addr"), *address[2:])


def as_port(port: Any, name: str = "port argument") -> int | str | bytes | None:
    """Return ``port``. If it has ``__index__``, as the integers of other libraries have, return it as an int.

    Raise TypeError unless it is an integer, str, bytes or None, and ValueError for a number outside 0 to 65535. A str
    or bytes is a number or the name of a service. The resolver would use a number modulo 65536. ``name``: the name of
    the port in messages.
    """
    if port is None:
        return None
    if not isinstance(port, (int, str, bytes)):
        try:
            port = operator.index(port)
        except TypeError:
            raise TypeError(
                f"{name} must be an int, str, bytes or None, not {type(port).__name__!r}: {port!r}"
            ) from None
    checked: int | str | bytes = port
    try:
        number = int(checked)
    except ValueError:
        # The name of a service.
        return checked
    if not 0 <= number <= 65535:
        raise ValueError(f"{name} must be in the range 0 to 65535, not {port!r}")
    return checked


def check_integers(arguments: dict[str, Any]) -> None:
    """Raise TypeError unless the keywords family, proto, flags, backlog and interleave in ``arguments`` are integers.

    A missing keyword is accepted, and ``interleave`` may be None. Raise ValueError if ``backlog`` exceeds a C integer.
    For family, proto and flags, resolve() raises this error, and only if it passes them to getaddrinfo().
    """
    for name in ("family", "proto", "flags", "backlog", "interleave"):
        value = arguments.get(name, 0)
        optional = name == "interleave"
        if optional and value is None:
            continue
        try:
            number = operator.index(value)
        except TypeError:
            kind = "an integer or None" if optional else "an integer"
            raise TypeError(f"{name} argument must be {kind}, not {type(value).__name__!r}: {value!r}") from None
        if name == "backlog":
            refuse_beyond_c_int(number, name)
