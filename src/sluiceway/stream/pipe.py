"""pipe() and stdio(): Streams over descriptors that are not sockets."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import select
import stat
import sys
from typing import Any

from .._implementation import core
from .opening import Opening
from .pipe_halves import open_stream, require_pipes
from .stream import Stream

if sys.platform != "win32":
    import fcntl

STDIN, STDOUT = 0, 1
# /dev/ptmx of Linux: each opening creates a new pseudoterminal.
_TERMINAL_MULTIPLEXER = os.makedev(5, 2) if sys.platform == "linux" else None


def pipe(descriptor: int, *, limit: float | None = None) -> Opening[Stream]:
    """Return a Stream over ``descriptor``: one end of a pipe or FIFO, a terminal, a file, or a device.

    The access mode of the descriptor decides whether the stream can be read, written, or both. If it is read-only,
    ``send()`` raises io.UnsupportedOperation; if it is write-only, ``read()`` does. A terminal that is open for both
    is read and written, and so is a file. The file has one position for both directions, and the stream reads ahead: a
    ``send()`` writes after what is buffered, not after what was read. A FIFO that is open for both is only read.

    Args:
        descriptor (int): the descriptor. It belongs to the caller until ``await`` or ``async with``. From then on it
            belongs to the stream, is non-blocking, and is closed with the stream. A file or a device such as /dev/null
            stays blocking. If ``await`` or ``async with`` raises, the descriptor is closed at once.
        limit (int, math.inf or None): the limit of the reader in bytes; see StreamReader.

    Returns:
        An object to ``await`` or to use with ``async with``, once. Both give the Stream.

    Raises:
        OSError: ``descriptor`` is a directory, or was closed after the call; or the process has no free descriptor.
            Raised by ``await``.
        ValueError: ``descriptor`` is not open, or is a socket, which ``connect()`` accepts.
        TypeError: ``descriptor`` is not an int.
        ValueError, TypeError: ``limit`` is not a whole number greater than 0, ``math.inf`` or None.
        NotImplementedError: the system is Windows.
        RuntimeError: the returned object was used a second time.
    """
    require_pipes("pipe()")
    _check_descriptor(descriptor)
    size = core.as_limit(limit, "pipe")
    return Opening(f"pipe({descriptor})", lambda: _open_pipe(descriptor, size))


def stdio(*, limit: float | None = None) -> Opening[Stream]:
    """Return a Stream that reads standard input and writes to standard output.

    Works for pipes, sockets, terminals, files and /dev/null. The descriptors 0 and 1 stay open and in blocking mode,
    because the stream opens descriptors of its own. Two kinds are non-blocking until the stream is closed: sockets, and
    pipes or terminals that cannot be opened again. Only Linux can open a pipe or terminal again, but not a FIFO (named
    pipe) after its last writer has closed it. Do not use
    ``input()`` or ``sys.stdin`` as well: the stream does not get what they have read, and they do not get what the
    stream has read. Print to ``sys.stderr``: text that ``print()`` writes to standard output gets between the data of
    the stream.

    Closing the stream does not end standard output for its reader, because descriptor 1 stays open until the process
    ends.

    Args:
        limit (int, math.inf or None): the limit of the reader in bytes; see StreamReader.

    Returns:
        An object to ``await`` or to use with ``async with``, once. Both give the Stream.

    Raises:
        OSError: standard input or output is closed, or the process has no free descriptor. Raised by ``await``.
        ValueError, TypeError: ``limit`` is not a whole number greater than 0, ``math.inf`` or None.
        NotImplementedError: the system is Windows.
        RuntimeError: the returned object was used a second time.
    """
    require_pipes("stdio()")
    size = core.as_limit(limit, "stdio")
    return Opening("stdio()", lambda: _open_stdio(size))


def _check_descriptor(descriptor: Any) -> None:
    if not isinstance(descriptor, int) or isinstance(descriptor, bool):
        raise TypeError(
            f"pipe(): descriptor argument must be an int, not {type(descriptor).__name__!r}: {descriptor!r}"
        )
    try:
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"pipe(): descriptor argument must be an open descriptor, not {descriptor} ({error})"
        ) from None
    if is_socket:
        raise ValueError(f"pipe(): descriptor {descriptor} is a socket; sluiceway.connect() makes streams of sockets")


async def _open_pipe(descriptor: int, limit: int) -> Stream:
    loop = asyncio.get_running_loop()
    access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    if access == os.O_RDWR and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        # Its own writing end would keep the stream from ever reading the end of the input.
        access = os.O_RDONLY
    if access == os.O_RDWR:
        incoming = _file_of(descriptor, "r+b")
        try:
            outgoing = _file_of(os.dup(descriptor), "r+b")
        except BaseException:
            incoming.close()
            raise
        return open_stream(loop, incoming, outgoing, limit)
    if access == os.O_WRONLY:
        return open_stream(loop, None, _file_of(descriptor, "wb"), limit)
    return open_stream(loop, _file_of(descriptor, "rb"), None, limit)


def _file_of(descriptor: int, mode: str, kind: type[io.FileIO] = io.FileIO) -> io.FileIO:
    """Return a file that owns ``descriptor``. If that fails, as for a directory, close ``descriptor`` and raise."""
    try:
        return kind(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise


async def _open_stdio(limit: int) -> Stream:
    # Python sets these to None if the program was started without them: then another file may have the descriptor.
    for original, name in ((sys.__stdin__, "standard input"), (sys.__stdout__, "standard output")):
        if original is None:
            raise OSError(errno.EBADF, f"stdio(): {name} is closed")
    incoming = _own_descriptor(STDIN, os.O_RDONLY, "standard input")
    try:
        outgoing = _own_descriptor(STDOUT, os.O_WRONLY, "standard output")
    except BaseException:
        incoming.close()
        raise
    # For messages.
    incoming.name, outgoing.name = "<stdin>", "<stdout>"
    return open_stream(asyncio.get_running_loop(), incoming, outgoing, limit)


def _own_descriptor(descriptor: int, access: int, name: str) -> io.FileIO:
    """Return a file for the standard stream ``descriptor``, with a descriptor of its own. ``name``: for messages.

    A pipe or terminal is opened again if possible. A duplicate would share O_NONBLOCK with ``descriptor``, which would
    break ``print()`` and, on a terminal, the shell that has started the program. If the pipe or terminal cannot be
    opened again, and for every other kind, the file is a _SharedFile over a duplicate. A FIFO that its last writer has
    closed is not opened again, because the new descriptor would never report the end. The master of a pseudoterminal
    is not opened again, because that would create a new pseudoterminal.
    """
    mode = "rb" if access == os.O_RDONLY else "wb"
    try:
        state = os.fstat(descriptor)
    except OSError as error:
        # An error of a signal handler, such as a TimeoutError, has no number.
        if error.errno is None:
            raise
        raise OSError(error.errno, f"stdio(): {name} is closed") from None
    if stat.S_ISFIFO(state.st_mode) or (os.isatty(descriptor) and state.st_rdev != _TERMINAL_MULTIPLEXER):
        try:
            # Linux opens the pipe or terminal anew. O_NONBLOCK: a FIFO without a reader must not block the call.
            own = os.open(f"/proc/self/fd/{descriptor}", access | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            file = _file_of(own, mode)
        except OSError as error:
            if error.errno is None:
                raise
        else:
            try:
                # Of a FIFO without a writer, the kernel reports the end only to a descriptor that was open before.
                reports_end = not _hung_up(descriptor) or _hung_up(own)
            except BaseException:
                file.close()
                raise
            if reports_end:
                return file
            file.close()
    return _file_of(os.dup(descriptor), mode, _SharedFile)


def _hung_up(descriptor: int) -> bool:
    """Return True if the kernel reports that nobody has the other end of ``descriptor`` open."""
    # eventlet removes the class.
    make = getattr(select, "poll", None)
    if make is None:
        return False
    poller = make()
    poller.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in poller.poll(0))


class _SharedFile(io.FileIO):
    """A file that shares O_NONBLOCK with another descriptor. Closing it makes both blocking again, if they were."""

    def __init__(self, descriptor: int, mode: str) -> None:
        super().__init__(descriptor, mode)
        self._was_blocking = os.get_blocking(descriptor)

    def close(self) -> None:
        if not self.closed and self._was_blocking:
            os.set_blocking(self.fileno(), True)
        super().close()
