"""The private attributes of asyncio's socket transport that ``loop.sendfile()`` of an asyncio loop uses."""

from __future__ import annotations

import asyncio
import sys
from asyncio import constants
from typing import Any

from ..._errors import copy_error
from .file_copy import FileCopy
from .poller import poller_of
from .stream_socket import StreamSocket


class SendfileAttributes:
    """A base class of SocketTransport, which has the attributes ``raw`` and ``_loop``.

    ``loop.sendfile()`` reads ``_sendfile_compatible``, removes the transport from the loop's table, and pauses reading.
    It waits for ``_make_empty_waiter()``, lets the kernel copy the file to ``_sock``, and calls
    ``_reset_empty_waiter()``. Then it restores the table and the reading.
    """

    __slots__ = ()

    raw: StreamSocket
    _loop: asyncio.AbstractEventLoop

    @property
    def _sendfile_compatible(self) -> Any:
        poller = poller_of(self._loop)
        if not poller.of_asyncio:
            return constants._SendfileMode.FALLBACK
        # loop.sendfile() calls _make_empty_waiter() before its first wait, so no other transport changes the value.
        poller.read_before_sendfile = self.raw.is_reading()
        return constants._SendfileMode.TRY_NATIVE

    async def _make_empty_waiter(self) -> None:
        """Wait until the kernel has accepted what was written before. Until _reset_empty_waiter(), write() raises."""
        # Restored now: the loop's add_reader() refuses the descriptor, and the closing of the loop finds the transport.
        self._loop._transports[self.raw.fileno()] = self  # type: ignore[attr-defined]
        if self.raw.file_copy is not None:
            raise RuntimeError("loop.sendfile(): another sendfile is in progress")
        copy = self.raw.file_copy = FileCopy(self._loop, self.raw, poller_of(self._loop).read_before_sendfile)
        try:
            await copy.begun
        except BaseException:
            # loop.sendfile() restores nothing in this case.
            self.raw.file_copy = None
            if copy.reading:
                self.raw.resume_reading()
            raise
        finally:
            # Breaks a reference cycle: the future keeps its error, whose traceback refers to this frame.
            del copy

    def _reset_empty_waiter(self) -> None:
        copy, self.raw.file_copy = self.raw.file_copy, None
        if copy is None:
            return
        error = sys.exception()
        traceback = None if error is None else error.__traceback__
        if traceback is None or traceback.tb_frame is not sys._getframe(1):
            # Not raised in loop.sendfile(): a caller, or a task that runs a nested loop, is handling this exception.
            error = None
        lost = None if self.raw.is_closing() else copy.lost_error(error)
        copy.close()
        if lost is not None:
            # The kernel reports a loss only once: the next receive would find an end of the input instead.
            if copy.reading:
                self.raw.resume_reading()
            self.raw.expect_rest()
            self.raw.fail(copy_error(lost), "Fatal write error on socket transport")
        if isinstance(error, asyncio.SendfileNotAvailableError) and self.raw.is_closing():
            # Without this error, loop.sendfile() would write the file to the closed transport.
            raise lost or copy.error() from None
        if error is not None:
            call = sys._getframe(1).f_locals
            copy.seek_if_refused(call.get("file"), call.get("offset", 0))
