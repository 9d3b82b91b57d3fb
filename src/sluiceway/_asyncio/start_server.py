"""start_server and start_unix_server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Unpack

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
from .keyword_defaults import (
    TCP_SERVER,
    UNIX_SERVER,
    ServerParameters,
    TCPServerParameters,
    UnixServerParameters,
    merge,
    with_keywords,
)
from .protocol import ClientConnected
from .server import Server
from .server_connection import ConnectionOptions


@with_keywords(TCPServerParameters, TCP_SERVER)
async def start_server(
    client_connected_cb: ClientConnected,
    host: str | bytes | Iterable[str | bytes] | None = None,
    port: str | bytes | int | None = None,
    **options: Unpack[TCPServerParameters],
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
    given: TCPServerParameters = merge("start_server", TCP_SERVER, options)
    sock = given["sock"]
    running = running_loop(given["loop"])
    accepted = _connection_options(client_connected_cb, given)
    check_port(port)
    if host is not None or port is not None:
        if sock is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        sockets = await bind_tcp(
            running,
            host,
            port,
            family=given["family"],
            flags=given["flags"],
            reuse_address=given["reuse_address"],
            reuse_port=given["reuse_port"],
            keep_alive=given["keep_alive"],
        )
    else:
        if sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        check_stream_socket(sock)
        sock.setblocking(False)
        sockets = [sock]
    return await _serve(Server(running, sockets, accepted, backlog=given["backlog"]), given["start_serving"])


@with_keywords(UnixServerParameters, UNIX_SERVER)
async def start_unix_server(
    client_connected_cb: ClientConnected,
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None,
    **options: Unpack[UnixServerParameters],
) -> Server:
    """Listen on a Unix socket and call ``client_connected_cb(reader, writer)`` for each connection.

    Args:
        path: str, bytes or PathLike; a leading NUL makes it an abstract name (Linux). A socket that a server left
            there is replaced.
        sock: a bound Unix stream socket in place of the path; owned by the server from then on.
        cleanup_socket: remove the path when the server closes, if it is still this server's (Python 3.13).
        client_connected_cb, loop, limit, backlog, ssl, start_serving, close_timeout: see start_server.
        ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof: see start_server.

    Returns:
        The server.

    Raises:
        UnixPathError: the path is too long, or there is something else than a socket (an OSError and a ValueError).
        OSError: it cannot be bound.
        ValueError, TypeError: the arguments contradict each other; nothing was opened.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_unix_server
    """
    given: UnixServerParameters = merge("start_unix_server", UNIX_SERVER, options)
    sock = given["sock"]
    running = running_loop(given["loop"])
    accepted = _connection_options(client_connected_cb, given)
    if path is not None:
        if sock is not None:
            raise ValueError("path and sock can not be specified at the same time")
        sock = bind_unix(path)
    else:
        if sock is None:
            raise ValueError("path was not specified, and no sock specified")
        check_stream_socket(sock, socket.AF_UNIX)
        sock.setblocking(False)
    on_close = UnixPath(sock).remove if given["cleanup_socket"] else None
    server = Server(running, [sock], accepted, backlog=given["backlog"], on_close=on_close)
    return await _serve(server, given["start_serving"])


def _connection_options(client_connected_cb: ClientConnected, given: ServerParameters) -> ConnectionOptions:
    tls = tls_options(given["ssl"], given)
    if not callable(client_connected_cb):
        raise TypeError(
            f"client_connected_cb takes a function of (reader, writer), not {type(client_connected_cb).__name__}"
        )
    check_server_tls(given["ssl"])
    check_close_timeout(given["close_timeout"])
    return ConnectionOptions(
        client_connected_cb, core.as_limit(given["limit"]), given["close_timeout"], given["ssl"], tls
    )


async def _serve(server: Server, start_serving: bool) -> Server:
    if start_serving:
        try:
            await server.start_serving()
        except BaseException:
            server.close()
            raise
    return server
