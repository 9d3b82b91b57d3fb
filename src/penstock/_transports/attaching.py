"""Handing a connected socket to the running loop, which makes its own transport of it."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Awaitable
from typing import Any

from .bounded import BoundedReceiver
from .engine import engine_of

_AF_UNIX = getattr(socket, "AF_UNIX", None)


async def attach_connected(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: BoundedReceiver,
    *,
    ssl: ssl_module.SSLContext | bool | None = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> Any:
    """The transport of a socket that connected, after the TLS handshake where ``ssl`` asks for one."""
    engine = engine_of(loop)
    if engine is not None and not ssl:
        return engine.attach(loop, sock, protocol.hand_over())
    create: Any = loop.create_unix_connection if sock.family == _AF_UNIX else loop.create_connection
    return await _made(
        protocol,
        create(
            lambda: protocol,
            sock=sock,
            ssl=ssl or None,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        ),
    )


def attach_at_once(loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Any, address: Any) -> Any:
    """The transport of an accepted plain socket on the engine, where nothing has to be waited for. ``address`` is the
    peer's; ``protocol`` hears of the connection before this returns. OSError: descriptors have run out."""
    return engine_of(loop).attach(loop, sock, protocol, address)


async def attach_accepted(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: BoundedReceiver,
    *,
    ssl: ssl_module.SSLContext | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> Any:
    """The transport of a socket that was accepted, after the TLS handshake where ``ssl`` asks for one."""
    return await _made(
        protocol,
        loop.connect_accepted_socket(
            lambda: protocol,
            sock,
            ssl=ssl,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        ),
    )


async def _made(protocol: BoundedReceiver, making: Awaitable[Any]) -> Any:
    """The transport that the loop makes for ``protocol``."""
    try:
        transport, _ = await making
    except AttributeError:
        # In debug mode asyncio asks the new transport for its socket, which fails where TLS has ended already.
        transport = protocol.take_transport()
        if transport is None:
            raise
    except BaseException:
        # No connection_lost comes where connection_made did not.
        if protocol.take_transport() is None:
            protocol.release()
        raise
    protocol.take_transport()
    return transport
