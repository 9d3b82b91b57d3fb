"""Unix sockets: connect to a path, bind a path and remove it, and state why a path cannot be used."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from .._errors import UnixPathError
from .._log import logger
from .addresses import refuse_nul


async def connect_unix(
    loop: asyncio.AbstractEventLoop, path: Any, configure: Callable[[socket.socket], object] | None = None
) -> socket.socket:
    """Return a non-blocking socket that is connected to the Unix socket ``path``, a str, bytes or PathLike.

    A path with a leading NUL is an abstract name. ``configure``: called with the socket before it is connected.

    Raises:
        UnixPathError: the path is too long, or names a file that is not a socket.
        BlockingIOError: the server's backlog of connections is full.
        OSError: the path does not exist, the process has no write permission for the socket, or no server accepts
            connections on it.
        ValueError: the path contains a NUL, and is not an abstract name.
    """
    path = _as_path(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if configure is not None:
            configure(sock)
        try:
            await _connect(loop, sock, path)
        except OSError as error:
            explain_unix_path(path, error)
            _name_path(path, error)
            raise
    except BaseException:
        sock.close()
        raise
    return sock


def _as_path(path: Any) -> str | bytes:
    """Return ``path`` as a str or bytes. Raise ValueError if it contains a NUL and is not an abstract name."""
    name: str | bytes = os.fspath(path)
    if name[:1] not in ("\0", b"\0"):
        refuse_nul(name, "path argument")
    return name


async def _connect(loop: asyncio.AbstractEventLoop, sock: socket.socket, path: str | bytes) -> None:
    try:
        sock.connect(path)
    except BlockingIOError as error:
        if error.errno == errno.EAGAIN:
            # Linux does not complete this connect later. The loops would wait until the socket is writable, which an
            # unconnected one is, and return it.
            raise BlockingIOError(
                errno.EAGAIN, f"the server's backlog of connections is full: {path!r}; try again later"
            ) from None
        await loop.sock_connect(sock, path)


def explain_unix_path(path: str | bytes, error: OSError) -> None:
    """Raise UnixPathError if ``path`` is too long or not a socket, which caused ``error`` of connect() or bind()."""
    if error.errno is None and "too long" in str(error):
        raise UnixPathError(
            errno.ENAMETOOLONG,
            f"path of {len(os.fsencode(path))} bytes is too long for a Unix socket: {path!r}; "
            "the maximum is 107 bytes on Linux, 108 for an abstract name, 103 elsewhere",
        ) from None
    if path[:1] in ("\0", b"\0"):
        return
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        code = errno.EADDRINUSE if error.errno == errno.EADDRINUSE else errno.ENOTSOCK
        raise UnixPathError(code, f"{path!r} exists and is not a Unix socket; use another path") from None


def _name_path(path: str | bytes, error: OSError) -> None:
    """Raise ``error`` of connect() or bind() again, with the path in its message.

    Return without an exception if ``error`` names the path already, or has no number.
    """
    if error.errno is not None and error.filename is None and repr(path) not in str(error):
        raise OSError(error.errno, f"{error.strerror}: {path!r}") from None


def bind_unix(path: Any) -> socket.socket:
    """Return a non-blocking socket that is bound to ``path``. As in asyncio, an existing socket there is removed first.

    Raises:
        UnixPathError: the path is too long, or names a file that is not a socket.
        OSError: the path cannot be bound.
        ValueError: the path is empty, or contains a NUL and is not an abstract name.
    """
    path = _as_path(path)
    if not path:
        # Linux would bind the socket to an abstract name of its own choice.
        raise ValueError("path argument must not be empty")
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
            _name_path(path, error)
            raise
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str | bytes) -> None:
    """Remove ``path`` if it is a socket. An error is only logged, because bind() may still succeed."""
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        # The directory may permit bind() although it does not permit stat().
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, error)


class UnixPath:
    """Removes the path of a bound Unix socket after the server has closed, if the path still names the same socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._path: Any = sock.getsockname()
        # The device and the inode.
        self._file: tuple[int, int] | None = None
        if self._path and self._path[:1] not in ("\0", b"\0"):
            try:
                # The program may change its working directory. abspath() would remove "link/..", and so name another
                # file if the link leads to another directory.
                self._path = os.path.join(os.getcwd(), self._path)
                self._file = _file_at(self._path)
            except OSError:
                self._file = None

    def remove(self) -> None:
        """Remove the path, unless it names another file: then another program has replaced the socket."""
        if self._file is None:
            return
        try:
            if _file_at(self._path) == self._file:
                os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("Unable to clean up listening UNIX socket %r: %r", self._path, error)


def _file_at(path: str | bytes) -> tuple[int, int]:
    """Return what identifies the file at ``path``: its device and its inode."""
    found = os.stat(path)
    return found.st_dev, found.st_ino
