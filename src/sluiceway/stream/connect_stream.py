"""connect(): a Stream to an address."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable

from .._asyncio.open_connection import make_protocol, wrap_socket
from .._constants import FIRST_ADDRESS_FAMILY_COUNT, HAPPY_EYEBALLS_DELAY
from .._implementation import core
from .._net.addresses import describe_address, peer_of
from .._net.attempts import ConnectAttempt
from .._net.connect_tcp import connect_to_any
from .._net.resolve import AddressInfo, Resolver, interleave, literal_address, resolve, resolve_with
from .._net.unix_sockets import connect_unix
from .._transports.tls.default_context import default_context
from .asyncio_names import CONNECT, explain_arguments
from .connect_error import ConnectError
from .connect_options import ConnectOptions, check_options, set_keepalive
from .connect_progress import ConnectProgress
from .endpoint import Endpoint, SocketEndpoint, TCPEndpoint, UnixEndpoint, parse_endpoint
from .opening import Opening
from .stream import Stream


@explain_arguments(CONNECT, 1)
def connect(
    address: str | socket.socket | int,
    *,
    tls: ssl.SSLContext | bool | None = None,
    timeout: float | None = None,
    local: str | None = None,
    keepalive: tuple[int, int, int] | None = None,
    resolver: Resolver | None = None,
    configure_socket: Callable[[socket.socket], object] | None = None,
    session: ssl.SSLSession | None = None,
    server_hostname: str | None = None,
    limit: float | None = None,
    idle_timeout: float | None = None,
) -> Opening[Stream]:
    """Connect to ``address``, and return a Stream: ``async with sluiceway.connect("tls://example.com:443") as stream``.

    ``await sluiceway.connect(…)`` does the same, but the caller closes the stream. Nothing is opened before ``async
    with`` or ``await``. The addresses of a host are tried with alternating families, IPv6 and IPv4. Each attempt starts
    0.25 s after the previous one, or as soon as one fails. The first that succeeds is used, and the others are
    cancelled (happy eyeballs, RFC 8305).

    Args:
        address (str, socket.socket or int): what to connect to. ``"tcp://host:port"``, ``"tls://host:port"``, or
            ``"host:port"``, where the argument ``tls`` decides whether TLS is used. An IPv6 address is in brackets:
            ``"tcp://[::1]:80"``. ``"unix:path"`` is a Unix socket, ``"unix:@name"`` an abstract one. A connected stream
            socket, or the descriptor of one (an int), is used as it is, and belongs to the stream.
        tls (ssl.SSLContext, bool or None): the TLS context. True, and None with ``tls://``, mean the context of
            ``ssl.create_default_context()``, which all connections share. False, and None without ``tls://``, mean
            no TLS. True or a context with ``tcp://``, and False with ``tls://``, raise ValueError. If the peer ends TCP
            without a close_notify alert, the stream ends without an error, and ``eof_reason`` is "truncated".
        timeout (float or None): the seconds that the whole call may take: name resolution, all attempts to connect, and
            the TLS handshake. With None, the system limits each attempt, and the handshake may take 60 s.
        local (str or None): the local address to bind to: ``"host"`` or ``"host:port"``, an IPv6 address in brackets. A
            missing port, and port 0, let the kernel choose one.
        keepalive (tuple or None): idle, interval and count, three ints. The kernel probes a peer that has been silent
            for ``idle`` seconds, and then every ``interval`` seconds. The connection is lost after ``count`` probes
            without an answer. None leaves the system's default, which sends no probes.
        resolver (coroutine function or None): called as ``await resolver(host, port)`` instead of ``getaddrinfo``,
            unless the host is an IP address. It returns IP addresses (str), pairs of an IP address and a port, or
            tuples of ``socket.getaddrinfo``. The families alternate, beginning with that of the first
            address; within a family, the order is kept.
        configure_socket (callable or None): called with each socket (socket.socket) before it is bound and connected,
            to set its options. An OSError that it raises fails the attempt; another exception ends the call.
        session (ssl.SSLSession or None): the session of an earlier connection to the same server with the same context,
            which the TLS handshake resumes if the server agrees.
        server_hostname (str or None): the name that the peer's certificate must match. None means the host of
            ``address``; it is required with TLS over a Unix socket or a given socket. With ``""`` no name is sent or
            checked; the certificate is still verified.
        limit (int, math.inf or None): the limit of the reader in bytes; see StreamReader.
        idle_timeout (float or None): the seconds after which the connection is aborted if it is idle; see
            ``Stream.idle_timeout``.

    Returns:
        An object to ``await`` or to use with ``async with``, once. Both give the Stream. ``stream.timings`` has the
        addresses that were tried, and how long each part took.

    Raises:
        ConnectError: the connection or the handshake failed, or the timeout has expired. The message names each
            address tried, why it failed, and how long it took. The error is a ConnectionError, and also an instance of
            the class of its reason, for example TimeoutError, ssl.SSLCertVerificationError, socket.gaierror or
            FileNotFoundError; see ConnectError.
        OSError: the default TLS context cannot be created.
        ValueError, TypeError: an argument is invalid, or two arguments contradict each other. Raised by ``connect()``,
            before ``await``. ``await`` raises the error for what ``resolver`` returns and, with the default TLS
            context, for a ``session`` of another context.
        RuntimeError: the returned object was used a second time; or the socket that was passed has a transport already,
            and the loop detects that.

    An exception of ``resolver`` or ``configure_socket`` that is not an OSError is raised unchanged. If ``await`` or
    ``async with`` fails or is cancelled, the sockets that the call created are closed, and so is a socket or descriptor
    that was passed. What was passed stays open if the call raises RuntimeError, or if it ends before it uses the
    socket, for example because the default TLS context cannot be created. A socket object that was passed may also stay
    open if the process has no free descriptor.
    """
    endpoint = parse_endpoint(address)
    options = check_options(
        endpoint,
        tls=tls,
        timeout=timeout,
        local=local,
        keepalive=keepalive,
        resolver=resolver,
        configure_socket=configure_socket,
        session=session,
        server_hostname=server_hostname,
        limit=limit,
    )
    if idle_timeout is not None:
        core.as_seconds(idle_timeout, "connect(): idle_timeout")
    return Opening(f"connect({endpoint.text!r})", _Connect(endpoint, options, idle_timeout).run)


class _Connect:
    """One call of connect(), from its first step to the stream."""

    def __init__(self, endpoint: Endpoint, options: ConnectOptions, idle_timeout: float | None) -> None:
        self._endpoint = endpoint
        self._idle_timeout = idle_timeout
        self._options = options
        self._progress = ConnectProgress(endpoint.text, options.local_text)

    async def run(self) -> Stream:
        """Return the stream. Raise ConnectError, also when the timeout has expired."""
        seconds = self._options.timeout
        self._progress.start()
        try:
            async with asyncio.timeout(seconds) as scope:
                return await self._open(asyncio.get_running_loop())
        except ConnectError:
            raise
        except TimeoutError:
            if seconds is None or not scope.expired():
                raise
        # The loop closes the aborted connection, and so a socket that was passed, in its next iteration.
        await asyncio.sleep(0)
        # Raised here, because the exception of the cancelled step would be its context.
        raise self._progress.timeout_error(seconds)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Stream:
        options, endpoint, progress = self._options, self._endpoint, self._progress
        tls = await default_context.get(loop) if options.tls is True else options.tls or None
        protocol, reader = make_protocol(loop, options.limit)
        if isinstance(endpoint, TCPEndpoint):
            sock = await self._connect_tcp(loop, endpoint)
            progress.peer = peer_of(sock, describe_address((endpoint.host, endpoint.port)))
        elif isinstance(endpoint, UnixEndpoint):
            sock = await self._connect_unix(loop, endpoint)
            progress.peer = describe_address(os.fsencode(endpoint.path))
        else:
            sock = self._take_socket(endpoint)
            progress.peer = peer_of(sock)
        started = time.monotonic()
        failed: OSError | None = None
        try:
            halves = await wrap_socket(
                loop,
                sock,
                protocol,
                reader,
                progress.peer,
                shared=isinstance(endpoint, SocketEndpoint),
                ssl=tls,
                server_hostname=options.server_hostname,
                session=options.session,
                # The handshake starts later than the whole call, so the timeout of the call comes first.
                ssl_handshake_timeout=options.timeout,
            )
        except OSError as error:
            failed = error
        except RuntimeError:
            unused = protocol._sluiceway.transport is None
            if unused and isinstance(endpoint, SocketEndpoint) and endpoint.given is not sock:
                # The socket of this descriptor has a transport already, which goes on using it.
                sock.detach()
            raise
        finally:
            if tls is not None:
                progress.tls = time.monotonic() - started
        if failed is not None:
            raise progress.handshake_error(failed)
        stream = Stream.from_pair(*halves, idle_timeout=self._idle_timeout)
        stream._timings = progress.timings()
        return stream

    async def _connect_tcp(self, loop: asyncio.AbstractEventLoop, endpoint: TCPEndpoint) -> socket.socket:
        options, progress = self._options, self._progress
        infos, local = await self._resolve(loop, endpoint)
        sock = await connect_to_any(
            loop,
            interleave(infos, FIRST_ADDRESS_FAMILY_COUNT),
            progress.attempts,
            local=local,
            delay=HAPPY_EYEBALLS_DELAY,
            configure=options.configure,
        )
        if sock is None:
            raise progress.attempts_error()
        return sock

    async def _resolve(
        self, loop: asyncio.AbstractEventLoop, endpoint: TCPEndpoint
    ) -> tuple[list[AddressInfo], list[AddressInfo] | None]:
        """Return the addresses to connect to, and those to bind to."""
        address, local, resolver = (endpoint.host, endpoint.port), self._options.local, self._options.resolver
        literal = literal_address(*address, 0, 0)
        if literal is not None and local is None:
            return [literal], None
        started = time.monotonic()
        name, prefix = address, ""
        try:
            infos = await (resolve(loop, address) if resolver is None else resolve_with(resolver, *address))
            if local is None:
                return infos, None
            name, prefix = local, f"local={self._options.local_text!r}: "
            return infos, await resolve(loop, local)
        except OSError as error:
            failed = error
        finally:
            self._progress.resolve = time.monotonic() - started
        raise self._progress.resolve_error(failed, *name, prefix)

    def _take_socket(self, endpoint: SocketEndpoint) -> socket.socket:
        sock: socket.socket | None = None
        try:
            sock = endpoint.take()
            sock.setblocking(False)
            if self._options.keepalive is not None:
                set_keepalive(sock, *self._options.keepalive)
            return sock
        except OSError as error:
            failed = error
            if sock is not None:
                sock.close()
        raise self._progress.handshake_error(failed)

    async def _connect_unix(self, loop: asyncio.AbstractEventLoop, endpoint: UnixEndpoint) -> socket.socket:
        started = time.monotonic()
        failed: OSError | None = TimeoutError("no answer")
        try:
            sock = await connect_unix(loop, endpoint.path, self._options.configure)
            failed = None
            return sock
        except OSError as error:
            failed = error
        finally:
            address = describe_address(os.fsencode(endpoint.path))
            self._progress.attempts.append(ConnectAttempt(address, time.monotonic() - started, failed))
        raise self._progress.unix_error(failed)
