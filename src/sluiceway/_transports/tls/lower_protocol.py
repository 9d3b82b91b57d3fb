"""The protocol below TLS: what the transport that carries the records calls."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from ..._implementation import core
from ..loop_adapter import scratch_of

if TYPE_CHECKING:
    from ..._core import ReceiverProvider, TLSReceiver
else:
    ReceiverProvider = core.ReceiverProvider


class LowerEvents(Protocol):
    """What a TLS transport does at the events of the transport below it; its receiver reports the end and the loss."""

    def lower_made(self, lower: Any) -> None:
        """``lower`` is connected."""

    def failed(self, error: BaseException) -> None:
        """The handshake could not be started."""

    def lower_paused(self) -> None:
        """It takes no more for now."""

    def lower_resumed(self) -> None:
        """It takes more again."""


class LowerProtocol(ReceiverProvider, asyncio.BufferedProtocol):
    """Passes events to a TLS transport, and records to its receiver."""

    __slots__ = ("__weakref__", "_events", "_receiver")

    def __init__(self, events: LowerEvents, receiver: TLSReceiver, loop: asyncio.AbstractEventLoop) -> None:
        self._events: LowerEvents | None = events
        owner = core.ReceiverReference()
        owner.receiver_ref = weakref.ref(receiver)
        super().__init__(owner)
        self._receiver = receiver
        receiver.attach(scratch_of(loop), None)

    def connection_made(self, transport: Any) -> None:
        if self._events is None:
            # The connection was discarded before; uvloop calls this nevertheless.
            transport.abort()
            return
        try:
            self._events.lower_made(transport)
        except BaseException as error:
            # Without a handshake that has started, nothing would bound its time.
            self._events.failed(error)
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise

    def connection_lost(self, exc: Exception | None) -> None:
        if self._events is not None:
            self._events = None
            self._receiver.lost(exc)

    def get_buffer(self, sizehint: int) -> Any:
        return self._receiver.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        if self._receiver.committed(nbytes):
            self._receiver.wake()

    def eof_received(self) -> bool:
        return self._events is not None and self._receiver.eof()

    def pause_writing(self) -> None:
        if self._events is not None:
            self._events.lower_paused()

    def resume_writing(self) -> None:
        if self._events is not None:
            self._events.lower_resumed()

    def detach(self) -> None:
        """Pass on no event any more."""
        self._events = None
