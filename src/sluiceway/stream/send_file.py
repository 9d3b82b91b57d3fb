"""send_file(): send a part of a file, by the kernel where that is possible."""

from __future__ import annotations

import asyncio
import errno
import io
import operator
import os
import stat
import threading
import weakref
from typing import IO, Any

from .._asyncio.writer import StreamWriter
from .._connection.connection import Connection
from .._constants import FILE_PIECE
from .._errors import is_reported_once
from .._implementation import core
from .flush import flush

# The largest position of a file: off_t of the system.
_MAXIMUM = (1 << 63) - 1

# For each file that is read in threads: several calls of sendfile() may use it, and each of them moves its position.
_position_locks: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()

# The kernel cannot copy from this file, or to this socket.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTSOCK, errno.ESPIPE}


def check_file(file: Any, offset: Any, count: Any, stream: object) -> tuple[int, int | None]:
    """Return ``offset`` as an int, ``count`` as one or None. Raise ValueError or TypeError for an invalid argument."""
    if not callable(getattr(file, "seek", None)) or not callable(getattr(file, "read", None)):
        raise TypeError(
            f"sendfile(): file must be a file that was opened with mode 'rb', not {type(file).__name__!r}: {file!r} "
            f"({stream!r})"
        )
    # The mode of some binary files is a number, or has no "b": gzip and zipfile before Python 3.13.
    binary = isinstance(file, io.RawIOBase | io.BufferedIOBase) or "b" in str(getattr(file, "mode", "b"))
    if isinstance(file, io.TextIOBase) or not binary:
        raise ValueError(f"sendfile(): file must be opened in binary mode: {file!r} ({stream!r})")
    if getattr(file, "closed", False):
        raise ValueError(f"sendfile(): file is closed: {file!r} ({stream!r})")
    for ability in ("readable", "seekable"):
        if not getattr(file, ability, lambda: True)():
            raise ValueError(f"sendfile(): file is not {ability}: {file!r} ({stream!r})")
    return _as_position(offset, "offset", stream), None if count is None else _as_position(count, "count", stream)


def _as_position(value: Any, name: str, stream: object) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        position = operator.index(value)
    except TypeError:
        raise TypeError(
            f"sendfile(): {name} must be an integer, not {type(value).__name__!r}: {value!r} ({stream!r})"
        ) from None
    if not 0 <= position <= _MAXIMUM:
        raise ValueError(f"sendfile(): {name} must be from 0 to {_MAXIMUM}, not {position} ({stream!r})")
    return position


async def send_file(writer: StreamWriter, file: IO[bytes], offset: int, count: int | None) -> int:
    """Send ``count`` bytes of ``file`` from ``offset``, or up to its end. Return their number; see Stream.sendfile.

    The caller holds ``ConnectionRecord.sending_alone()``.
    """
    sender = _FileSender(writer, file, offset, count)
    await sender.run()
    return sender.sent


