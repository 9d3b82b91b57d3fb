"""start_server and start_unix_server."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl as ssl_module
from collections.abc import Iterable
from typing import Any

from .._constants import CLOSE_TIMEOUT, DEFAULT_BACKLOG
from .._implementation import core
from .._net.bind_tcp import bind_tcp
from .._net.unix_sockets import UnixPath, bind_unix
from .._transports.tls.options import tls_options
from .argument_checks import (
    check_close_timeout,
    check_port,
    check_server_tls,
    check_stream_socket,
    running_loop,
)
from .protocol import ClientConnected
from .server import Server
from .server_connection import Adoption


async def start_server(
    client_connected_cb: ClientConnected,
    host: str | bytes | Iterable[str | bytes] | None = None,
    port: str | bytes | int | None = None,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    limit: float | None = None,
    family: int = socket.AF_UNSPEC,
    flags: int = socket.AI_PASSIVE,
    sock: socket.socket | None = None,
    backlog: int = DEFAULT_BACKLOG,
    ssl: ssl_module.SSLContext | None = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    keep_alive: bool | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    strict_eof: bool = False,
    start_serving: bool = True,
    close_timeout: float | None = CLOSE_TIMEOUT,
) -> Server:
    """Listen on TCP addresses and call ``client_connected_cb(reader, writer)`` for each connection.

    Args:
        client_connected_cb: a plain function, a coroutine function, or any callable; an awaitable that it returns runs
            as a task that the server keeps. Its error goes to the loop's exception handler and closes the connection;
            the loss of this very connection is no error.
        host, port: where to listen: a name, an address, several of them, or None or "" for all interfaces.
        loop: None or the running loop; there for programs written for Python 3.4.
        limit: bytes; see StreamReader.
        family, flags: for the resolver, as in ``socket.getaddrinfo``.
        sock: a bound stream socket in place of host and port; owned by the server from then on.
        backlog: connections that the kernel queues before they are accepted; by default as many as the system allows.
        ssl: a context with the server's certificate.
        reuse_address, reuse_port, keep_alive: socket options; reuse_address is set by default where it is harmless.
        ssl_handshake_timeout, ssl_shutdown_timeout: seconds; None for 60 and 30.
        strict_eof: see open_connection.
        start_serving: False to accept from ``start_serving()`` or ``serve_forever()`` on.
        close_timeout: seconds in which a closing connection may make no progress before it is aborted; None for ever.

    Returns:
        The server.

    Raises:
        OSError: an address cannot be bound; the message names it.
        ValueError, TypeError: the arguments contradict each other; nothing was opened.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_server
    """
    running = running_loop(loop)
    tls = tls_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof)
    adoption = _adoption(client_connected_cb, limit, close_timeout, ssl, tls)
    check_port(port)
    if host is not None or port is not None:
        if sock is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        sockets = await bind_tcp(
            running,
            host,
            port,
            family=family,
            flags=flags,
            reuse_address=reuse_address,
            reuse_port=reuse_port,
            keep_alive=keep_alive,
        )
    else:
        if sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        check_stream_socket(sock)
        sock.setblocking(False)
        sockets = [sock]
    return await _serve(Server(running, sockets, adoption, backlog=backlog), start_serving)


async def start_unix_server(
    client_connected_cb: ClientConnected,
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    limit: float | None = None,
    sock: socket.socket | None = None,
    backlog: int = DEFAULT_BACKLOG,
    ssl: ssl_module.SSLContext | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    strict_eof: bool = False,
    start_serving: bool = True,
    cleanup_socket: bool = True,
    close_timeout: float | None = CLOSE_TIMEOUT,
) -> Server:
    """Listen on a Unix socket and call ``client_connected_cb(reader, writer)`` for each connection.

    Args:
        path: str, bytes or PathLike; a leading NUL makes it an abstract name (Linux). A socket that a server left
            there is replaced.
        sock: a bound Unix stream socket in place of the path; owned by the server from then on.
        cleanup_socket: remove the path when the server closes, if it is still this server's (Python 3.13).
        client_connected_cb, loop, limit, backlog, ssl, ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof,
            start_serving, close_timeout: see start_server.

    Returns:
        The server.

    Raises:
        UnixPathError: the path is too long, or there is something else than a socket (an OSError and a ValueError).
        OSError: it cannot be bound.
        ValueError, TypeError: the arguments contradict each other; nothing was opened.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_unix_server
    """
    running = running_loop(loop)
    tls = tls_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof)
    adoption = _adoption(client_connected_cb, limit, close_timeout, ssl, tls)
    if path is not None:
        if sock is not None:
            raise ValueError("path and sock can not be specified at the same time")
        sock = bind_unix(path)
    else:
        if sock is None:
            raise ValueError("path was not specified, and no sock specified")
        check_stream_socket(sock, socket.AF_UNIX)
        sock.setblocking(False)
    on_close = UnixPath(sock).remove if cleanup_socket else None
    return await _serve(Server(running, [sock], adoption, backlog=backlog, on_close=on_close), start_serving)


def _adoption(
    client_connected_cb: Any,
    limit: float | None,
    close_timeout: float | None,
    ssl: ssl_module.SSLContext | None,
    tls: dict[str, Any],
) -> Adoption:
    if not callable(client_connected_cb):
        raise TypeError(
            f"client_connected_cb takes a function of (reader, writer), not {type(client_connected_cb).__name__}"
        )
    check_server_tls(ssl)
    check_close_timeout(close_timeout)
    return Adoption(
        client_connected_cb,
        core.as_limit(limit),
        close_timeout,
        ssl,
        tls,
    )


async def _serve(server: Server, start_serving: bool) -> Server:
    if start_serving:
        try:
            await server.start_serving()
        except BaseException:
            server.close()
            raise
    return server
