"""open_connection and open_unix_connection."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Unpack

from .._implementation import core
from .._net.addresses import describe_address, name_peer, peer_of
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
    """Connect to a TCP server, or use a connected socket, with TLS where ``ssl`` asks for it.

    Args:
        host, port: where to; a name, an address, a service name.
        loop: None or the running loop; there for programs written for Python 3.4.
        limit: bytes; see StreamReader.
        ssl: a context, or True for ``ssl.create_default_context()``, made once and shared; see docs/howto/tls.md.
        family, proto, flags: for the resolver, as in ``socket.getaddrinfo``.
        sock: a connected stream socket in place of host and port; owned by the connection from then on.
        local_addr: host and port to connect from.
        server_hostname: the name that the peer's certificate must have, ``host`` by default; ``""`` for none.
        ssl_handshake_timeout, ssl_shutdown_timeout: seconds; None for 60 and 30.
        strict_eof: raise ssl.SSLEOFError, behind the data, where the peer's TCP ends without its close_notify, which
            anyone on the way can bring about (RFC 8446, 6.1). Without it that is an end like others, which
            ``reader.eof_reason`` calls "truncated".
        happy_eyeballs_delay: seconds of head start for each address before the next is tried beside it (RFC 8305
            recommends 0.25); None tries one after the other.
        interleave: addresses of the resolver's first family before the families alternate; 1 by default with
            happy_eyeballs_delay.
        all_errors: raise every address's error as an ExceptionGroup.
        close_timeout: seconds in which a closing connection may make no progress before it is aborted; None for ever.

    Returns:
        The reader and the writer of the connection.

    Raises:
        OSError: the name is not known, or no address could be connected to; ExceptionGroup with ``all_errors``.
        ssl.SSLError: the handshake failed; the message names the peer and the reason.
        ConnectionError: the connection was lost during the handshake, or that took longer than its timeout.
        ValueError, TypeError: the arguments contradict each other; nothing was opened.

    Cancelled, it leaves nothing open; a ``sock`` that was handed over is closed if its transport had been made.

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
                "You must set server_hostname when using ssl without a host; server_hostname='' checks no name"
            )
        server_hostname = host.decode("idna") if isinstance(host, bytes) else host
    check_server_hostname(server_hostname, ssl)
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
        peer = f"{server_hostname or host!s} port {port!s}"
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
    """Connect to a Unix socket, or use a connected one, with TLS where ``ssl`` asks for it.

    Args:
        path: str, bytes or PathLike; a leading NUL makes it an abstract name (Linux).
        sock: a connected Unix stream socket in place of the path; owned by the connection from then on.
        server_hostname: due with ``ssl``, since a path is no name; ``""`` checks none.
        loop, limit, ssl, ssl_handshake_timeout, ssl_shutdown_timeout, strict_eof, close_timeout: see open_connection.

    Returns:
        The reader and the writer of the connection.

    Raises:
        UnixPathError: the path is too long, or there is something else than a socket (an OSError and a ValueError).
        OSError: there is nothing, or nobody listens.
        ssl.SSLError, ConnectionError, ValueError, TypeError: see open_connection.

    Cancelled, it leaves nothing open.

    Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_unix_connection
    """
    given: ClientParameters = merge("open_unix_connection", UNIX_CLIENT, options)
    sock, ssl, server_hostname = given["sock"], given["ssl"], given["server_hostname"]
    running = running_loop(given["loop"])
    check_client_tls(ssl)
    check_close_timeout(given["close_timeout"])
    if ssl and server_hostname is None:
        raise ValueError("you have to pass server_hostname when using ssl; server_hostname='' checks no name")
    check_server_hostname(server_hostname, ssl)
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
        name_peer(error, f"TLS handshake with {peer}" if options["ssl"] else peer)
        raise
    return reader, StreamWriter(transport, protocol, reader, loop)
