"""StreamClosing: the methods of Stream that close it, and the time limits of a block and of an idle connection."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from .._connection.close_info import CloseInfo
from .._connection.connection import Connection, waits_for_close
from .._implementation import core
from .halves import StreamHalves
from .timing import Deadline, RateDeadline, check_rate

if TYPE_CHECKING:
    from .._core.validation import as_seconds
else:
    as_seconds = core.as_seconds


class StreamClosing(StreamHalves):
    """The methods of Stream that close it, ``async with``, ``deadline()`` and ``idle_timeout``."""

    __slots__ = ()

    async def aclose(self, *, timeout: float | None = None, linger: float | None = None) -> CloseInfo:
        """Close the stream after the buffered data has been sent, and wait until it is closed.

        The call never raises an error of the connection: the result names what happened. The call may be repeated, also
        by several tasks at the same time, and always returns the same CloseInfo. Of two pipes, that is the CloseInfo of
        the written one. A read that waits ends when the close is complete, as at the end of the stream, or with the
        error of a loss during the close. Later reads, and iterators over the stream, even one that waits, raise
        ConnectionError.

        While data is unsent, the connection is aborted if the kernel accepts none and the peer acknowledges none for
        one to two times the ``close_timeout`` of the connection, which is 30 seconds by default. If the call is
        cancelled, the stream continues to close, and ``timeout`` and ``linger`` still apply.

        Args:
            timeout (float or None): the seconds that the whole close may take. If it takes longer, the connection is
                aborted, and unsent data is discarded. With None, a peer that accepts data slowly can delay the close
                without a limit.
            linger (float or None): the seconds to discard what the peer still sends, for a program that answers before
                it has read everything. With None, a close while the peer still sends makes the kernel send a reset,
                which may destroy the answer on its way. With a number, the writing direction is ended first (TCP: with
                a FIN). Then what the peer sends is discarded until the peer ends its direction too, for at most this
                many seconds after all data has been sent, and at most 64 MiB. Then the connection is closed. Until
                then, close() of the writer and close_clients() of the server have no effect, and abort() works. A TLS
                connection discards what the peer still sends at every close, also with None, until the peer's
                close_notify, and at most 64 MiB; a number replaces its ``ssl_shutdown_timeout``, which is 30 seconds by
                default. On a pipe, which has one direction, ``linger`` has no effect.

        Raises:
            ValueError, TypeError: ``timeout`` or ``linger`` is not a number of seconds greater than 0.

        Source: trio's ``aclose``; nginx's ``lingering_close``; RFC 9112, section 9.6.
        """
        if timeout is not None:
            as_seconds(timeout, "aclose(): timeout", self)
        if linger is not None:
            as_seconds(linger, "aclose(): linger", self)
        self._start_close(timeout, linger)
        info = CloseInfo(True, 0, None, "closed")
        for connection in reversed(self._connections()):
            if not connection.lost:
                await self._wait_closed(connection)
            info = connection.keep_record().ended(connection)
        return info

    def abort(self) -> None:
        """Close the stream immediately, and discard unsent data. Later reads and sends raise ConnectionError.

        A read that waits ends as at the end of the stream; an iterator that waits raises ConnectionError. To learn how
        many bytes were discarded, call ``aclose()`` afterwards: the ``unsent_bytes`` of its CloseInfo.

        Source: ``asyncio.WriteTransport.abort``.
        """
        self._stop_reading()
        for connection in self._connections():
            connection.abort_because("aborted")

    def is_closing(self) -> bool:
        """Return True if the stream is closing, closed or lost, whichever side caused it.

        For a stream over two pipes, it is True if this holds for one of them. A pipe that is read is closed at the end
        of its input.

        Source: ``asyncio.StreamWriter.is_closing``.
        """
        return any(connection.lost or connection.ending() for connection in self._connections())

    async def _wait_closed(self, connection: Connection) -> None:
        writer = self._writer
        try:
            if writer is None or writer._sluiceway.connection is not connection:
                await connection.closed_waiter()
            else:
                await writer.wait_closed()
        except Exception:  # noqa: BLE001 - the CloseInfo names what happened
            pass

    def _start_close(self, timeout: float | None, linger: float | None) -> None:
        self._stop_reading()
        for connection in self._connections():
            if connection.lost:
                continue
            if timeout is not None:
                connection.keep_record().abort_after(connection, timeout)
            if linger is not None:
                connection.close_lingering(linger)
            elif not connection.closing:
                writer = self._writer
                if writer is not None and writer._sluiceway.connection is connection:
                    # Also queries a protocol of asyncio for the loss of the connection.
                    writer.close()
                else:
                    connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if waits_for_close(exc):
            await self.aclose()
        else:
            self._start_close(None, None)

    # -- time ---------------------------------------------------------------------------------------------------------

    def deadline(self, seconds: float, *, min_rate: float | None = None) -> Deadline:
        """Return an asynchronous context manager that limits the time of all operations in its block together.

        ``async with stream.deadline(5):`` cancels the block when the time has passed, and raises TimeoutError at its
        end. So the limit also covers operations on other streams, and every other ``await``. An operation that is cut
        short leaves behind what a cancellation leaves behind. Deadlines can be nested; the first to pass counts. Each
        object limits one block.

        With ``min_rate``, the time is a credit instead, which received and sent bytes renew. The block starts with a
        credit of ``seconds``. Each second takes one second from it. Each ``min_rate`` bytes that the stream receives,
        or that the kernel accepts of what was sent, add one second, up to ``seconds``. The block is cancelled when no
        credit is left. So a silent peer has ``seconds``, and a peer that stays slower than ``min_rate`` uses up its
        credit. A faster peer has no limit: to limit the whole, put the block into a second ``deadline()``. The credit
        also decreases while the program itself neither reads nor sends.

        Over TLS, ``min_rate`` counts the data in the records, the bytes of an incomplete record as they arrive, and
        those of the handshake.

        Args:
            seconds (float): the time, greater than 0. The block is never cancelled earlier, and up to 0.05 seconds
                later; with ``min_rate`` up to a quarter of ``seconds`` and 0.1 seconds later.
            min_rate (float or None): the bytes per second, in both directions together, that keep the block running.
                None means that bytes do not extend the time.

        Raises:
            TimeoutError: raised by the block, after the time. The message names the connection and the seconds.
            ValueError, TypeError: ``seconds`` or ``min_rate`` is not a number greater than 0, or ``min_rate`` is not
                finite.
            RuntimeError: the object was used for a second block.

        Source: Go's ``SetDeadline``, trio's ``move_on_after``, ``asyncio.timeout``; ``MinRate`` of Apache's
        ``mod_reqtimeout``, Kestrel's ``MinDataRate``.
        """
        as_seconds(seconds, "deadline(): seconds", self, required=True)
        if min_rate is None:
            return Deadline(self, seconds)
        check_rate(min_rate, self)
        return RateDeadline(self, seconds, min_rate)

    @property
    def idle_timeout(self) -> float | None:
        """The seconds after which an idle connection is aborted, or None. The program may assign it at any time.

        A connection is idle while it receives no byte and the kernel accepts no byte of what it sends. The connection
        is aborted after this time, or later by at most a quarter of the time plus 0.25 seconds. Reads return what had
        arrived before, and then raise a TimeoutError that names the connection; ``send()`` raises it too, and
        ``eof_reason`` is ``"idle timeout"``. After the end of the input, reads still return ``b""``, and ``eof_reason``
        does not change. The time starts again when the property is assigned. Over TLS, the bytes of the handshake and
        of an incomplete record count as they arrive. Records without data, such as key updates, do not count, nor does
        data that the program writes to ``stream.writer.transport``, as ``loop.sendfile()`` does.

        Raises:
            ValueError, TypeError: the assigned value is neither None nor a number of seconds greater than 0.
            io.UnsupportedOperation: a number is assigned, and the reader and the writer belong to different
                connections, such as two pipes, or the reader belongs to no connection of sluiceway.
        """
        for connection in self._connections():
            record = connection.record
            if record is not None and record.idle_timeout is not None:
                return record.idle_timeout.seconds
        return None

    @idle_timeout.setter
    def idle_timeout(self, seconds: float | None) -> None:
        if seconds is not None:
            as_seconds(seconds, "idle_timeout", self)
            self._idle_connection().set_idle_timeout(seconds)
            return
        for connection in self._connections():
            connection.set_idle_timeout(None)
