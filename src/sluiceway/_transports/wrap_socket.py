"""Handing a connected socket to a transport: the engine's where it can be had, else the running loop's; TLS over it."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from typing import Any

from .engine_choice import engine_of
from .loop_adapter import BoundedReceiver
from .tls.transport import TLSTransport

_AF_UNIX = getattr(socket, "AF_UNIX", None)


async def attach_connected(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: BoundedReceiver,
    *,
    ssl: ssl_module.SSLContext | bool | None = None,
    **options: Any,
) -> Any:
    """The transport of a socket that connected, after the TLS handshake where ``ssl`` asks for one; then ``options``
    are TLSTransport's."""

    def plain(receiver: Any) -> Any:
        create: Any = loop.create_unix_connection if sock.family == _AF_UNIX else loop.create_connection
        return create(lambda: receiver, sock=sock)

    if not ssl:
        return await _attach(loop, sock, protocol, protocol.hand_over, plain)
    context = ssl_module.create_default_context() if ssl is True else ssl
    return await _attach_encrypted(loop, sock, protocol, plain, context, server_side=False, **options)


def attach_at_once(
    engine: Any,
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: Any,
    address: Any,
    *,
    ssl: ssl_module.SSLContext | None = None,
    **options: Any,
) -> Any:
    """The transport of an accepted socket on ``engine``, where nothing has to be waited for. ``address`` is the peer's.

    ``protocol`` hears of the connection before this returns; with ``ssl`` when the handshake is done, and
    ``options["on_failure"]`` is called if that fails. OSError: descriptors have run out.
    """
    if ssl is None:
        return engine.attach(loop, sock, protocol, address)
    tls = _encrypted(loop, sock, protocol, ssl, server_side=True, **options)
    try:
        engine.attach(loop, sock, tls.ciphertext, address)
    except BaseException:
        tls.give_up()
        raise
    return tls


async def attach_accepted(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: BoundedReceiver,
    *,
    ssl: ssl_module.SSLContext | None = None,
    **options: Any,
) -> Any:
    """The transport of a socket that was accepted, after the TLS handshake where ``ssl`` asks for one; then
    ``options`` are TLSTransport's."""

    def plain(receiver: Any) -> Any:
        return loop.connect_accepted_socket(lambda: receiver, sock)

    if ssl is None:
        return await _attach(loop, sock, protocol, protocol.hand_over, plain)
    return await _attach_encrypted(loop, sock, protocol, plain, ssl, server_side=True, **options)


async def _attach_encrypted(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: BoundedReceiver,
    plain: Any,
    context: ssl_module.SSLContext,
    **options: Any,
) -> Any:
    tls = _encrypted(loop, sock, protocol.hand_over(), context, **options)
    ciphertext = tls.ciphertext
    try:
        await _attach(loop, sock, ciphertext, lambda: ciphertext, plain)
    except BaseException:
        tls.give_up()
        raise
    await tls.made()
    return tls


def _encrypted(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Any, context: ssl_module.SSLContext, **options: Any
) -> TLSTransport:
    """A transport that is not begun; the socket is closed where the context refuses."""
    try:
        return TLSTransport(loop, protocol, context, **options)
    except BaseException:
        sock.close()
        raise


async def _attach(loop: asyncio.AbstractEventLoop, sock: socket.socket, receiver: Any, bare: Any, plain: Any) -> Any:
    """The transport of ``sock``. On the engine, which bounds what it receives by itself, for what ``bare`` returns."""
    engine = engine_of(loop)
    if engine is not None:
        return engine.attach(loop, sock, bare())
    try:
        transport, _ = await plain(receiver)
    except BaseException:
        # No connection_lost comes where connection_made did not.
        if isinstance(receiver, BoundedReceiver) and receiver.take_transport() is None:
            receiver.release()
        raise
    if isinstance(receiver, BoundedReceiver):
        receiver.take_transport()
    return transport
