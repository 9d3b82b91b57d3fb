"""ConnectionRecord: what a Stream records of its connection, such as its CloseInfo."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol

from .._implementation import core
from .._transports.tls.transport import TLSTransport
from .close_info import CloseInfo, CloseReason
from .close_timeout import pending_bytes
from .idle_timeout import IdleTimeout

if TYPE_CHECKING:
    from .._core import TimeLimit, WriteFlowControl
    from .linger import Linger
else:
    TimeLimit = core.TimeLimit


class RecordedConnection(Protocol):
    """The attributes and the method of a Connection that a ConnectionRecord uses."""

    error: BaseException | None
    flow: WriteFlowControl
    loop: Any
    transport: Any

    def abort_because(self, reason: CloseReason) -> None:
        """Abort the connection, and record why."""


class AbortLimit:
    """Aborts ``connection`` for ``reason`` when ``seconds`` have passed since the creation of this object.

    The caller has checked ``seconds``.

    The creator must keep a reference: a freed AbortLimit aborts nothing, because the timer refers to it weakly. The
    connection's record refers to this object, and this object refers weakly to the connection: a strong reference would
    close a reference cycle, which nothing breaks if the connection does not notice its end, because the program has set
    another protocol.

    ``limit``: the TimeLimit. Its stop() ends the limit.
    """

    __slots__ = ("__weakref__", "_connection_ref", "_reason", "limit")

    def __init__(self, connection: RecordedConnection, seconds: float, reason: CloseReason) -> None:
        self._connection_ref = weakref.ref(connection)
        self._reason = reason
        self.limit = TimeLimit(core.timer_of(connection.loop), self)
        self.limit.start(seconds, reason)

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        connection = self._connection_ref()
        if connection is not None:
            connection.abort_because(self._reason)
        return True


class ConnectionRecord:
    """The record of one connection.

    - ``info``: the CloseInfo; None while the connection is open.
    - ``error``: the error for which the connection was aborted, which its reads and sends raise; or None.
    - ``eof_sent``: True after ``send_eof()``.
    - ``linger_ref``: a weak reference to the Linger of a lingering close, or None.
    - ``flushes``: the number of calls of flush() that wait. ``marks``: the low-water and high-water mark of the
      program, which flush() has replaced and restores when no call waits any more.
    - ``send_lock``: what sendfile() and start_tls() hold while they run, so that nothing else is sent between two
      pieces of the file, or unencrypted during the handshake. None while nothing holds it or waits for it.
    - ``idle_timeout``: the IdleTimeout, or None.
    - ``upgrade``: the TLSTransport of a start_tls() during its handshake, else None.
    - ``upgrades``: the number of calls of start_tls() that run or wait for ``send_lock``.
    - ``created_at``, ``ended_at``: when the record was created and the connection ended, by ``time.monotonic()``;
      ``ended_at`` is None while the connection is open.
    """

    __slots__ = (
        "_limits",
        "_pending",
        "_reason",
        "_send_lock_users",
        "created_at",
        "ended_at",
        "eof_sent",
        "error",
        "flushes",
        "idle_timeout",
        "info",
        "linger_ref",
        "marks",
        "send_lock",
        "upgrade",
        "upgrades",
    )

    def __init__(self) -> None:
        self.info: CloseInfo | None = None
        self.created_at = time.monotonic()
        self.ended_at: float | None = None
        self.error: Exception | None = None
        self.idle_timeout: IdleTimeout | None = None
        self.upgrade: TLSTransport | None = None
        self.upgrades = 0
        self.eof_sent = False
        self.linger_ref: weakref.ref[Linger] | None = None
        self.send_lock: asyncio.Lock | None = None
        self._send_lock_users = 0
        self.flushes = 0
        self.marks = (0, 0)
        self._reason: CloseReason | None = None
        # Bytes that were unsent when the program closed or the connection was aborted.
        self._pending = 0
        # The record alone refers to them.
        self._limits: list[AbortLimit] = []

    @contextlib.asynccontextmanager
    async def sending_alone(self) -> AsyncIterator[None]:
        """Return a context manager. While its block runs, the blocks of other calls wait, in the order of the calls."""
        lock = self.send_lock = self.send_lock or asyncio.Lock()
        self._send_lock_users += 1
        try:
            async with lock:
                yield
        finally:
            self._send_lock_users -= 1
            if not self._send_lock_users:
                self.send_lock = None

    async def wait_to_send(self) -> None:
        """Wait until no sendfile() or start_tls() is running. Calls that wait continue in the order of the calls.

        The caller must send before its next wait: during that wait, another sendfile() or start_tls() may start.
        """
        async with self.sending_alone():
            pass

    def watch_abort(self, transport: Any) -> None:
        """Replace abort() of a transport of asyncio: the new function first records how many bytes are unsent.

        The transport itself does not report the number. For a transport of another package, do nothing.
        """
        if not type(transport).__module__.startswith("asyncio."):
            return
        abort = transport.abort

        def record_and_abort() -> None:
            if pending_bytes(transport):
                self.aborting(transport, "aborted")
            abort()

        transport.abort = record_and_abort

    def unwatch_abort(self, transport: Any) -> None:
        """Undo watch_abort(). This breaks the reference cycle between the transport and the new abort()."""
        getattr(transport, "__dict__", {}).pop("abort", None)

    def closing(self, transport: Any) -> None:
        """Record how much is unsent when the close begins."""
        self._pending = pending_bytes(transport)

    def aborting(self, transport: Any, reason: CloseReason) -> None:
        """Record why the connection is aborted, and how much is unsent. Only the first call has an effect."""
        if self._reason is None:
            self._reason = reason
            self._pending = pending_bytes(transport)

    def lingers(self, transport: Any) -> bool:
        """Return True while a Linger will close ``transport``: unless the program has set another protocol."""
        return (
            self.linger_ref is not None and not transport.is_closing() and transport.get_protocol() is self.linger_ref()
        )

    def is_aborting(self) -> bool:
        """Return True if aborting() was called."""
        return self._reason is not None

    def abort_after(self, connection: RecordedConnection, seconds: float) -> None:
        """Abort the connection if it has not ended after ``seconds``, which the caller has checked."""
        self._limits.append(AbortLimit(connection, seconds, "timeout"))

    def ended(self, connection: RecordedConnection) -> CloseInfo:
        """Record the end of the connection. Only the first call has an effect. Return the CloseInfo."""
        if self.info is not None:
            return self.info
        self.ended_at = time.monotonic()
        for one in self._limits:
            one.limit.stop()
        self._limits = []
        if self.idle_timeout is not None:
            self.idle_timeout.stop()
        # With an error of this record, this side has aborted the connection: nothing was lost.
        transport, error = connection.transport, connection.error if self.error is None else None
        self.unwatch_abort(transport)
        # The engine's transports, sluiceway's TLS and its pipes count what they discard.
        discarded_size = getattr(transport, "discarded_size", None)
        unsent = discarded_size() if discarded_size is not None else -1
        # Nothing reports what a reset of a loop's own transport has discarded, with sluiceway's TLS above it or not.
        known = unsent >= 0 or self._reason is not None or error is None
        if unsent < 0:
            # uvloop's transport keeps the number after abort(). For asyncio's, watch_abort() has recorded it.
            unsent = self._pending if self._reason is not None or error is not None else pending_bytes(transport)
        # A transport of the loop drops its data in abort() without a report, but leaves the writing side paused.
        paused = connection.flow.paused and discarded_size is None
        discarded = unsent > 0 or paused
        reason = self._reason
        if reason is None:
            aborted = discarded or self.error is not None
            reason = "reset" if error is not None else "aborted" if aborted else "closed"
        notified = transport.close_notify_received() if isinstance(transport, TLSTransport) else None
        self.info = CloseInfo(known and not discarded, unsent, notified, reason)
        return self.info
