"""open_connection and open_unix_connection."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Unpack

from .._implementation import core
from .._net.addresses import describe_address, name_handshake, name_peer, peer_of
from .._net.connect_tcp import connect_tcp
from .._net.resolve import check_host
from .._net.unix_sockets import connect_unix
from .._transports.make_transport import make_connected
from .._transports.tls.default_context import default_context
from .._transports.tls.options import tls_options
from .argument_checks import (
    check_client_tls,
    check_close_timeout,
    check_delay,
    check_explicit_hostname,
    check_local_address,
    check_port,
    check_server_hostname,
    check_stream_socket,
    running_loop,
)
from .keyword_defaults import (
    TCP_CLIENT,
    UNIX_CLIENT,
    ClientParameters,
    TCPClientParameters,
    merge,
    with_keywords,
)
from .protocol import StreamReaderProtocol
from .reader import StreamReader
from .writer import StreamWriter


@with_keywords(TCPClientParameters, TCP_CLIENT)
async def open_connection(
    host: str | bytes | None = None,
    port: str | bytes | int | None = None,
    **options: Unpack[TCPClientParameters],
) -> tuple[StreamReader, StreamWriter]:
    """Open a TCP connection, or use a connected socket, with TLS if ``ssl`` is given.

    Args:
        host (str, bytes or None): the host name or IP address to connect to.
        port (int, str, bytes or None): the port number or service name.
        loop (asyncio.AbstractEventLoop or None): None or the running loop. It exists for programs written for
            Python 3.4.
        limit (int, math.inf or None): bytes; see StreamReader.
        ssl (ssl.SSLContext, bool or None): the TLS context. True means ``ssl.create_default_context()``, created once
            and shared; see docs/howto/tls.md.
        family, proto, flags (int): arguments of the resolver, as in ``socket.getaddrinfo``.
        sock (socket.socket or None): a connected stream socket to use instead of ``host`` and ``port``. The connection
            owns the socket and closes it.
        local_addr (tuple or None): the host and port to bind the socket to before it connects.
        server_hostname (str or None): the name that the peer's certificate must match. None means ``host``; ``""``
            disables the check.
        ssl_handshake_timeout (float or None): seconds; None means 60.
        ssl_shutdown_timeout (float or None): seconds that closing waits for the peer's close_notify; None means 30.
        strict_eof (bool): raise ssl.SSLEOFError, after the buffered data, if the peer's TCP connection ends without a
            close_notify alert. An attacker on the network path can cause such an end (RFC 8446, section 6.1). If
            False, the reader reports end of file, and ``reader.eof_reason`` is "truncated".
        happy_eyeballs_delay (float or None): seconds after which the next address is tried in parallel (RFC 8305
            recommends 0.25). None tries the addresses one after the other.
        interleave (int or None): the number of addresses of the first family before the families alternate. None means
            1 with ``happy_eyeballs_delay``, else no reordering.
        all_errors (bool): if all addresses fail, raise an ExceptionGroup with the error of each.
        close_timeout (float or None): seconds. A closing connection is aborted when neither the kernel nor the peer
            accepts data for this time. None means no limit.

    Returns:
        The StreamReader and the StreamWriter of the connection.

    Raises:
        OSError: the host name cannot be resolved, or no address accepts the connection.
        ExceptionGroup: no address accepts the connection, with ``all_errors``.
        ssl.SSLError: the TLS handshake failed. The message names the peer and the reason.
        ConnectionError: the connection was lost during the handshake, or the handshake timed out.
        ValueError, TypeError: an argument is invalid, or two arguments contradict each other. Nothing was opened.

    If the call is cancelled, the sockets that it created are closed. A ``sock`` of the caller stays open if the call is
    cancelled before the transport is created; otherwise it is closed.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_connection
    """
    given: TCPClientParameters = merge("open_connection", TCP_CLIENT, options)
    sock, ssl, server_hostname = given["sock"], given["ssl"], given["server_hostname"]
    running = running_loop(given["loop"])
    check_client_tls(ssl)
    check_close_timeout(given["close_timeout"])
    check_host(host)
    check_port(port)
    check_delay(given["happy_eyeballs_delay"])
    check_local_address(given["local_addr"])
    if ssl and server_hostname is None:
        if not host:
            raise ValueError(
                "You must set server_hostname when using ssl without a host; server_hostname='' disables the check"
            )
        server_hostname = host.decode("idna") if isinstance(host, bytes) else host
    check_server_hostname(server_hostname, ssl)
    check_explicit_hostname(given["server_hostname"], ssl)
    tls = tls_options(ssl, given)
    if host is not None or port is not None:
        if sock is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
    elif sock is None:
        raise ValueError("host and port was not specified and no sock specified")
    if ssl is True:
        ssl = await default_context.get(running)
    protocol, reader = _make_protocol(running, given["limit"], given["close_timeout"])
    if sock is None:
        sock = await connect_tcp(
            running,
            host,
            port,
            family=given["family"],
            proto=given["proto"],
            flags=given["flags"],
            local_addr=given["local_addr"],
            happy_eyeballs_delay=given["happy_eyeballs_delay"],
            interleaved=given["interleave"],
            all_errors=given["all_errors"],
        )
        peer = describe_address((host, port))
        if ssl:
            peer = peer_of(sock, peer)
    else:
        check_stream_socket(sock)
        sock.setblocking(False)
        peer = peer_of(sock)
    return await _wrap(
        running,
        sock,
        protocol,
        reader,
        peer,
        shared=sock is given["sock"],
        ssl=ssl,
        server_hostname=server_hostname,
        **tls,
    )


@with_keywords(ClientParameters, UNIX_CLIENT)
async def open_unix_connection(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None,
    **options: Unpack[ClientParameters],
) -> tuple[StreamReader, StreamWriter]:
    """Open a connection to a Unix socket, or use a connected socket, with TLS if ``ssl`` is given.

    Args:
        path (str, bytes, os.PathLike or None): the path of the socket. A leading NUL makes it an abstract name (Linux).
        sock (socket.socket or None): a connected Unix stream socket to use instead of ``path``. The connection owns the
            socket and closes it.
        server_hostname (str or None): required with ``ssl``: the name that the peer's certificate must match. ``""``
            disables the check.
        loop, limit, ssl, ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof, close_timeout: see open_connection.

    Returns:
        The StreamReader and the StreamWriter of the connection.

    Raises:
        UnixPathError: the path is too long, or names a file that is not a socket. It is an OSError and a ValueError.
        OSError: the socket does not exist, or no server accepts connections on it.
        ssl.SSLError, ConnectionError, ValueError, TypeError: see open_connection.

    If the call is cancelled, the socket that it created is closed. For ``sock``, see open_connection.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_unix_connection
    """
    given: ClientParameters = merge("open_unix_connection", UNIX_CLIENT, options)
    sock, ssl, server_hostname = given["sock"], given["ssl"], given["server_hostname"]
    running = running_loop(given["loop"])
    check_client_tls(ssl)
    check_close_timeout(given["close_timeout"])
    if ssl and server_hostname is None:
        raise ValueError("you have to pass server_hostname when using ssl; server_hostname='' disables the check")
    check_server_hostname(server_hostname, ssl)
    check_explicit_hostname(server_hostname, ssl)
    tls = tls_options(ssl, given)
    if path is not None:
        if sock is not None:
            raise ValueError("path and sock can not be specified at the same time")
    elif sock is None:
        raise ValueError("no path and sock were specified")
    if ssl is True:
        ssl = await default_context.get(running)
    protocol, reader = _make_protocol(running, given["limit"], given["close_timeout"])
    if sock is None:
        sock = await connect_unix(running, path)
        peer = describe_address(os.fspath(path)) if path is not None else ""
    else:
        check_stream_socket(sock, socket.AF_UNIX)
        sock.setblocking(False)
        peer = peer_of(sock)
    return await _wrap(
        running,
        sock,
        protocol,
        reader,
        peer,
        shared=sock is given["sock"],
        ssl=ssl,
        server_hostname=server_hostname,
        **tls,
    )


def _make_protocol(
    loop: asyncio.AbstractEventLoop, limit: float | None, close_timeout: float | None
) -> tuple[StreamReaderProtocol, StreamReader]:
    reader = StreamReader(core.as_limit(limit), loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    protocol.close_timeout = close_timeout
    return protocol, reader


async def _wrap(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: StreamReaderProtocol,
    reader: StreamReader,
    peer: str,
    **options: Any,
) -> tuple[StreamReader, StreamWriter]:
    try:
        transport = await make_connected(loop, sock, protocol, **options)
    except OSError as error:
        if options["ssl"]:
            name_handshake(error, options["server_hostname"], peer, client=True)
        else:
            name_peer(error, peer)
        raise
    return reader, StreamWriter(transport, protocol, reader, loop)
