"""Create and bind the sockets of a TCP server. Listener.start() calls listen() on them later."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Iterable
from typing import Any

from .._log import logger
from .accept import OUT_OF_RESOURCES
from .resolve import resolve


async def bind_tcp(
    loop: asyncio.AbstractEventLoop,
    host: Any,
    port: Any,
    *,
    family: int = socket.AF_UNSPEC,
    flags: int = socket.AI_PASSIVE,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    keep_alive: bool | None = None,
) -> list[socket.socket]:
    """Return one bound, non-blocking socket for each address of ``host``: a name, an address, or an iterable of these.

    None and "" mean all network interfaces. An address that this machine does not have, or whose family the kernel does
    not support, is left out, with a debug log record. If the call raises, no socket stays open.

    Raises:
        socket.gaierror, UnicodeError, TypeError, ValueError: see resolve().
        OSError: an address cannot be bound, or all addresses were left out; the message names the addresses. Or no
            descriptor is left for a socket.
        ValueError: ``reuse_port`` is True, but the system has no SO_REUSEPORT.
    """
    hosts: Iterable[Any]
    if host == "":
        hosts = [None]
    elif isinstance(host, (str, bytes)) or not isinstance(host, Iterable):
        hosts = [host]
    else:
        hosts = host
    found = await asyncio.gather(*[resolve(loop, (one, port), family=family, flags=flags) for one in hosts])
    # Removes duplicates and keeps the order. With a set, as in asyncio, the order of the sockets would be random.
    infos = list(dict.fromkeys(info for infos in found for info in infos))
    if reuse_address is None:
        reuse_address = os.name == "posix" and sys.platform != "cygwin"
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port not supported by socket module")
    sockets: list[socket.socket] = []
    try:
        for af, kind, proto, _, address in infos:
            try:
                sock = socket.socket(af, kind, proto)
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    raise
                # The resolver may return families that the kernel does not support.
                logger.debug(
                    "start_server(): cannot create a socket of family %r for %s; not listening on this address",
                    af,
                    address,
                    exc_info=True,
                )
                continue
            sockets.append(sock)
            sock.setblocking(False)
            if reuse_address:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, True)
            # Accepted sockets inherit the options.
            if hasattr(socket, "TCP_NODELAY"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            if keep_alive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
            if af == socket.AF_INET6 and hasattr(socket, "IPPROTO_IPV6"):
                # A dual-stack socket would conflict with the IPv4 socket of the same port.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
            try:
                sock.bind(address)
            except OSError as error:
                message = (
                    f"error while attempting to bind on address {address!r}: {str(error.strerror or error).lower()}"
                )
                if error.errno == errno.EADDRNOTAVAIL:
                    sockets.pop().close()
                    logger.debug("start_server(): %s; not listening on this address", message)
                    continue
                raise OSError(error.errno, message) from None
        if not sockets:
            raise OSError(f"could not bind on any address out of {[info[4] for info in infos]!r}")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets
