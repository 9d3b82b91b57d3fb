"""Making a connected socket: TCP over one address or many, Unix paths."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import socket
import stat
from typing import Any

from .._facts.constants import FIRST_ADDRESS_FAMILY_COUNT
from .._facts.errors import UnixPathError
from .racing import race
from .resolving import AddressInfo, interleave, resolve


async def connect_tcp(
    loop: asyncio.AbstractEventLoop,
    host: Any,
    port: Any,
    *,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
    local_addr: tuple[Any, ...] | None = None,
    happy_eyeballs_delay: float | None = None,
    interleaved: int | None = None,
    all_errors: bool = False,
) -> socket.socket:
    """A non-blocking socket connected to ``host`` and ``port``.

    Raises:
        OSError: no address could be connected to; the one error, or one that lists those that differ.
        ExceptionGroup: the same with ``all_errors``: every error.
    """
    infos = await resolve(loop, (host, port), family=family, proto=proto, flags=flags)
    local = None
    if local_addr is not None:
        local = await resolve(loop, tuple(local_addr), family=family, proto=proto, flags=flags)
    if happy_eyeballs_delay is not None and interleaved is None:
        interleaved = FIRST_ADDRESS_FAMILY_COUNT
    if interleaved:
        infos = interleave(infos, interleaved)
    errors: list[OSError] = []
    sock: socket.socket | None = None
    if happy_eyeballs_delay is None:
        for info in infos:
            try:
                sock = await _connect_one(loop, info, local, errors)
                break
            except OSError:
                continue
    else:
        sock = await race(
            [functools.partial(_connect_one, loop, info, local, errors) for info in infos], happy_eyeballs_delay
        )
    if sock is not None:
        return sock
    try:
        _raise(errors, all_errors)
    finally:
        # The errors' tracebacks hold this frame: no ring through it.
        del errors
    raise AssertionError("unreachable")


def _raise(errors: list[OSError], all_errors: bool) -> None:
    try:
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        messages = [str(error) for error in errors]
        if len(set(messages)) == 1:
            raise errors[0]
        raise OSError(f"Multiple exceptions: {', '.join(messages)}")
    finally:
        del errors


async def _connect_one(
    loop: asyncio.AbstractEventLoop, info: AddressInfo, local: list[AddressInfo] | None, errors: list[OSError]
) -> socket.socket:
    """Connect to one address; an error is raised and added to ``errors``."""
    family, kind, proto, _, address = info
    sock: socket.socket | None = None
    try:
        sock = socket.socket(family, kind, proto)
        sock.setblocking(False)
        if local is not None:
            _bind_local(sock, local)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            # Loops differ in whether they name the address; here every one does.
            if error.errno is None or str(address) in str(error):
                raise
            raise OSError(error.errno, f"Connect call failed {address}") from None
        return sock
    except OSError as error:
        errors.append(error)
        if sock is not None:
            sock.close()
        raise
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    finally:
        del errors


def _bind_local(sock: socket.socket, local: list[AddressInfo]) -> None:
    failed: OSError | None = None
    for family, _, _, _, address in local:
        if family != sock.family:
            continue
        try:
            sock.bind(address)
            return
        except OSError as error:
            failed = OSError(
                error.errno, f"error while attempting to bind on address {address!r}: {str(error).lower()}"
            )
    raise failed or OSError(f"no matching local address with family={sock.family!r} found")


async def connect_unix(loop: asyncio.AbstractEventLoop, path: Any) -> socket.socket:
    """A non-blocking socket connected to the Unix socket ``path``: str, bytes or PathLike, a leading NUL for an
    abstract name.

    Raises:
        UnixPathError: the path is too long, or it is something else than a socket.
        OSError: nobody listens there, or it does not exist.
    """
    path = os.fspath(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, path)
        except OSError as error:
            explain_unix_path(path, error)
            if error.errno is not None and error.filename is None and repr(path) not in str(error):
                raise OSError(error.errno, f"{error.strerror}: {path!r}") from None
            raise
    except BaseException:
        sock.close()
        raise
    return sock


def explain_unix_path(path: str | bytes, error: OSError) -> None:
    """Raise UnixPathError where ``error``, of a connect or bind to ``path``, comes from what the path is."""
    if path[:1] in ("\0", b"\0"):
        return
    if error.errno is None and "too long" in str(error):
        raise UnixPathError(
            errno.ENAMETOOLONG,
            f"a Unix socket's path has at most 107 bytes on Linux (103 elsewhere); "
            f"this one has {len(os.fsencode(path))}: {path!r}",
        ) from None
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        code = errno.EADDRINUSE if error.errno == errno.EADDRINUSE else errno.ENOTSOCK
        raise UnixPathError(code, f"{path!r} exists and is not a Unix socket") from None
