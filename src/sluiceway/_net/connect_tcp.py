"""Connect to a TCP server: try the addresses of its name one after the other, or several in parallel."""

from __future__ import annotations

import asyncio
import functools
import operator
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from .._constants import FIRST_ADDRESS_FAMILY_COUNT
from .addresses import describe_address
from .attempts import ConnectAttempt
from .happy_eyeballs import race
from .resolve import AddressInfo, interleave, resolve


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
    """Return a non-blocking socket that is connected to ``host`` and ``port``; for the arguments see open_connection.

    Raises:
        socket.gaierror, UnicodeError, TypeError, ValueError: see resolve().
        OSError: the connection to every address failed. If the messages of the failures differ, the error lists them.
        ExceptionGroup: the same if ``all_errors`` is True. The group contains the error of each address.
    """
    infos = await resolve(loop, (host, port), family=family, proto=proto, flags=flags)
    local = None
    if local_addr is not None:
        local = await resolve(loop, local_addr, family=family, proto=proto, flags=flags, argument="local_addr")
    if happy_eyeballs_delay is not None and interleaved is None:
        interleaved = FIRST_ADDRESS_FAMILY_COUNT
    if interleaved:
        infos = interleave(infos, operator.index(interleaved))
    attempts: list[ConnectAttempt] = []
    sock = await connect_to_any(loop, infos, attempts, local=local, delay=happy_eyeballs_delay)
    if sock is not None:
        return sock
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    try:
        _raise(errors, all_errors)
    finally:
        # Breaks a reference cycle: the tracebacks of the errors refer to this frame.
        del attempts, errors


async def connect_to_any(
    loop: asyncio.AbstractEventLoop,
    infos: list[AddressInfo],
    attempts: list[ConnectAttempt],
    *,
    local: list[AddressInfo] | None = None,
    delay: float | None = None,
    configure: Callable[[socket.socket], object] | None = None,
) -> socket.socket | None:
    """Return a non-blocking socket that is connected to one of the addresses ``infos``, or None if all attempts fail.

    When the attempt of an address ends, a ConnectAttempt is appended to ``attempts``, also if the call is cancelled.

    - ``local``: the addresses to bind the socket to, or None.
    - ``delay``: the next address is tried this many seconds after the previous one, or as soon as an attempt fails.
      None: an address is tried only when the attempt before it has failed.
    - ``configure``: called with each socket before it is bound and connected. If it raises OSError, the attempt fails.
      Another exception ends the call.
    """
    try:
        if delay is not None:
            return await race(
                [functools.partial(_connect_one, loop, info, local, attempts, configure) for info in infos], delay
            )
        for info in infos:
            try:
                return await _connect_one(loop, info, local, attempts, configure)
            except OSError:
                continue
        return None
    finally:
        # Breaks a reference cycle: the tracebacks of the errors refer to this frame.
        del attempts


def _raise(errors: list[OSError], all_errors: bool) -> NoReturn:
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
    loop: asyncio.AbstractEventLoop,
    info: AddressInfo,
    local: list[AddressInfo] | None,
    attempts: list[ConnectAttempt],
    configure: Callable[[socket.socket], object] | None,
) -> socket.socket:
    """Return a socket that is connected to the address ``info``, or raise OSError if that fails.

    In each case, also if the call is cancelled, append a ConnectAttempt to ``attempts``.
    """
    family, kind, proto, _, address = info
    started = time.monotonic()
    failed: OSError | None = TimeoutError("no answer")
    sock: socket.socket | None = None
    try:
        sock = socket.socket(family, kind, proto)
        sock.setblocking(False)
        if configure is not None:
            configure(sock)
        if local is not None:
            _bind_local(sock, local)
        try:
            connect = _connect_directly if _needs_direct_connect(loop, address) else loop.sock_connect
            await connect(sock, address)
        except OSError as error:
            # Not every loop names the address in its message.
            if error.errno is None or str(address) in str(error):
                raise
            raise OSError(error.errno, f"Connect call failed {address}") from None
        failed = None
        return sock
    except BaseException as error:
        if isinstance(error, OSError):
            failed = error
        if sock is not None:
            sock.close()
        raise
    finally:
        attempts.append(ConnectAttempt(describe_address(address), time.monotonic() - started, failed))
        # Breaks a reference cycle: the traceback of the error refers to this frame.
        del attempts, failed


def _needs_direct_connect(loop: asyncio.AbstractEventLoop, address: Any) -> bool:
    """Return True if _connect_directly() must connect: on uvloop, and to an IPv6 ``address`` with a scope id.

    sock_connect() of uvloop drops the scope id. It also resolves the address again, in a thread, and so waits while
    lookups of other names take long. Always False on Windows, where uvloop does not run, and the proactor loop has no
    add_writer().
    """
    if sys.platform == "win32":
        return False
    if len(address) == 4 and address[3] != 0:
        return True
    connect = loop.sock_connect
    # functools.wraps() copies __module__ to the function with which a program has replaced the method.
    return connect.__module__ == "uvloop.loop" and not hasattr(connect, "__wrapped__")


async def _connect_directly(sock: socket.socket, address: Any) -> None:
    """Do what sock_connect() of asyncio's loops does, for an ``address`` that needs no resolver."""
    try:
        sock.connect(address)
        return
    except (BlockingIOError, InterruptedError):
        pass
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()
    descriptor = sock.fileno()
    # A signal handler may raise at any call. If the socket is closed while uvloop watches it, uvloop ends the process.
    try:
        loop.add_writer(descriptor, _set_writable, writable)
        await writable
    finally:
        try:
            loop.remove_writer(descriptor)
        except BaseException:
            loop.remove_writer(descriptor)
            raise
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _set_writable(writable: asyncio.Future[None]) -> None:
    # The loop may call this again before the task has continued.
    if not writable.done():
        writable.set_result(None)


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
                error.errno,
                f"error while attempting to bind on address {address!r}: {str(error.strerror or error).lower()}",
            )
    try:
        raise failed or OSError(f"no matching local address with family={sock.family!r} found")
    finally:
        # Breaks a reference cycle: the traceback of the error refers to this frame.
        del failed
