"""The implementations of ReceiveInterface, each with its protocol or reader and, over TLS, its peer.

``new_case(kind, core, tls, loop)`` makes one. Everything is in memory: a test is the transport.
"""

import asyncio
import types
import weakref
from typing import Any

from core.core_modules import core_module
from core.tls_cores import TLSEnd, connected_tls_ends
from support.certificates import Certificates

SCRATCH_SIZE = 256 * 1024
LIMIT = 64 * 1024
# Deliver to a stream without a call of the protocol, or to a protocol.
STREAM_KINDS = ("stream", "tls to stream")
PROTOCOL_KINDS = ("protocol", "protocol of a stream", "buffered protocol", "tls to protocol")
KINDS = STREAM_KINDS + PROTOCOL_KINDS


class CollectingProtocol(asyncio.Protocol):
    """Collects received data, passes it to ``reader`` if set, and raises ``error`` if set."""

    def __init__(self, reader: Any = None) -> None:
        self.received = b""
        self.reader = reader
        self.error: BaseException | None = None

    def data_received(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.received += data
        if self.reader is not None:
            self.reader.feed_data(data)


class ResizingProtocol(asyncio.BufferedProtocol):
    """Returns a bytearray of ``size`` bytes in get_buffer(), resizes it in buffer_updated(), raises the errors set."""

    def __init__(self, size: int = 64) -> None:
        self.received = b""
        self.size = size
        self.buffer = bytearray(size)
        self.hints: list[int] = []
        self.resizes_in_get_buffer = False
        self.get_error: BaseException | None = None
        self.updated_error: BaseException | None = None

    def get_buffer(self, sizehint: int) -> bytearray:
        if self.get_error is not None:
            raise self.get_error
        self.hints.append(sizehint)
        if self.resizes_in_get_buffer or len(self.buffer) != self.size:
            self.resize()
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        received = bytes(self.buffer[:nbytes])
        self.resize()
        if self.updated_error is not None:
            raise self.updated_error
        self.received += received

    def resize(self) -> None:
        """Resize the buffer; BufferError while it is exported."""
        self.buffer.clear()
        self.buffer.extend(bytes(self.size))


class Case:
    """``receiver`` is tested. ``protocol`` or ``reader`` gets its data. ``peer`` is the sending side over TLS."""

    def __init__(self, receiver: Any, reader: Any = None, protocol: Any = None, peer: TLSEnd | None = None) -> None:
        self.receiver = receiver
        self.reader = reader
        self.protocol = protocol
        self.peer = peer

    def encode(self, data: bytes) -> bytes:
        """Return the bytes that a transport receives for ``data``: over TLS, its records."""
        if self.peer is None:
            return data
        self.peer.sender.write(data)
        sent, self.peer.sent = self.peer.sent, b""
        return sent

    def received(self) -> bytes:
        """Return all received and unread data."""
        if self.protocol is not None:
            received: bytes = self.protocol.received
            return received
        return read_now(self.reader, self.reader._sluiceway.buffer.size())


def read_now(reader: Any, n: int) -> bytes:
    """Return ``n`` buffered bytes of a reader without a loop; they stay readable."""
    buffer = reader._sluiceway.buffer
    data: bytes = buffer.take(n)
    rest = buffer.take_all()
    for piece in (data, rest):
        if piece:
            buffer.append(piece)
    return data


def put(memory: Any, data: bytes) -> int:
    """Write to the memory returned by get_buffer(), as recv_into() does; return the number of bytes."""
    with memoryview(memory) as view:
        view[: len(data)] = data
    return len(data)


def transfer(case: Case, wire: bytes, step: int) -> bool:
    """Receive ``wire`` in parts of at most ``step`` bytes, as a transport does. True if a read was completed."""
    ready = False
    while wire:
        memory = case.receiver.get_buffer(-1)
        size = put(memory, wire[: min(step, len(memory))])
        wire = wire[size:]
        if case.receiver.committed(size):
            ready = True
            case.receiver.wake()
    return ready


def stream_protocol(core: types.ModuleType, receiver: Any) -> Any:
    """Return a protocol whose bytes go to ``receiver`` without a call."""
    owner = core.ReceiverReference()
    owner.receiver_ref = None if receiver is None else weakref.ref(receiver)
    return core.ReceiverProvider(owner)


def new_case(kind: str, core: types.ModuleType, tls: Certificates | None, loop: Any, limit: int = LIMIT) -> Case:
    module = core_module(core, "protocol_receiver")
    reader = core.ReadOperations(limit, loop, kind == "protocol of a stream")
    if kind == "stream":
        case = Case(reader._sluiceway, reader)
    elif kind == "protocol":
        protocol = CollectingProtocol()
        case = Case(module.ProtocolReceiver(protocol, None), protocol=protocol)
    elif kind == "protocol of a stream":
        protocol = CollectingProtocol(reader)
        case = Case(module.ProtocolReceiver(protocol, weakref.ref(reader._sluiceway)), reader, protocol)
    elif kind == "buffered protocol":
        buffered = ResizingProtocol()
        case = Case(module.BufferedProtocolReceiver(buffered), protocol=buffered)
    else:
        assert tls is not None
        client, server = connected_tls_ends(core, tls)
        if kind == "tls to stream":
            client.receiver.set_protocol(stream_protocol(core, reader._sluiceway))
            case = Case(client.receiver, reader, peer=server)
        else:
            protocol = CollectingProtocol()
            client.receiver.set_protocol(protocol)
            case = Case(client.receiver, protocol=protocol, peer=server)
        # Session tickets of TLS 1.3.
        client.receive_from(server)
    case.receiver.attach(core.Scratch(SCRATCH_SIZE), None)
    return case
