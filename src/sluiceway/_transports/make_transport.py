"""Create the transport of a connected socket: the engine's or the running loop's, with or without TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Callable
from typing import Any

from .engine_choice import engine_for
from .loop_adapter import TRANSPORT_METHODS, AcceptedAdapter, LoopAdapter, keeps_methods_of_asyncio
from .program_socket import prepare_receiving
from .tls.transport import TLSTransport

_AF_UNIX = getattr(socket, "AF_UNIX", None)

CreateTransport = Callable[[Any], Any]
"""A function that takes a protocol. It returns an awaitable for the loop's own transport and the protocol."""


async def make_connected(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: Any,
    *,
    ssl: ssl_module.SSLContext | None = None,
    shared: bool = False,
    **options: Any,
) -> Any:
    """Return the transport of the connected client socket ``sock``. With ``ssl``, wait for the TLS handshake first.

    ``shared``: True if the program has passed the socket as ``sock=`` and so may use it as well. ``options``: keyword
    arguments for TLSTransport. If the handshake fails, or the call is cancelled, the connection is closed. But a
    shared socket that was not used stays open: if an asyncio loop finds that it has a transport already, or if no
    descriptor is left for the engine.
    """

    def create(receiver: Any) -> Any:
        prepare_receiving(sock)
        make: Any = loop.create_unix_connection if sock.family == _AF_UNIX else loop.create_connection
        return make(lambda: receiver, sock=sock)

    try:
        engine = engine_for(loop, sock)
    except BaseException:
        # No descriptor is left for the engine. A socket of the program stays open, because it was not used.
        if not shared:
            sock.close()
        raise
    if not ssl:
        if engine is not None:
            return engine.attach(loop, sock, protocol, shared=shared)
        return await _wrap_plain(LoopAdapter(protocol, loop, shared), sock, create, shared)
    tls = await _wrap_encrypted(engine, loop, sock, protocol, create, ssl, shared, server_side=False, **options)
    try:
        await tls.wait_for_handshake()
    except BaseException as error:
        # The protocol may not refer to the transport yet, so nothing else closes the connection. A failed handshake is
        # closing it already, after its alert.
        if isinstance(error, (SystemExit, KeyboardInterrupt)) or not tls.is_closing():
            tls.abort()
        raise
    return tls


async def make_accepted(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: Any,
    *,
    ssl: ssl_module.SSLContext | None = None,
    **options: Any,
) -> Any:
    """Return the transport of the accepted socket ``sock``. If the function raises, ``sock`` may be open.

    With ``ssl``, ``options`` are keyword arguments for TLSTransport, and the function returns before the handshake is
    complete. Later the transport calls connection_made() of ``protocol``, or ``options["on_failure"]`` if the handshake
    fails.
    """

    def create(receiver: Any) -> Any:
        prepare_receiving(sock)
        return loop.connect_accepted_socket(lambda: receiver, sock)

    engine = engine_for(loop, sock)
    if ssl is None:
        if engine is not None:
            return engine.attach(loop, sock, protocol)
        return await _wrap_plain(AcceptedAdapter(protocol, loop), sock, create, False)
    return await _wrap_encrypted(engine, loop, sock, protocol, create, ssl, False, server_side=True, **options)


def makes_accepted_now(loop: Any) -> bool:
    """Return True if make_accepted_now() works on ``loop``: on the selector loops of asyncio.

    make_accepted_now() calls a private method that asyncio's own servers call. A class of loops that overrides this
    method or one of its callers may create other transports: on these loops, make_accepted() is used.
    """
    return keeps_methods_of_asyncio(loop, ("connect_accepted_socket", *TRANSPORT_METHODS))


def make_accepted_now(loop: Any, sock: socket.socket, protocol: Any, address: Any) -> Any:
    """Return the loop's own transport of the accepted socket ``sock``. Unlike make_accepted(), no coroutine.

    Call it only if makes_accepted_now(loop) is True.

    The loop calls connection_made() of ``protocol`` in its next iteration. ``address``: the address of the peer. If the
    function raises, ``sock`` may be open.
    """
    adapter = LoopAdapter(protocol, loop)
    try:
        prepare_receiving(sock)
        return loop._make_socket_transport(sock, adapter, extra={"peername": address})
    except BaseException:
        # If the loop calls connection_made() in spite of an interrupt, the adapter aborts the transport.
        adapter.release()
        raise


def make_accepted_tls_now(
    engine: Any,
    loop: asyncio.AbstractEventLoop,
    sock: Any,
    protocol: Any,
    address: Any,
    context: ssl_module.SSLContext,
    **options: Any,
) -> Any:
    """Return the TLS transport of the accepted socket ``sock`` on the engine. Unlike make_accepted(), no coroutine.

    As make_accepted() does, the function returns before the handshake is complete. ``engine``: see engine_of().
    ``address``: the address of the peer. ``options``: keyword arguments for TLSTransport. If the function raises, it
    closes ``sock``.
    """
    tls = _tls_transport(loop, sock, protocol, context, server_side=True, **options)
    try:
        engine.attach(loop, sock, tls.lower_protocol, address)
    except BaseException:
        tls.discard()
        raise
    return tls


async def _wrap_encrypted(
    engine: Any,
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: Any,
    create: CreateTransport,
    context: ssl_module.SSLContext,
    shared: bool,
    **options: Any,
) -> TLSTransport:
    tls = _tls_transport(loop, sock, protocol, context, **options)
    try:
        if engine is not None:
            engine.attach(loop, sock, tls.lower_protocol, shared=shared)
        else:
            tls.lower_protocol.receive_separately()
            lower, _ = await create(tls.lower_protocol)
            if not shared:
                _leave_descriptor_to(lower, sock)
    except BaseException:
        tls.discard()
        raise
    return tls


def _tls_transport(
    loop: asyncio.AbstractEventLoop, sock: Any, protocol: Any, context: ssl_module.SSLContext, **options: Any
) -> TLSTransport:
    """Return a TLS transport that has no lower transport yet. If the function raises, it closes ``sock``."""
    try:
        return TLSTransport(loop, protocol, context, **options)
    except BaseException:
        sock.close()
        raise


async def _wrap_plain(adapter: LoopAdapter, sock: socket.socket, create: CreateTransport, shared: bool) -> Any:
    try:
        transport, _ = await create(adapter)
    except BaseException:
        made = adapter.connected_transport()
        if made is None:
            # The loop calls connection_lost() only after connection_made().
            adapter.release()
        elif _is_of_uvloop(made):
            # uvloop closes the transport without a call of connection_lost(), or after an interrupt not at all.
            made.abort()
            adapter.connection_lost(None)
        raise
    if not shared:
        _leave_descriptor_to(transport, sock)
    return transport


def _is_of_uvloop(transport: Any) -> bool:
    return type(transport).__module__.startswith("uvloop.")


def _leave_descriptor_to(transport: Any, sock: socket.socket) -> None:
    """Let only ``transport`` close the descriptor of ``sock`` if it is a transport of uvloop, which needs no socket.

    Such a transport also closes its descriptor when it is freed. If the garbage collector frees both, it closes the
    socket first, and the transport then closes the same number, which another thread may have got for its own file.
    """
    if _is_of_uvloop(transport):
        sock.detach()
