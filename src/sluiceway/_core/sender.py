"""Sender: the transport, protocol and reader of a writer, and what each write() and drain() checks."""

from __future__ import annotations

import asyncio
from typing import Any

from .._constants import FREE_OPERATIONS
from . import protocol_operations
from .connection_state import ConnectionState
from .protocol_operations import ProtocolOperations
from .raw_transport import RawTransport, RawTransportProvider
from .read_operations import StreamReader
from .receiver import Receiver
from .write_flow_control import WriteFlowControl

# A C integer in the compiled build: twice as many drains as reads may complete.
_FREE_DRAINS = 2 * FREE_OPERATIONS


class Sender:
    """The sending side of a stream, and all state of a StreamWriter.

    Programs may replace ``transport``, ``protocol`` and ``reader``. ``raw``, ``flow`` and ``receiver`` are derived from
    them, so that a write() or drain() needs no Python call in the usual case.

    - ``raw``: the RawTransport of ``transport``; None for a pipe transport, a transport of the program, and a loop's
      own without a LoopWriter.
    - ``over_loop``: True if ``transport`` is no RawTransportProvider. Such a transport does not set ``closing`` of
      ``raw`` when it starts to close, so its is_closing() is called.
    - ``flow``: the WriteFlowControl of ``protocol``; None if the protocol is not sluiceway's, or its class overrides
      ``_drain_helper()``.
    - ``receiver``: the Receiver of ``reader``; None if the reader is not sluiceway's, or its class overrides
      ``exception()``.
    - ``connection``: the Connection, with the state of both directions.
    - ``written``: the number of bytes that were passed to the transport, or that the kernel has copied for sendfile()
      of a Stream. ``writes``: the number of calls that passed bytes to the transport.
    - ``budget_used``: the number of calls of drain() since the last yield to the loop, if ``receiver`` is None.
    - ``eof_written``: True after write_eof().
    - ``guard``: the UnclosedGuard of the connection. Only this object and the reader's Receiver refer to it. None if a
      class of the program assigns private attributes of the writer instead of a call of ``__init__``.
    """

    __slots__ = (
        "budget_used",
        "connection",
        "eof_written",
        "flow",
        "guard",
        "loop",
        "over_loop",
        "protocol",
        "raw",
        "reader",
        "receiver",
        "transport",
        "writes",
        "written",
    )

    def __init__(
        self,
        transport: Any,
        protocol: Any,
        reader: Any,
        loop: asyncio.AbstractEventLoop,
        connection: ConnectionState,
        guard: object,
    ) -> None:
        self.loop = loop
        self.connection: Any = connection
        self.guard = guard
        self.written = self.writes = self.budget_used = 0
        self.eof_written = False
        self.set_transport(transport)
        self.set_protocol(protocol)
        self.set_reader(reader)

    def set_transport(self, transport: Any) -> None:
        """Use ``transport`` for later writes."""
        self.transport: Any = transport
        self.raw: RawTransport | None = None
        self.over_loop = not isinstance(transport, RawTransportProvider)
        if not self.over_loop:
            self.raw = transport.raw
            return
        writer = self.connection.loop_writer
        if writer is not None and writer.transport is transport:
            self.raw = writer

    def set_protocol(self, protocol: Any) -> None:
        """Let later calls of drain() wait while ``protocol`` is paused."""
        self.protocol: Any = protocol
        direct = (
            issubclass(type(protocol), ProtocolOperations)
            and type(protocol)._drain_helper is ProtocolOperations._drain_helper
        )
        self.flow: WriteFlowControl | None = protocol_operations.flow_of(protocol) if direct else None

    def set_reader(self, reader: Any) -> None:
        """Let later calls of drain() raise the exception of ``reader``, if any."""
        self.reader: Any = reader
        self.receiver: Receiver | None = None
        # Not isinstance(): it is true for a mock with a spec, which has no Receiver.
        if issubclass(type(reader), StreamReader):
            receiver: Receiver = reader._sluiceway
            if self.guard is not None:
                receiver.guard = self.guard
                receiver.connection = self.connection
            if type(reader).exception is StreamReader.exception:
                self.receiver = receiver

    def transport_closing(self) -> bool:
        """Return True if the transport is closing; False if it has no is_closing()."""
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    def can_send(self) -> bool:
        """Return False if write() would discard its data."""
        if self.connection.discarding:
            return False
        raw = self.raw
        # A loop's own transport does not report when it starts to close.
        return not (self.transport_closing() if self.over_loop or raw is None else raw.closing)

    def has_room(self) -> bool:
        """Count a drain(). Send data that was corked too long. Return True if drain() can return at once.

        Return False if the budget is exhausted, the transport is closing, writing is paused, the connection has ended,
        the reader has an exception, or drain() must call exception() of the reader or _drain_helper() of the protocol.
        """
        receiver = self.receiver
        if receiver is not None:
            receiver.budget_used += 1
            if receiver.budget_used > _FREE_DRAINS:
                return False
        else:
            self.budget_used += 1
            if self.budget_used > _FREE_DRAINS:
                return False
        raw = self.raw
        if raw is not None:
            raw.before_drain()
        flow = self.flow
        if flow is None or flow.paused or flow.lost:
            return False
        if receiver is None:
            if self.reader is not None:
                return False
        elif receiver.exception is not None:
            return False
        return not (raw.closing if raw is not None else self.transport.is_closing())

    def reader_error(self) -> BaseException:
        """Return the error that drain() raises because the reader has an exception.

        The error is end_error() of ``receiver``; without a ``receiver``, what exception() of ``reader`` returns. The
        caller has found that exception() of ``reader`` is not None.
        """
        error: BaseException = self.reader.exception() if self.receiver is None else self.receiver.end_error()
        return error

    def budget_exhausted(self) -> bool:
        """Return True, and renew the budget, if drain() must yield to the event loop. Called after has_room(), which
        counts the drain().
        """
        receiver = self.receiver
        if receiver is not None:
            return receiver.renew_for_drain()
        if self.budget_used <= _FREE_DRAINS:
            return False
        self.budget_used = 0
        return True

    async def yield_to_loop(self) -> None:
        """Let the event loop run one iteration. Called if budget_exhausted() has returned True."""
        connection = self.connection
        connection.yields += 1
        try:
            await asyncio.sleep(0)
        finally:
            connection.yields -= 1
