"""The receive interface: how received bytes get from a transport to a reader.

A transport obtains the receiver of its protocol only through these classes.
"""

from __future__ import annotations

from typing import Any


class ReceiveInterface:
    """Accepts the received bytes of one connection. For each receive, a transport calls::

        memory = receiver.get_buffer(-1)
        n = sock.recv_into(memory)
        if receiver.committed(n):
            receiver.wake()

    A source that creates bytes objects calls ``feed(data)`` instead of ``get_buffer`` and ``committed``. The receiver
    decides where the bytes are stored. The transport reports end of file and the loss of the connection to the
    protocol, whose methods programs override. A protocol with a receiver forwards both as ``eof()`` and
    ``lost(error)``.
    """

    __slots__ = ("__weakref__", "intercepted")

    intercepted: bool
    """True if the program has replaced a method that processes the bytes. They then go through the protocol."""

    def attach(self, scratch: Any, waiters: Any) -> object:
        """Called by a transport before its first bytes.

        Args:
            scratch: a Scratch, the memory of the transport that holds the bytes of one receive.
            waiters: an object whose ``new_waiter()`` returns the waiter of a read; None to use futures of the loop.
        """
        raise NotImplementedError

    def get_buffer(self, hint: int) -> Any:
        """Return memory for the next bytes: a Memory in the compiled core, a memoryview in the pure core.

        ``hint``: the number of bytes that the source has, or -1. It is a suggestion, as in asyncio.BufferedProtocol.
        The method may be called again without ``committed``.
        """
        raise NotImplementedError

    def direct_buffer(self, size: int) -> Any:
        """Return memory for ``size`` bytes inside the result of a large waiting read, or None.

        It saves a copy for a source that would otherwise create a bytes object. ``committed`` follows, as after
        ``get_buffer``.
        """
        return None

    def committed(self, n: int) -> bool:
        """Record that ``n`` bytes were received into the memory that was returned last.

        Returns True if a waiting read may complete. A waiting readline() or readuntil() searches the new bytes when it
        runs, and waits again if it finds no separator.
        """
        raise NotImplementedError

    def feed(self, data: bytes) -> bool:
        """Store received bytes. Returns True if a waiting read may complete."""
        raise NotImplementedError

    def wake(self) -> object:
        """Complete the waiting read.

        The transport calls this method when its own state is consistent and no task runs, because the engine runs the
        waiting task within the call.
        """
        return None

    def eof(self) -> object:
        """Record end of file."""
        raise NotImplementedError

    def lost(self, error: BaseException | None) -> object:
        """Record the loss of the connection. Reads raise ``error``, if any, after the buffered data has been read."""
        raise NotImplementedError


class ReceiverReference:
    """``receiver_ref``: a weak reference to a receiver, or None if the bytes must go through the protocol's methods."""

    __slots__ = ("receiver_ref",)

    def __init__(self) -> None:
        self.receiver_ref: Any = None


class ReceiverProvider:
    """A protocol with a receiver. Its transport passes received bytes to the receiver, without calling the protocol."""

    __slots__ = ("_sluiceway",)

    def __init__(self, owner: ReceiverReference) -> None:
        self._sluiceway = owner
