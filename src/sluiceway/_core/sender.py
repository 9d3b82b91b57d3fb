"""The sender: the transport, protocol and reader of a writer, and the state that each write and drain checks."""

from __future__ import annotations

import asyncio
from typing import Any

from . import protocol_operations
from .connection_state import ConnectionState
from .protocol_operations import ProtocolOperations
from .raw_transport import RawTransport, RawTransportProvider
from .read_operations import StreamReader
from .receiver import Receiver
from .write_flow_control import WriteFlowControl


class Sender:
    """The sending side of a stream.

    Programs may replace ``transport``, ``protocol`` and ``reader``. The other attributes are derived from them:

    - ``raw``: the raw transport of ``transport``, or None.
    - ``flow``: the flow control of ``protocol``; None if the protocol overrides ``_drain_helper``.
    - ``receiver``: the receiver of ``reader``; None if the reader overrides ``exception``.
    - ``guard``: the UnclosedGuard, referenced as long as the writer or the reader exists.
    """

    __slots__ = ("connection", "flow", "guard", "loop", "protocol", "raw", "reader", "receiver", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: ConnectionState, guard: object) -> None:
        self.loop = loop
        self.connection: Any = connection
        self.guard = guard
        self.transport: Any = None
        self.protocol: Any = None
        self.reader: Any = None
        self.raw: RawTransport | None = None
        self.flow: WriteFlowControl | None = None
        self.receiver: Receiver | None = None

    def set_transport(self, transport: Any) -> None:
        """Use ``transport`` for later writes."""
        self.transport = transport
        self.raw = transport.raw if isinstance(transport, RawTransportProvider) else None  # type: ignore[attr-defined]

    def set_protocol(self, protocol: Any) -> None:
        """Use ``protocol`` for later calls of drain()."""
        self.protocol = protocol
        direct = (
            isinstance(protocol, ProtocolOperations)
            and type(protocol)._drain_helper is ProtocolOperations._drain_helper
        )
        self.flow = protocol_operations.flow_of(protocol) if direct else None

    def set_reader(self, reader: Any) -> None:
        """Use ``reader`` for later calls of drain(), which raises the error that ended the reader."""
        self.reader = reader
        self.receiver = None
        if isinstance(reader, StreamReader):
            receiver: Receiver = reader._sluiceway
            receiver.guard = self.guard
            if type(reader).exception is StreamReader.exception:
                self.receiver = receiver

    def transport_closing(self) -> bool:
        """Return True if the transport is closing. It would discard data with a log record that names no peer."""
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    def has_room(self) -> bool:
        """Return True if drain() need not wait: there is no error, and writing is not paused."""
        raw = self.raw
        if raw is None:
            return False
        raw.before_drain()
        if self.flow is None or self.flow.paused or self.flow.lost or raw.closing:
            return False
        if self.receiver is None:
            return self.reader is None
        return self.receiver.end.exception is None

    def reader_error(self) -> BaseException:
        """Return the error that drain() raises after the reader has ended with an error."""
        error: BaseException = self.reader.exception() if self.receiver is None else self.receiver.end.error()
        return error

    def budget_exhausted(self) -> bool:
        """Count a drain(). Returns True if the budget of the connection is exhausted."""
        return self.receiver is not None and self.receiver.budget.spend_drain()
