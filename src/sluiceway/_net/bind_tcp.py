"""Bind the sockets of a TCP server; they do not listen yet."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Iterable
from typing import Any

from .._log import logger
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
    """Bound sockets for every address of ``host``: a name, an address, None or "" for all interfaces, or several.

    Raises:
        socket.gaierror: a name is not known.
        OSError: an address cannot be bound, or none could be; the message names it.
        ValueError: ``reuse_port`` where the system has none.
    """
    hosts: Iterable[Any]
    if host == "":
        hosts = [None]
    elif isinstance(host, (str, bytes)) or not isinstance(host, Iterable):
        hosts = [host]
    else:
        hosts = host
    found = await asyncio.gather(*[resolve(loop, (one, port), family=family, flags=flags) for one in hosts])
    # In order and each once; a set as in asyncio would leave the order of the sockets to chance.
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
            except OSError:
                # The resolver knows families that the kernel may not have.
                logger.debug("no socket for family %r, listening without it", af, exc_info=True)
                continue
            sockets.append(sock)
            sock.setblocking(False)
            if reuse_address:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, True)
            if keep_alive:
                # Accepted sockets inherit it.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
            if af == socket.AF_INET6 and hasattr(socket, "IPPROTO_IPV6"):
                # One socket for both families would collide with the IPv4 one.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
            try:
                sock.bind(address)
            except OSError as error:
                message = f"error while attempting to bind on address {address!r}: {str(error).lower()}"
                if error.errno == errno.EADDRNOTAVAIL:
                    sockets.pop().close()
                    logger.debug("%s", message)
                    continue
                raise OSError(error.errno, message) from None
        if not sockets:
            raise OSError(f"could not bind on any address out of {[info[4] for info in infos]!r}")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets
