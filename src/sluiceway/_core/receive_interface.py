"""The receive interface: how the bytes that a transport receives reach a reader.

A transport finds the receiver of its protocol through these classes and nothing else.
"""

from __future__ import annotations

from typing import Any


class ReceiveInterface:
    """Takes the bytes of one connection. A transport calls, for each arrival::

        memory = receiver.get_buffer(-1)
        n = sock.recv_into(memory)
        if receiver.committed(n):
            receiver.wake()

    ``feed(data)`` replaces ``get_buffer`` and ``committed`` for a source that makes bytes objects itself. Where bytes
    are stored is the receiver's decision. The events of a connection go to its protocol, whose methods programs
    override; a protocol that names a receiver passes them on as ``eof()`` and ``lost(error)``.
    """

    __slots__ = ("__weakref__", "intercepted")

    intercepted: bool
    """True where the program replaced a method that sees the bytes: they go to its protocol instead."""

    def attach(self, scratch: Any, waiters: Any) -> object:
        """A transport begins to deliver.

        Args:
            scratch: a Scratch, the memory that the transport lends for one arrival.
            waiters: an object whose ``new_waiter()`` makes what a read waits on; None for a future of the loop.
        """
        raise NotImplementedError

    def get_buffer(self, hint: int) -> Any:
        """The memory for the next bytes.

        ``hint``: how many the source has, or -1; a suggestion, as in asyncio.BufferedProtocol. The compiled core
        returns a Memory (pointer and length, and the buffer protocol), the pure core a memoryview. May be repeated
        without ``committed``.
        """
        raise NotImplementedError

    def direct_buffer(self, size: int) -> Any:
        """Memory for ``size`` bytes inside the result of a large read that waits, or None.

        For a source that would have to allocate the bytes otherwise. ``committed`` follows, as after ``get_buffer``.
        """
        return None

    def committed(self, n: int) -> bool:
        """The first ``n`` bytes of that memory were received.

        True if a waiting read can complete. A read of a record then looks for its end, and waits again where there is
        none.
        """
        raise NotImplementedError

    def feed(self, data: bytes) -> bool:
        """``data`` was received. True if a waiting read can complete."""
        raise NotImplementedError

    def wake(self) -> object:
        """Complete the waiting read. The transport calls this when its own state is complete and no task runs."""
        return None

    def eof(self) -> object:
        """The peer sends no more."""
        raise NotImplementedError

    def lost(self, error: BaseException | None) -> object:
        """The connection is gone. ``error``, if there is one, is reported after the bytes that arrived before it."""
        raise NotImplementedError


class ReceiverReference:
    """``receiver_ref``: a weak reference to a receiver, or None where the protocol's own methods must see the bytes."""

    __slots__ = ("receiver_ref",)

    def __init__(self) -> None:
        self.receiver_ref: Any = None


class ReceiverProvider:
    """A protocol that names a receiver, which its transport feeds without a call of the protocol."""

    __slots__ = ("_sluiceway",)

    def __init__(self, owner: ReceiverReference) -> None:
        self._sluiceway = owner
