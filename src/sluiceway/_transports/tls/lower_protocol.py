"""LowerProtocol: the protocol of the lower transport, which carries the TLS records."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from ..._implementation import core
from ..loop_adapter import LoopAdapter, own_memory_of, scratch_of
from ..protocol_calls import finish_lost_soon

if TYPE_CHECKING:
    from ..._core import ReceiverProvider, TLSReceiver
else:
    ReceiverProvider = core.ReceiverProvider


class LowerEvents(Protocol):
    """The methods of a TLS transport that LowerProtocol calls at events of the lower transport, and one attribute.

    At the end of the lower transport, usually the TLSReceiver calls lower_lost(). In two cases LowerProtocol calls it,
    in the next iteration of the loop: if the coroutine that waits for the handshake must continue first, and if a
    signal handler has stopped the call that the TLSReceiver made.
    """

    @property
    def lower(self) -> Any:
        """The lower transport; None before it is connected."""

    def lower_made(self, lower: Any) -> None:
        """Called when the lower transport is connected."""

    def failed(self, error: BaseException) -> None:
        """Called when lower_made() has raised ``error``."""

    def lower_lost(self, error: BaseException | None) -> None:
        """Called when the lower transport has ended; called again if a signal handler has stopped the first call."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of the TLS transport."""

    def wakes_after_handshake(self) -> bool:
        """See TLSTransport.wakes_after_handshake()."""

    def lower_paused(self) -> None:
        """Called when the lower transport pauses writing."""

    def lower_resumed(self) -> None:
        """Called when the lower transport resumes writing."""


class LowerProtocol(ReceiverProvider, asyncio.BufferedProtocol):
    """Passes events of the lower transport to ``events``, a TLS transport, and TLS records to its TLSReceiver."""

    __slots__ = ("__weakref__", "_events", "_loop", "_own_memory", "_receiver")

    def __init__(self, events: LowerEvents, receiver: TLSReceiver, loop: asyncio.AbstractEventLoop) -> None:
        self._events: LowerEvents | None = events
        owner = core.ReceiverReference()
        owner.receiver_ref = weakref.ref(receiver)
        super().__init__(owner)
        self._loop = loop
        self._receiver = receiver
        self._own_memory: Any = None
        receiver.attach(scratch_of(loop), None)

    def receive_separately(self) -> None:
        """Called if a transport of the loop is the lower transport; see own_memory_of()."""
        self._own_memory = own_memory_of(self._loop)

    def take_over(self, transport: Any) -> None:
        """Become the protocol of ``transport``, which may be waiting with the memory that a LoopAdapter returned."""
        try:
            previous = transport.get_protocol()
        except (AttributeError, NotImplementedError):
            # A transport of the program may have no such method.
            previous = None
        if isinstance(previous, LoopAdapter):
            self._own_memory = previous.own_memory()
        transport.set_protocol(self)

    def connection_made(self, transport: Any) -> None:
        if self._events is None:
            # uvloop calls this method even after the connection was discarded.
            transport.abort()
            return
        try:
            self._events.lower_made(transport)
        except BaseException as error:
            # The timeout of the handshake may not be running yet, so the connection must end here.
            self._events.failed(error)
            if not transport.is_closing():
                # lower_made() was interrupted before it has recorded the transport.
                transport.abort()
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise

    def connection_lost(self, exc: Exception | None) -> None:
        events = self._events
        if events is None:
            return
        try:
            if events.wakes_after_handshake():
                # The waiting coroutine, start_tls(), must run first: otherwise it would find the connection lost, and
                # the data that has arrived with it. The engine may report this end in an earlier callback of the loop.
                finish_lost_soon(self._loop, self, exc)
            else:
                self._events = None
                self._receiver.lost(exc)
        except BaseException:
            # A loop that is not running was closed.
            if self._loop.is_running():
                self._events = events
                finish_lost_soon(self._loop, self, exc)
            raise

    def _sluiceway_finish_lost(self, error: Exception | None) -> None:
        if self._events is not None:
            # Called directly, because the receiver may not refer to the TLS transport any more.
            self._events.lower_lost(error)
            self._events = None

    def get_buffer(self, sizehint: int) -> Any:
        memory = self._own_memory
        return self._receiver.get_buffer(sizehint) if memory is None else memory.part(self._receiver.room())

    def buffer_updated(self, nbytes: int) -> None:
        if self._events is None:
            # Windows' proactor loop delivers what it had received before abort().
            return
        try:
            memory, receiver = self._own_memory, self._receiver
            if receiver.committed(nbytes) if memory is None else receiver.feed(memory.take(nbytes)):
                receiver.wake()
        except (SystemExit, KeyboardInterrupt) as error:
            self._receiver.interrupted(error)
            raise

    def eof_received(self) -> bool:
        events = self._events
        if events is None:
            # See buffer_updated().
            return False
        # A TLS transport closes in any case. That of the loop logs a warning if this method returns True.
        over_tls = events.lower.get_extra_info("sslcontext") is not None
        return self._receiver.eof() and not over_tls

    def pause_writing(self) -> None:
        if self._events is not None:
            self._events.lower_paused()

    def resume_writing(self) -> None:
        if self._events is not None:
            self._events.lower_resumed()

    def upper_protocol(self) -> asyncio.BaseProtocol | None:
        """Return the protocol of the TLS transport, or None after detach() or the end of the lower transport."""
        return None if self._events is None else self._events.get_protocol()

    def detach(self) -> None:
        """Drop the reference to the TLS transport, so that it gets no further event."""
        self._events = None
