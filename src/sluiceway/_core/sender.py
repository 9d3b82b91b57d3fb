"""The sending half of a stream: what a writer writes to, and what it looks at before each write and drain."""

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
    """``transport``, ``protocol`` and ``reader`` are what programs may replace; the rest follows from them.

    ``raw``: the raw transport inside ``transport``, or None. ``flow``: the flow control of ``protocol``, None where
    its ``_drain_helper`` is overridden. ``receiver``: that of ``reader``, None where its ``exception`` is overridden.
    ``guard`` is kept for as long as the writer is, or the reader.
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
        """Write to ``transport`` from now on."""
        self.transport = transport
        self.raw = transport.raw if isinstance(transport, RawTransportProvider) else None  # type: ignore[attr-defined]

    def set_protocol(self, protocol: Any) -> None:
        """Wait for room on ``protocol`` from now on."""
        self.protocol = protocol
        direct = (
            isinstance(protocol, ProtocolOperations)
            and type(protocol)._drain_helper is ProtocolOperations._drain_helper
        )
        self.flow = protocol_operations.flow_of(protocol) if direct else None

    def set_reader(self, reader: Any) -> None:
        """Raise in drain what ``reader`` ended with, from now on."""
        self.reader = reader
        self.receiver = None
        if isinstance(reader, StreamReader):
            receiver: Receiver = reader._sluiceway
            receiver.guard = self.guard
            if type(reader).exception is StreamReader.exception:
                self.receiver = receiver

    def transport_closing(self) -> bool:
        """Whether the transport is closing. It would discard what is written, with a log line that names no peer."""
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    def has_room(self) -> bool:
        """Whether drain may return at once: there is no error, and the transport takes more."""
        raw = self.raw
        if raw is None:
            return False
        raw.before_drain()
        if self.flow is None or self.flow.paused or self.flow.lost or raw.closing:
            return False
        if self.receiver is None:
            return self.reader is None
        return self.receiver.end.exception is None

    def budget_exhausted(self) -> bool:
        """Count a drain against the budget of the connection."""
        return self.receiver is not None and self.receiver.budget.spend_drain()
