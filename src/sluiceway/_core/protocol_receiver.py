"""Receivers that pass every received byte to the methods of a protocol, and the choice between receivers.

An exception of such a method propagates to the caller of the receiver.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .._constants import SCRATCH_SIZE
from . import receive_memory, weak_reference
from .receive_interface import ReceiveInterface, ReceiverProvider
from .receiver import Receiver


def receiver_for(protocol: Any, stream_ref: Any) -> ReceiveInterface:
    """Return the receiver that passes bytes to ``protocol``, which may be a BufferedProtocol.

    ``stream_ref``: a weak reference to the Receiver of the stream that the protocol feeds, or None.
    """
    if isinstance(protocol, asyncio.BufferedProtocol):
        return BufferedProtocolReceiver(protocol)
    return ProtocolReceiver(protocol, stream_ref)


class ProtocolReceiver(ReceiveInterface):
    """Calls data_received() of a protocol.

    A receive accepts at most as many bytes as the protocol's stream has room for. Without a stream, it accepts as many
    as fit in the Scratch.
    """

    __slots__ = ("_protocol", "_scratch", "_stream_ref")

    def __init__(self, protocol: Any, stream_ref: Any) -> None:
        self.intercepted = False
        self._protocol = protocol
        self._stream_ref = stream_ref
        self._scratch: Any = None

    def attach(self, scratch: Any, waiters: Any) -> None:
        self._scratch = scratch

    def get_buffer(self, hint: int) -> Any:
        return self._scratch.part(self.room())

    def room(self) -> int:
        receiver: Receiver | None = None if self._stream_ref is None else weak_reference.target(self._stream_ref)
        return SCRATCH_SIZE if receiver is None else receiver.room()

    def committed(self, n: int) -> bool:
        self._protocol.data_received(self._scratch.take(n))
        return False

    def feed(self, data: bytes) -> bool:
        self._protocol.data_received(data)
        return False


class BufferedProtocolReceiver(ReceiveInterface):
    """Calls get_buffer() and buffer_updated() of an asyncio.BufferedProtocol."""

    __slots__ = ("_borrowed", "_protocol")

    def __init__(self, protocol: Any) -> None:
        self.intercepted = False
        self._protocol = protocol
        self._borrowed: Any = None

    def attach(self, scratch: Any, waiters: Any) -> None:
        pass

    def get_buffer(self, hint: int) -> Any:
        # In a repeated call, the previous buffer must be released so that the protocol can resize it.
        self._return_buffer()
        self._borrowed = receive_memory.borrow(self._protocol.get_buffer(hint))
        if not len(self._borrowed):
            self._return_buffer()
            raise RuntimeError("get_buffer() returned an empty buffer")
        return self._borrowed

    def committed(self, n: int) -> bool:
        # Python lets the protocol resize its buffer only after this memoryview is released.
        self._return_buffer()
        self._protocol.buffer_updated(n)
        return False

    def _return_buffer(self) -> None:
        borrowed = self._borrowed
        self._borrowed = None
        if borrowed is not None:
            receive_memory.release(borrowed)

    def feed(self, data: bytes) -> bool:
        while data:
            view = memoryview(self.get_buffer(len(data)))
            size = min(len(view), len(data))
            view[:size] = data[:size]
            view.release()
            self.committed(size)
            data = data[size:]
        return False


class ProtocolReceivers:
    """The two receivers of a protocol: the Receiver of its stream, and a receiver that calls the protocol's methods.

    The second is used if the protocol has no stream, or if the program has dropped the stream, or may have replaced a
    method of the protocol or of the stream. current() makes the choice.

    - ``overrides``: the ``__dict__`` of the protocol. If this dict is not empty, a method of the instance may have been
      replaced. None if the protocol has no such dict, and on the engine and over TLS, which ignore it.
    - ``stream_ref``: a weak reference to the Receiver of the stream, or None. It is weak so that the receiver is freed
      with the reader.
    """

    __slots__ = ("_called", "_intercepted", "_protocol", "_scratch", "_waiters", "overrides", "stream_ref")

    def __init__(self, protocol: Any, overrides: Any = None) -> None:
        self.overrides = overrides
        self._protocol = protocol
        # Not isinstance(): it is true for a mock with a spec.
        ours = issubclass(type(protocol), ReceiverProvider)
        self.stream_ref: Any = protocol._sluiceway.receiver_ref if ours else None
        self._called: ReceiveInterface | None = None
        # The receiver of the stream was found to be intercepted, which never ends.
        self._intercepted = False
        self._scratch: Any = None
        self._waiters: Any = None

    def attach(self, scratch: Any, waiters: Any) -> None:
        """See ReceiveInterface.attach."""
        self._scratch = scratch
        self._waiters = waiters
        stream = self.stream()
        if stream is not None:
            stream.attach(scratch, waiters)

    def stream(self) -> ReceiveInterface | None:
        """Return the Receiver of the protocol's stream, even if current() is another.

        None if the protocol has no stream, or its class overrides data_received(), or the program has dropped the
        reader.
        """
        if self.stream_ref is None:
            return None
        stream: ReceiveInterface | None = weak_reference.target(self.stream_ref)
        return stream

    def current(self) -> ReceiveInterface:
        """Return the receiver that must get the next bytes."""
        if not self._intercepted and self.stream_ref is not None and not self.overrides:
            stream: ReceiveInterface | None = weak_reference.target(self.stream_ref)
            if stream is not None:
                if not stream.intercepted:
                    return stream
                self._intercepted = True
        called = self._called
        if called is None:
            called = self._called = receiver_for(self._protocol, self.stream_ref)
            called.attach(self._scratch, self._waiters)
        return called
