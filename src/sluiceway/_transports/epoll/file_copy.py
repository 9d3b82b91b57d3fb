"""FileCopy: a call of ``loop.sendfile()`` in which the kernel copies the file to a socket of the engine."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..._errors import is_reported_once
from .poller import poller_of

if TYPE_CHECKING:
    from .stream_socket import StreamSocket


def _replace(loop: Any, sock: socket.socket) -> None:
    """In a forked child, where a shutdown would end the parent's connection too, replace the socket of ``sock``.

    The descriptor of ``sock``, which ``loop`` may watch, then refers to a new socket that is connected to nothing.
    """
    poller_of(loop).leave_parent()
    selector = loop._selector
    watched = selector.get_map().get(sock.fileno())
    with socket.socket() as unconnected:
        if watched is not None:
            selector.unregister(sock)
        os.dup2(unconnected.fileno(), sock.fileno(), inheritable=False)
        if watched is not None:
            selector.register(sock, watched.events, watched.data)


class FileCopy:
    """One call of ``loop.sendfile()`` of an asyncio loop, while other writes to the socket are refused.

    The loop copies to a second descriptor of the socket, which it watches while the socket accepts nothing. So the
    engine can close its own descriptor at any time. During the call, ``StreamSocket.file_copy`` refers to this object.

    - ``begun``: a future that is done when the kernel has accepted what was written before the call.
    - ``reading``: whether the transport was reading before the call, which pauses reading.
    - ``refused``: whether socket() has raised a SendfileNotAvailableError.
    """

    __slots__ = ("_loop", "_process", "_raw", "_sock", "begun", "reading", "refused")

    def __init__(self, loop: asyncio.AbstractEventLoop, raw: StreamSocket, reading: bool) -> None:
        self._loop = loop
        self._raw = raw
        self._process = os.getpid()
        self.reading = reading
        self.refused = False
        self._sock: socket.socket | None = None
        self.begun: asyncio.Future[None] = loop.create_future()
        if not raw.get_write_buffer_size():
            self.begin()

    def begin(self) -> None:
        """Called when nothing is left to be sent before the file."""
        if not self.begun.done():
            self.begun.set_result(None)

    def socket(self) -> socket.socket:
        """Return the socket object to which the loop copies the file.

        Raises:
            asyncio.SendfileNotAvailableError: the socket is in blocking mode, because another process that shares it
                has changed it; or no descriptor is left.
            ConnectionResetError: the connection is closing.
        """
        if self._sock is None:
            if self._raw.is_closing():
                raise self.error()
            sock = self._raw.socket()
            if os.get_blocking(sock.fileno()):
                # Another process that shares the socket has changed it.
                self.refused = True
                raise asyncio.SendfileNotAvailableError("the socket is blocking: the kernel would block the event loop")
            try:
                self._sock = socket.fromfd(sock.fileno(), sock.family, sock.type)
            except OSError as error:
                self.refused = True
                raise asyncio.SendfileNotAvailableError(
                    "no file descriptor is left; the copy needs a second one for the socket"
                ) from error
            self._sock.setblocking(False)
        return self._sock

    def end(self) -> None:
        """Called when the connection has ended: let ``loop.sendfile()`` raise an error.

        If the loop is closed, only close the second descriptor.
        """
        if self._loop.is_closed():
            # The task that would close it does not run any more.
            if self._sock is not None:
                self._sock.close()
            return
        if not self.begun.done():
            self.begun.set_exception(self.error())
        if self._sock is not None:
            # The loop, which may wait until the socket accepts data, then gets BrokenPipeError from os.sendfile().
            with suppress(OSError):
                if os.getpid() == self._process:
                    self._sock.shutdown(socket.SHUT_RDWR)
                else:
                    _replace(self._loop, self._sock)

    def error(self) -> ConnectionResetError:
        return ConnectionResetError("loop.sendfile(): the connection was closed before the whole file was sent")

    def lost_error(self, error: BaseException | None) -> OSError | None:
        """Return the error of a lost connection that the kernel has reported only to os.sendfile(), else None.

        Called before close(). ``error`` is what ``loop.sendfile()`` raises, or None. If os.sendfile() fails before the
        first byte, ``error`` is a SendfileNotAvailableError without the cause.
        """
        if isinstance(error, OSError) and is_reported_once(error):
            return error
        if isinstance(error, asyncio.SendfileNotAvailableError) and self._sock and not self._raw.eof_written:
            try:
                self._sock.getpeername()
            except OSError as problem:
                if problem.errno == errno.ENOTCONN:
                    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return None

    def seek_if_refused(self, file: Any, offset: int) -> None:
        """If the loop reads ``file`` because of socket(), move it to ``offset``.

        Before Python 3.15, the loop does that only if ``offset`` is not 0. A file that the kernel cannot copy is not
        moved: asyncio reads it from its position in each case.
        """
        # AttributeError, ValueError: an object without descriptor, or a closed file.
        with suppress(AttributeError, OSError, ValueError):
            if self.refused and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                file.seek(offset)

    def close(self) -> None:
        """Close the second descriptor."""
        if self._sock is not None:
            self._loop.remove_writer(self._sock)
            self._sock.close()