class _FileSender:
    """One call of sendfile(). ``sent``: the number of bytes so far."""

    def __init__(self, writer: StreamWriter, file: IO[bytes], offset: int, count: int | None) -> None:
        self._writer = writer
        self._transport = writer._sluiceway.transport
        self._file = file
        self._offset = offset
        self._count = count
        self.sent = 0

    def _left(self) -> int:
        """Return the size of the next piece: at most FILE_PIECE, and 0 after ``count`` bytes."""
        return FILE_PIECE if self._count is None else min(FILE_PIECE, self._count - self.sent)

    async def run(self) -> None:
        self._check_file_open()
        raw = _raw_file(self._file)
        if raw is not None and _descriptors(self._writer._sluiceway.connection, raw) is None:
            raw = None
        if raw is not None and raw.writable():
            # What the program has written may still be in the buffer of the file.
            await asyncio.get_running_loop().run_in_executor(None, self._file.flush)
        more = True
        while more and self._left():
            self._check_file_open()
            # Each call waits for an iteration of the loop at least, so that one file does not delay other connections.
            more = await (self._copy_piece() if raw is None else self._let_kernel_copy(raw))
        await flush(self._writer)

    async def _copy_piece(self) -> bool:
        """Read a piece of the file in a thread, and send it. Return False at the end of the file."""
        piece = await asyncio.get_running_loop().run_in_executor(None, self._read_piece, self._left())
        if not piece:
            return False
        self._check_open()
        self._writer.write(piece)
        self.sent += len(piece)
        await self._writer.drain()
        return True

    def _check_open(self) -> None:
        """Raise the error of the connection if it was closed or lost.

        Called before each piece: after a close or a loss, the socket's descriptor number may belong to another file.
        """
        sender = self._writer._sluiceway
        if not sender.can_send():
            raise sender.connection.send_error()

    def _check_file_open(self) -> None:
        """Raise ValueError if another task has closed the file."""
        if getattr(self._file, "closed", False):
            where = self._writer._sluiceway.connection.describe()
            raise ValueError(f"sendfile(): file is closed: {self._file!r} ({where})")

    def _read_piece(self, size: int) -> bytes:
        with _position_lock(self._file):
            self._file.seek(self._offset + self.sent)
            return self._file.read(size)

    async def _let_kernel_copy(self, raw: io.FileIO) -> bool:
        """Let the kernel copy a piece of ``raw`` to the socket. Return False at the end of the file.

        If the kernel cannot copy this piece, or the socket accepts nothing now, call _copy_piece() instead.
        """
        connection = self._writer._sluiceway.connection
        # The program may have written to stream.writer meanwhile, and again while flush() waited. Nothing may be left
        # that the copy would overtake; nothing else runs between the last check and the copy.
        while connection.unsent_size():
            await flush(self._writer)
        self._check_open()
        self._check_file_open()
        # Anew for each piece: the program may have closed a descriptor, and another file may have its number.
        descriptors = _descriptors(connection, raw)
        if descriptors is None or self._writer._sluiceway.transport is not self._transport:
            # For example, the program has upgraded the connection to TLS.
            return await self._copy_piece()
        # Raises RuntimeError while loop.sendfile() of another task sends a file on this connection.
        self._transport.write(b"")
        try:
            copied = os.sendfile(*descriptors, self._offset + self.sent, self._left())
        except BlockingIOError:
            # The socket accepts nothing now. The transport waits until it accepts this piece.
            return await self._copy_piece()
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return await self._copy_piece()
            if not is_reported_once(error):
                raise
            # The kernel reports a loss only once: to the next receive of the transport, it reports an end of the input.
            # Without its traceback, the error, to which the connection refers, creates no reference cycle.
            if isinstance(self._transport, core.RawTransportProvider):
                self._transport.raw.expect_rest()  # type: ignore[attr-defined]
            connection.abort_with(error.with_traceback(None), "reset")
            raise connection.send_error() from None
        self.sent += copied
        self._writer._sluiceway.written += copied
        await asyncio.sleep(0)
        return copied > 0


if hasattr(os, "register_at_fork"):
    # A thread of the parent may hold a lock. Windows has no fork.
    os.register_at_fork(after_in_child=_position_locks.clear)


def _position_lock(file: Any) -> threading.Lock:
    """Return the lock of the position of ``file``; a new one if the object supports no weak references."""
    try:
        return _position_locks.setdefault(file, threading.Lock())
    except TypeError:
        return threading.Lock()


def _raw_file(file: Any) -> io.FileIO | None:
    """Return the FileIO below ``file``. Return None if there is none, or if ``file`` may convert its bytes (gzip)."""
    if type(file).__module__ == "tempfile":
        # NamedTemporaryFile() returns a wrapper. A SpooledTemporaryFile has no such attribute.
        file = getattr(file, "file", None)
    if type(file) in (io.BufferedReader, io.BufferedRandom):
        file = file.raw
    return file if type(file) is io.FileIO else None


def _descriptors(connection: Connection, raw: io.FileIO) -> tuple[int, int] | None:
    """Return the descriptors of the socket and the file if os.sendfile() may be tried, else None."""
    sock = connection.get_extra_info("socket")
    if sock is None or not hasattr(os, "sendfile") or connection.get_extra_info("sslcontext") is not None:
        return None
    # Data that is corked later would overtake the file.
    connection.share_transport()
    try:
        source, target = raw.fileno(), sock.fileno()
        regular = stat.S_ISREG(os.fstat(source).st_mode)
        # Another process may have made the shared socket blocking: os.sendfile would then block the loop.
        return (target, source) if regular and not os.get_blocking(target) else None
    except OSError:
        # The program has closed a descriptor.
        return None
