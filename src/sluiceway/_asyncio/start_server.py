"""start_server() and start_unix_server(): listen, and return a Server."""

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
    as_port,
    check_close_timeout,
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
        client_connected_cb (callable): the handler: a plain function, a coroutine function, or any other callable. If
            the handler returns an awaitable, a task runs the awaitable, and the server keeps a reference to the task
            until the task ends. If the handler raises an exception or is cancelled, the connection is closed. An
            exception is passed to the loop's exception handler, unless it reports the end of this connection. Any other
            result, such as the None of a plain function or an asynchronous generator, is ignored: such a handler must
            keep the writer or start a task that does, because a connection whose reader and writer the program has
            dropped is closed.
        host (str, bytes, an iterable of these, or None): the names or addresses to listen on. None and ``""`` mean all
            network interfaces.
        port (int, str, bytes or None): the port number or service name. 0 and None let the kernel choose one for each
            address. Without ``sock``, ``host`` and ``port`` must not both be None.
        loop (asyncio.AbstractEventLoop or None): None or the running loop. The argument is for programs that were
            written for Python 3.9 or earlier.
        limit (int, math.inf or None): the limit of each reader in bytes; see StreamReader.
        family, flags (int): arguments for the resolver; see ``socket.getaddrinfo``.
        sock (socket.socket or None): a bound stream socket to use instead of ``host`` and ``port``. Its socket options
            are not changed. Closing the server closes the socket.
        backlog (int): the number of connections that the kernel queues before the server accepts them. The default is
            the maximum of the system.
        ssl (ssl.SSLContext or None): the TLS context, with the server's certificate. None means no TLS.
        reuse_address (bool or None): set SO_REUSEADDR on the sockets. None means True on POSIX systems, else False.
        reuse_port (bool or None): set SO_REUSEPORT, so that several processes can listen on one port. None means False.
        keep_alive (bool or None): set SO_KEEPALIVE on the sockets; the accepted connections inherit it. None means
            False.
        ssl_handshake_timeout (float or None): the seconds that a TLS handshake may take. None means 60.
        ssl_shutdown_timeout (float or None): the seconds that closing waits for the peer's close_notify alert. None
            means 30.
        strict_eof (bool): see open_connection.
        start_serving (bool): if True, the server accepts connections at once. If False, only after ``start_serving()``
            or ``serve_forever()`` is called.
        close_timeout (float or None): the seconds that a close may take without progress; see open_connection.

    Returns:
        The Server.

    Raises:
        OSError: a host name cannot be resolved, or an address cannot be bound or listened on; the message names it. Or
            the process has no free descriptor. An address that this machine does not have, or whose family the kernel
            does not support, is left out, with a debug log record, if another address can be bound.
        ValueError, TypeError: an argument is invalid, or two arguments contradict each other. No socket was opened.

    If the call fails or is cancelled, the sockets that the call created are closed. A socket passed as ``sock`` is
    closed too, unless an argument was invalid: then it stays open.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_server
    """
    given: TCPServerParameters = merge("start_server", TCP_SERVER, options)
    sock = given["sock"]
    running = running_loop(given["loop"])
    accepted = _connection_options(client_connected_cb, given)
    port = as_port(port)
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
            raise ValueError("start_server(): Neither host/port nor sock were specified")
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
        path (str, bytes, os.PathLike or None): the path of the socket. A path with a leading NUL is an abstract name
            (Linux). An existing socket at the path is replaced.
        sock (socket.socket or None): a bound Unix stream socket to use instead of ``path``. Closing the server closes
            the socket.
        cleanup_socket (bool): remove the path when the server is closed, also the path of ``sock``. A path
            that names another socket by then is not removed. asyncio has this keyword since Python 3.13.
        client_connected_cb, loop, limit, backlog, ssl, start_serving, close_timeout: see start_server.
        ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof: see start_server.

    Returns:
        The Server.

    Raises:
        UnixPathError: the path is too long, or names a file that is not a socket. The class derives from OSError and
            ValueError.
        OSError: the path cannot be bound or listened on, or the process has no free descriptor.
        ValueError, TypeError: an argument is invalid, or two arguments contradict each other. No socket was opened.

    If the call fails or is cancelled, the socket that the call created is closed. For ``sock``, see start_server.

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
            raise ValueError("start_unix_server(): path was not specified, and no sock specified")
        check_stream_socket(sock, socket.AF_UNIX)
        sock.setblocking(False)
    on_close = UnixPath(sock).remove if given["cleanup_socket"] else None
    server = Server(running, [sock], accepted, backlog=given["backlog"], on_close=on_close)
    return await _serve(server, given["start_serving"])


def _connection_options(client_connected_cb: ClientConnected, given: ServerParameters) -> ConnectionOptions:
    tls = tls_options(given["ssl"], given)
    if not callable(client_connected_cb):
        raise TypeError(
            "client_connected_cb argument must be a callable that takes (reader, writer), "
            f"not {type(client_connected_cb).__name__!r}"
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
