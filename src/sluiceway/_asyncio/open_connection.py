"""open_connection() and open_unix_connection(): connect, and return a StreamReader and a StreamWriter."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Unpack

from .._constants import CLOSE_TIMEOUT
from .._implementation import core
from .._net.addresses import describe_address, is_connected, name_handshake, name_peer, peer_of
from .._net.connect_tcp import connect_tcp
from .._net.resolve import check_host, decoded_name
from .._net.unix_sockets import connect_unix
from .._transports.make_transport import make_connected
from .._transports.tls.default_context import default_context
from .._transports.tls.options import tls_options
from .argument_checks import (
    as_delay,
    as_local_address,
    as_port,
    check_client_tls,
    check_close_timeout,
    check_explicit_hostname,
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
    """Connect to a TCP server, or use a connected socket, with TLS if ``ssl`` is given. Return a reader and a writer.

    Args:
        host (str, bytes or None): the host name or IP address to connect to. None with a port means the loopback
            address.
        port (int, str, bytes or None): the port number or service name. Without ``sock``, ``host`` and ``port`` must
            not both be None.
        loop (asyncio.AbstractEventLoop or None): None or the running loop. The argument is for programs that were
            written for Python 3.9 or earlier.
        limit (int, math.inf or None): the limit of the reader in bytes; see StreamReader.
        ssl (ssl.SSLContext, bool or None): the TLS context. None and False mean no TLS. True means the context of
            ``ssl.create_default_context()``, which all connections share; see docs/howto/tls.md.
        family, proto, flags (int): arguments for the resolver; see ``socket.getaddrinfo``.
        sock (socket.socket or None): a connected stream socket to use instead of ``host`` and ``port``. Closing the
            connection closes the socket.
        local_addr (tuple or None): the local host and port to bind the socket to before it connects. None lets the
            kernel choose both.
        server_hostname (str or None): the name that the peer's certificate must match. None means ``host``. If ``ssl``
            is given without a host, a str is required. With ``""`` no name is sent or checked; the certificate is still
            verified.
        ssl_handshake_timeout (float or None): the seconds that the TLS handshake may take. None means 60.
        ssl_shutdown_timeout (float or None): the seconds that closing waits for the peer's close_notify alert. None
            means 30.
        strict_eof (bool): decides what happens if the peer ends TCP without a close_notify alert, which an attacker on
            the network path can cause (RFC 8446, section 6.1). If True, each read that the buffered data does not
            complete raises ssl.SSLEOFError; ``read(n)`` first returns the buffered data. If False, the input ends as
            at any end of file. In both cases ``reader.eof_reason`` is "truncated".
        happy_eyeballs_delay (float or None): the seconds after which the next address is tried in parallel (RFC 8305
            recommends 0.25). If an attempt fails earlier, the next address is tried at once. None means that the
            addresses are tried one after the other.
        interleave (int or None): the number of addresses of the first family (IPv4 or IPv6) that are tried before the
            families alternate. None means 1 with ``happy_eyeballs_delay``; without it, the order of the resolver.
        all_errors (bool): if True and all addresses fail, raise an ExceptionGroup that contains the error of each.
        close_timeout (float or None): the seconds that a close may take without progress. Progress means that the
            kernel accepts data, or that the peer acknowledges some. After this time without progress, or up to twice as
            long, the connection is aborted. None means that a close waits without a limit. After a TLS peer has
            ended the connection, the smaller of ``close_timeout`` and ``ssl_shutdown_timeout`` is the limit; with
            ``close_timeout=None``, it is ``ssl_shutdown_timeout``.

    Returns:
        The StreamReader and the StreamWriter of the connection.

    Raises:
        OSError: the host name cannot be resolved, the connection to every address failed, the default TLS context
            cannot be created, or the process has no free descriptor.
        ExceptionGroup: ``all_errors`` is True, and the connection to every address failed.
        ssl.SSLError: the TLS handshake failed. The message names the peer and the reason.
        ConnectionError: the connection was lost during the handshake, or the handshake timed out.
        ValueError, TypeError: an argument is invalid, or two arguments contradict each other. No socket was opened.
        RuntimeError: ``sock`` has a transport already, and the loop detects that. On uvloop the error is a
            FileExistsError, and ``sock`` is closed. On the engine without TLS, the first read raises it, not the call.

    If the call fails or is cancelled, the sockets that the call created are closed. A socket passed as ``sock`` is
    closed too if the connection had begun to use it, as in the TLS handshake; otherwise it stays open. The caller may
    close it in both cases.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_connection
    """
    given: TCPClientParameters = merge("open_connection", TCP_CLIENT, options)
    sock, ssl, server_hostname = given["sock"], given["ssl"], given["server_hostname"]
    running = running_loop(given["loop"])
    check_client_tls(ssl)
    check_close_timeout(given["close_timeout"])
    check_host(host)
    port = as_port(port)
    delay = as_delay(given["happy_eyeballs_delay"])
    local_addr = as_local_address(given["local_addr"])
    if ssl and server_hostname is None:
        if not host:
            raise ValueError(
                "You must set server_hostname when using ssl without a host; server_hostname='' disables the check"
            )
        server_hostname = decoded_name(host, port)
    check_server_hostname(given["server_hostname"], ssl)
    check_explicit_hostname(given["server_hostname"], ssl)
    tls = tls_options(ssl, given)
    if host is not None or port is not None:
        if sock is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
    elif sock is None:
        raise ValueError("open_connection(): host and port was not specified and no sock specified")
    if ssl is True:
        ssl = await default_context.get(running)
    protocol, reader = make_protocol(running, given["limit"], given["close_timeout"])
    if sock is None:
        sock = await connect_tcp(
            running,
            host,
            port,
            family=given["family"],
            proto=given["proto"],
            flags=given["flags"],
            local_addr=local_addr,
            happy_eyeballs_delay=delay,
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
    return await wrap_socket(
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
    """Connect to a Unix socket, or use a connected socket, with TLS if ``ssl`` is given. Return a reader and a writer.

    Args:
        path (str, bytes, os.PathLike or None): the path of the socket. A path with a leading NUL is an abstract name
            (Linux).
        sock (socket.socket or None): a connected Unix stream socket to use instead of ``path``. Closing the connection
            closes the socket.
        server_hostname (str or None): the name that the peer's certificate must match. The argument is required if
            ``ssl`` is given. With ``""`` no name is sent or checked; the certificate is still verified.
        loop, limit, ssl, ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof, close_timeout: see open_connection.

    Returns:
        The StreamReader and the StreamWriter of the connection.

    Raises:
        UnixPathError: the path is too long, or names a file that is not a socket. The class derives from OSError and
            ValueError.
        OSError: the socket does not exist (FileNotFoundError), the process has no write permission for the socket
            (PermissionError), no server accepts connections on the socket (ConnectionRefusedError), or the server's
            backlog is full (BlockingIOError).
        OSError, ssl.SSLError, ConnectionError, ValueError, TypeError, RuntimeError: see open_connection.

    If the call fails or is cancelled, the socket that the call created is closed. For ``sock``, see open_connection.

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
        raise ValueError("open_unix_connection(): no path and sock were specified")
    if ssl is True:
        ssl = await default_context.get(running)
    protocol, reader = make_protocol(running, given["limit"], given["close_timeout"])
    if sock is None:
        sock = await connect_unix(running, path)
        peer = describe_address(os.fsencode(path)) if path is not None else ""
    else:
        check_stream_socket(sock, socket.AF_UNIX)
        sock.setblocking(False)
        peer = peer_of(sock)
    return await wrap_socket(
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


def make_protocol(
    loop: asyncio.AbstractEventLoop, limit: float | None, close_timeout: float | None = CLOSE_TIMEOUT
) -> tuple[StreamReaderProtocol, StreamReader]:
    """Return the protocol and the reader of a new client connection, for arguments of open_connection."""
    reader = StreamReader(core.as_limit(limit), loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    protocol.close_timeout = close_timeout
    return protocol, reader


async def wrap_socket(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: StreamReaderProtocol,
    reader: StreamReader,
    peer: str,
    **options: Any,
) -> tuple[StreamReader, StreamWriter]:
    """Return the reader and the writer over the connected socket ``sock``, after the TLS handshake if there is one.

    ``peer``: the address that is added to the message of an OSError. ``options``: keyword arguments for
    make_connected().
    """
    # Only a socket that the program has passed may not be connected.
    connected = not (options["ssl"] and options["shared"]) or is_connected(sock)
    try:
        transport = await make_connected(loop, sock, protocol, **options)
        return reader, StreamWriter(transport, protocol, reader, loop)
    except BaseException as error:
        connection = protocol._sluiceway
        if connection.transport is not None and not connection.ending():
            # A signal handler has raised. Until the program has the writer, nothing else closes the connection.
            connection.abort()
        if isinstance(error, OSError):
            if options["ssl"]:
                name_handshake(error, options["server_hostname"], peer, hint_at_reset=connected)
            else:
                name_peer(error, peer)
        raise
