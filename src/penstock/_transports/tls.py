"""TLS over an open connection, by the running loop where it takes the transport, else by asyncio's own TLS."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from typing import Any

from .engine import is_engines


async def start_tls_over(
    loop: asyncio.AbstractEventLoop,
    transport: Any,
    protocol: Any,
    sslcontext: ssl.SSLContext,
    *,
    server_side: bool,
    **options: Any,
) -> Any:
    """The transport that speaks TLS over ``transport`` to ``protocol``; see ``loop.start_tls``."""
    if not is_engines(transport) or isinstance(loop, asyncio.BaseEventLoop):
        return await loop.start_tls(transport, protocol, sslcontext, server_side=server_side, **options)
    # uvloop takes its own transports only. asyncio's TLS is a protocol, which works on every loop.
    done: asyncio.Future[None] = loop.create_future()
    tls: Any = sslproto.SSLProtocol(
        loop,
        protocol,
        sslcontext,
        done,
        server_side=server_side,
        call_connection_made=False,
        **options,
    )
    transport.pause_reading()
    transport.set_protocol(tls)
    made = loop.call_soon(tls.connection_made, transport)
    resumed = loop.call_soon(transport.resume_reading)
    try:
        await done
    except BaseException:
        transport.close()
        made.cancel()
        resumed.cancel()
        raise
    return tls._app_transport
