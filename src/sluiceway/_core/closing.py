"""ClosingState: the transport of a connection, its close and its end, and the futures of wait_closed()."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import copy_error
from .connection_state import CLOSE, CLOSE_LATE, LOSE, ConnectionState
from .raw_transport import RawTransport, RawTransportProvider

if TYPE_CHECKING:
    import asyncio


class ClosingState(ConnectionState):
    """The part of a Connection that every connection uses, and that is therefore compiled.

    - ``loop``: the event loop.
    - ``transport``: the transport; None before connection_made().
    - ``protocol_transport``: the value of ``_transport``, a private attribute of asyncio's StreamReaderProtocol.
    - ``owner``: the ServerConnection of an accepted connection, whose methods are called at the events of the
      connection (see ConnectionOwner); None for any other connection.
    - ``record``: the ConnectionRecord of a connection with a Stream; None for another one.
    - ``writer_ref``: a weak reference to the newest writer, or None.
    - ``assigned_writer``: a tuple with the value that the program has assigned to ``_stream_writer`` of the protocol,
      which keeps this writer as in asyncio; None without such a value.
    - ``close_timeout``: in seconds; None means that a close waits without a limit.
    """

    __slots__ = (
        "_close_timer",
        "_closed_future",
        "_closed_waiters",
        "_direct",
        "_loop_tls_values",
        "assigned_writer",
        "close_timeout",
        "loop",
        "owner",
        "protocol_transport",
        "record",
        "transport",
        "writer_ref",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, close_timeout: float | None, owner: Any) -> None:
        ConnectionState.__init__(self, loop)
        self.loop = loop
        self.transport: Any = None
        self.protocol_transport: Any = None
        self.owner = owner
        self.record: Any = None
        self.writer_ref: Any = None
        self.assigned_writer: tuple[Any] | None = None
        self.close_timeout = close_timeout
        # Created on demand, and None on most connections, to save memory.
        self._closed_waiters: list[asyncio.Future[None]] | None = None
        self._closed_future: asyncio.Future[None] | None = None
        self._close_timer: Any = None
        self._loop_tls_values: dict[str, Any] | None = None
        # The raw transport, if it has the whole state of the transport: reading this state needs no Python call.
        self._direct: RawTransport | None = None

    def attach(self, transport: Any) -> None:
        """Set the transport of this connection: its first one, that of a further writer, or that of start_tls()."""
        self.transport = transport
        self._loop_tls_values = None
        self._direct = None
        # The transports of the package keep the values of get_extra_info() after they have closed.
        if not isinstance(transport, RawTransportProvider):
            self._loop_tls_values = self.values_of_loop_tls()
        else:
            raw: RawTransport = transport.raw  # type: ignore[attr-defined]
            if raw.unsent_size() >= 0:
                self._direct = raw

    def values_of_loop_tls(self) -> dict[str, Any] | None:
        """Return the values of get_extra_info() that a TLS transport of the loop drops when it closes.

        None for another transport. Connection overrides this method.
        """
        return None

    def transport_is_closing(self) -> bool:
        """Return True if the transport is closing or closed, False for one without is_closing(), such as a mock."""
        if self._direct is not None:
            return self._direct.closing
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    def close(self) -> None:
        """Let the transport close after its buffered data has been sent, and start the close timeout.

        ``transport`` must not be None. May be called again. During a lingering close, which closes the transport
        later, nothing is done. If an exception, such as that of a signal handler, stops the call, the loop closes the
        transport.
        """
        if self.record is not None and self.record.lingers(self.transport):
            return
        ends_already = self.transport_is_closing()
        try:
            self.apply(CLOSE_LATE if ends_already else CLOSE)
            # A second close() of asyncio's TLS transport would discard its buffered data.
            if not ends_already:
                self.uncork()
                if self.record is not None:
                    self.record.closing(self.transport)
                self.transport.close()
        except BaseException:
            # A signal handler may have raised before the transport has begun to close, and nothing else would close it.
            self.loop.call_soon(self.transport.close)
            raise
        self.bound_close()

    def bound_close(self, seconds: float | None = None) -> None:
        """Start the close timeout, unless all data has been sent or the timeout counts already.

        If the connection is closing, and neither the kernel nor the peer accepts a byte for one to two times the
        timeout, the transport is aborted. Each accepted byte starts the time again. The timeout is ``close_timeout`` or
        ``seconds``, whichever is less and not None; if both are None, there is none. A loop's own transport does not
        report when it starts to close. Therefore the method may be called before that, and the time starts when the
        connection is first found to be closing.
        """
        if self.lost or self.transport is None:
            return
        if self._close_timer is None and self._everything_sent():
            return
        self.start_close_timeout(seconds)

    def _everything_sent(self) -> bool:
        """Return True if the transport, which must not be None, is known to have no unsent data.

        Return False if that is unknown: for the loop's TLS, which does not count its encrypted data, and for any other
        transport that is neither sluiceway's nor has a LoopWriter.
        """
        direct = self._direct
        if direct is not None:
            return direct.unsent_size() == 0
        transport = self.transport
        if not isinstance(transport, RawTransportProvider):
            writer = self.loop_writer
            if writer is None or writer.transport is not transport or self._loop_tls_values is not None:
                return False
        try:
            unsent: int = transport.get_write_buffer_size()
        except (AttributeError, NotImplementedError):
            return False
        return unsent == 0

    def start_close_timeout(self, seconds: float | None) -> None:
        """Start the close timeout of bound_close(), which calls this if data may be unsent. ``seconds`` is that of
        bound_close(). Connection overrides this method, which does nothing.
        """

    def lose(self, error: BaseException | None) -> None:
        """Record the end of the transport, with ``error`` or None. Only the first call records it.

        Stop the close timeout, complete the ConnectionRecord and the futures of closed_waiter() and closed_future(),
        and call the owner, if any. May be called again, which does what an exception of a signal handler has prevented,
        and calls the owner again.
        """
        if not self.lost:
            self.error = error
            self.apply(LOSE)
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        if self.record is not None:
            self.record.ended(self)
        waiters = self._closed_waiters
        if waiters is not None:
            for waiter in waiters:
                self._resolve(waiter)
            self._closed_waiters = None
        if self._closed_future is not None:
            self._resolve(self._closed_future)
        if self.owner is not None:
            self.owner.connection_ended(self)

    def closed_waiter(self) -> asyncio.Future[None]:
        """Return a new future for one call of wait_closed(). If the transport is closing, start the close timeout.

        When the connection has ended, the future completes, or raises a copy of close_error() if that is not None.
        """
        waiter: asyncio.Future[None] = self.loop.create_future()
        if self.lost:
            self._resolve(waiter)
            return waiter
        waiters = self._closed_waiters
        if waiters is None:
            self._closed_waiters = [waiter]
        else:
            self._closed_waiters = [other for other in waiters if not other.done()]
            self._closed_waiters.append(waiter)
        if self.transport is not None and self.transport_is_closing():
            self.bound_close()
        return waiter

    def closed_future(self) -> asyncio.Future[None]:
        """Return the future that a protocol of asyncio has as ``_closed``. It completes as those of closed_waiter() do.

        A subclass of the protocol may complete the future instead of calling connection_lost(). In this case, lose() is
        called with the exception of the future, or None. A cancelled future has no effect.
        """
        future = self._closed_future
        if future is None:
            future = self.loop.create_future()
            self.use_closed_future(future)
        return future

    def use_closed_future(self, future: asyncio.Future[None]) -> None:
        """Let ``future`` be the future of closed_future(). Some subclasses of the protocol assign one of their own."""
        self._closed_future = future
        if future.done():
            # As in asyncio, the connection goes on. A future that is completed later reports its end.
            return
        future.add_done_callback(self._closed_future_done)
        if self.lost:
            self._resolve(future)

    def _closed_future_done(self, future: asyncio.Future[None]) -> None:
        if future is self._closed_future and not future.cancelled():
            self.lose(future.exception())

    def _resolve(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done():
            return
        error = self.close_error()
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(copy_error(error))
