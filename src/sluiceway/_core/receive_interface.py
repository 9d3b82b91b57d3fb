"""ReceiveInterface: how received bytes get from a transport to a reader.

A transport finds the receiver of its protocol with a ProtocolReceivers object (``protocol_receiver.py``). Where bytes
must go through the methods of the protocol, the ProtocolReceivers object creates a receiver that calls these methods.
"""

from __future__ import annotations

from typing import Any

from .._constants import SCRATCH_SIZE


class ReceiveInterface:
    """Accepts the received bytes of one connection. For each receive, a transport calls::

        memory = receiver.get_buffer(-1)
        n = sock.recv_into(memory)
        if receiver.committed(n):
            receiver.wake()

    A source that creates bytes objects calls ``feed(data)`` instead of ``get_buffer()`` and ``committed()``. The
    receiver decides where the bytes are stored.

    At end of file and at the loss of the connection, the transport calls eof_received() and connection_lost() of the
    protocol, because programs override these two methods. The methods of the package's own protocols call ``eof()``
    and ``lost(error)`` of the receiver.
    """

    __slots__ = ("__weakref__", "intercepted")

    intercepted: bool
    """True if the program has replaced feed_data(), readuntil() or _wait_for_data() of the reader.

    Received bytes must then go through the methods of the protocol."""

    def attach(self, scratch: Any, waiters: Any) -> object:
        """Called by a transport before it receives the first bytes.

        Args:
            scratch: a Scratch, memory of the transport for the bytes of one receive.
            waiters: an object whose ``new_waiter()`` returns the Waiter for all reads of a reader; None to use futures
                of the loop.
        """
        raise NotImplementedError

    def get_buffer(self, hint: int) -> Any:
        """Return memory for the next bytes: a Memory in the compiled core, a memoryview in the pure core.

        ``hint``: the number of bytes that the source has, or -1 if that is unknown. The memory may be smaller or
        larger, as in asyncio.BufferedProtocol. If nothing is received, ``committed()`` need not be called before the
        next ``get_buffer()``.
        """
        raise NotImplementedError

    def room(self) -> int:
        """Return how many bytes may be received next, for a transport that receives into memory of its own."""
        return SCRATCH_SIZE

    def direct_buffer(self, size: int) -> Any:
        """Return memory for at least ``size`` bytes that the waiting read returns without a copy, or None.

        None, as in this class, means that there is no such memory: the source then uses ``get_buffer()`` or ``feed()``.
        The memory is in the result of a large readexactly(), or in the program's buffer for readinto(). When it has
        received, the source calls ``committed()``, as after ``get_buffer()``, and creates no bytes object.
        """
        return None

    def committed(self, n: int) -> bool:
        """Record that ``n`` bytes were received into the memory of the last get_buffer() or direct_buffer().

        Return True if a read waits and may be complete; the transport then calls ``wake()``. A waiting readline() or
        readuntil() searches the new bytes when its task runs, and waits again if they contain no separator.
        """
        raise NotImplementedError

    def feed(self, data: bytes) -> bool:
        """Store received bytes. Return True if a read waits and may be complete, as committed() does."""
        raise NotImplementedError

    def wake(self) -> object:
        """Wake the waiting read, if any. Do nothing in a class that has no reads, such as this one.

        With the compiled core, the task of the read may run within the call. So the state of the caller must be
        consistent before the call.
        """
        return None

    def eof(self) -> object:
        """Record end of file, and complete the waiting read, if any. The caller does not call ``wake()``.

        Only the result of TLSReceiver.eof() has a meaning.
        """
        raise NotImplementedError

    def lost(self, error: BaseException | None) -> object:
        """Record the end of the connection. If ``error`` is not None, reads raise it after the buffered bytes.

        Reads do not raise ``error`` if eof() was called before: the input is complete. None does not end the input of
        a Receiver: the caller must also call eof(), or reads wait without end.
        """
        raise NotImplementedError


class ReceiverReference:
    """Refers to the receiver of a protocol, which is a ReceiverProvider.

    ``receiver_ref``: a weak reference to the receiver of the protocol; None if received bytes must go through the
    methods of the protocol.
    """

    __slots__ = ("receiver_ref",)

    def __init__(self) -> None:
        self.receiver_ref: Any = None


class ReceiverProvider:
    """The base class of protocols that may have a receiver, to which the transport passes received bytes.

    The argument ``owner`` is the ReceiverReference of the protocol, which ``_sluiceway`` then refers to.
    """

    __slots__ = ("_sluiceway",)

    def __init__(self, owner: ReceiverReference) -> None:
        self._sluiceway = owner

    def _sluiceway_finish_lost(self, error: Exception | None) -> None:
        """Do what is left of ``connection_lost(error)``, which has raised, perhaps because of a signal handler.

        Do nothing here; StreamReaderProtocol and the other protocols of the package override the method.
        A transport calls this method several times in the next iteration of the loop, because a signal handler may
        raise again. The method does not call what a derived class of the program adds to connection_lost().
        """
