"""LoopDelivery: passes the bytes that a loop's own transport receives to the receiver of a protocol.

The protocol of such a transport is a LoopAdapter (``_transports/loop_adapter.py``). ``get_buffer`` and
``buffer_updated`` of an adapter are methods of this class. The transport calls them for each arrival, so they are in
the core, which can be compiled.
"""

from __future__ import annotations

from typing import Any

from .._constants import MINIMUM_RECEIVE
from . import weak_reference
from .end_of_input import received_data_lost
from .loop_writer import new_writer
from .protocol_operations import ProtocolOperations
from .protocol_receiver import ProtocolReceivers

_PACKAGE = __name__.partition(".")[0] + "."


class LoopDelivery:
    """The receiving half of a LoopAdapter, which refers to this object.

    - ``receivers``: the receivers of the protocol; None after end().
    - ``transport``: the transport, from made() to end(), else None.
    - ``stepper``: the Stepper of the loop, which runs waiting tasks at once; None in the pure core, and for a loop that
      accepts no attribute.
    - ``own_memory``: memory for the next bytes, which the transport may be using before they arrive; None if the memory
      of the receiver is used, see own_memory_of().
    - ``shared``: True if the program may use the socket as well, so that writes are not corked.
    - ``writer``: the LoopWriter of the transport; None without a stepper and before made().
    - ``interruption``: the error of a connection that was aborted because an interrupt (SystemExit, KeyboardInterrupt)
      may have lost bytes, or None. The LoopAdapter passes it to connection_lost().
    """

    __slots__ = ("interruption", "own_memory", "receivers", "shared", "stepper", "transport", "writer")

    def __init__(self, protocol: Any, scratch: Any, stepper: Any, shared: bool, own_memory: Any) -> None:
        receivers = ProtocolReceivers(protocol, getattr(protocol, "__dict__", None))
        receivers.attach(scratch, stepper)
        self.receivers: ProtocolReceivers | None = receivers
        self.stepper = stepper
        self.shared = shared
        self.own_memory = own_memory
        self.writer: Any = None
        self.transport: Any = None
        self.interruption: ConnectionAbortedError | None = None

    def made(self, protocol: Any, transport: Any) -> None:
        """Record ``transport``. Called before connection_made() of ``protocol``.

        If there is a stepper, create the LoopWriter of ``transport``. If ``protocol`` is a ProtocolOperations, its
        Connection gets the LoopWriter as ``loop_writer``.
        """
        self.transport = transport
        if self.stepper is None:
            return
        # connection_made() of a program may keep the transport.
        exposed = self.shared or not protocol.connection_made.__module__.startswith(_PACKAGE)
        self.writer = new_writer(transport, self.stepper, exposed)
        if issubclass(type(protocol), ProtocolOperations):
            connection: Any = protocol._sluiceway
            connection.loop_writer = self.writer

    def end(self) -> None:
        """Record that the connection has ended, or that the LoopAdapter has released the protocol."""
        self.receivers = None
        self.transport = None

    def get_buffer(self, sizehint: int) -> Any:
        """Return memory for the next receive.

        - ``own_memory``, if there is one.
        - Usually: memory for at most room() bytes, or the memory of the read that waits, such as a readinto().
        - If the protocol is a BufferedProtocol of the program: the memory of that protocol.
        - If another protocol has no Receiver, for example because it overrides data_received(): the whole Scratch.
        - After the end of the connection: memory whose bytes are discarded.
        """
        receivers = self.receivers
        if receivers is None:
            return memoryview(bytearray(MINIMUM_RECEIVE))
        # The usual case of ``receivers.current()``, as in buffer_updated().
        reference = receivers.stream_ref
        receiver = None if reference is None or receivers.overrides else weak_reference.target(reference)
        if receiver is None or receiver.intercepted:
            receiver = receivers.current()
        memory = self.own_memory
        return receiver.get_buffer(sizehint) if memory is None else memory.part(receiver.room())

    def buffer_updated(self, nbytes: int) -> None:
        """Pass ``nbytes`` bytes, received into the memory of the last get_buffer(), to the receiver.

        If a waiting read may be complete, wake it. With a Stepper, the task of the read may run within this call. After
        the end of the connection, discard the bytes.
        """
        receivers = self.receivers
        if receivers is None:
            return
        reference = receivers.stream_ref
        receiver = None if reference is None or receivers.overrides else weak_reference.target(reference)
        if receiver is None or receiver.intercepted:
            receiver = receivers.current()
        try:
            memory = self.own_memory
            ready = receiver.committed(nbytes) if memory is None else receiver.feed(memory.take(nbytes))
            writer = self.writer
            if not ready:
                return
            if writer is None or not writer.carries(self):
                receiver.wake()
                return
        except (SystemExit, KeyboardInterrupt) as error:
            self._end_interrupted(error)
            raise
        stepper = self.stepper
        stepper.wake(receiver)

    def _end_interrupted(self, error: BaseException) -> None:
        """Abort the connection after the interrupt ``error``, because received bytes may be lost."""
        self.interruption = received_data_lost(error)
        if self.transport is not None:
            self.transport.abort()
