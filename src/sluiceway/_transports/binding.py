"""Making listening sockets, not yet listening: TCP addresses, Unix paths."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable
from typing import Any

from .._facts.log import logger
from .connecting import explain_unix_path
from .resolving import resolve


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


def bind_unix(path: Any) -> socket.socket:
    """A socket bound to ``path``; what a server left there that is gone is replaced, as in asyncio.

    Raises:
        UnixPathError: the path is too long, or there is something else than a socket.
        OSError: it cannot be bound.
    """
    path = os.fspath(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if path[:1] not in ("\0", b"\0"):
            _remove_stale(path)
        try:
            sock.bind(path)
        except OSError as error:
            explain_unix_path(path, error)
            if error.errno == errno.EADDRINUSE:
                raise OSError(errno.EADDRINUSE, f"Address {path!r} is already in use") from None
            raise
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str | bytes) -> None:
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        # The directory may allow to create and not to look; binding will tell.
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, error)


class UnixPath:
    """The path of a bound Unix socket, to be removed when it is closed, if it is still the same socket's."""

    def __init__(self, sock: socket.socket) -> None:
        self._path: Any = sock.getsockname()
        self._inode: int | None = None
        if self._path and self._path[:1] not in ("\0", b"\0"):
            try:
                self._inode = os.stat(self._path).st_ino
            except OSError:
                self._inode = None

    def remove(self) -> None:
        """Remove it, unless somebody else has put another there."""
        if self._inode is None:
            return
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("Unable to clean up listening UNIX socket %r: %r", self._path, error)
