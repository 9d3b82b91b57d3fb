"""The protocol below TLS: what the transport that carries ciphertext calls; and how plaintext is given to a protocol
that has memory of its own for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..._implementation import core
from ..loop_adapter import scratch_of

if TYPE_CHECKING:
    from ..._core import TLSCore
    from .transport import TLSTransport


class Ciphertext(asyncio.BufferedProtocol):
    """What the transport below calls."""

    __slots__ = ("__weakref__", "_scratch", "_tls", "ps_core")

    def __init__(self, tls: TLSTransport, tls_core: TLSCore, loop: asyncio.AbstractEventLoop) -> None:
        self._tls: TLSTransport | None = tls
        # The engine hands it what arrived without a detour.
        self.ps_core = tls_core
        self._scratch = scratch_of(loop)

    def connection_made(self, transport: Any) -> None:
        if self._tls is None:
            # Given up before it was made; uvloop tells of it all the same.
            transport.abort()
        else:
            self._tls._begin(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        tls, self._tls = self._tls, None
        if tls is not None:
            tls._lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch[: self.ps_core.room()]

    def buffer_updated(self, nbytes: int) -> None:
        reader = self.ps_core.take(self._scratch[:nbytes])
        if reader is not None:
            reader._wakeup_waiter()

    def eof_received(self) -> bool:
        return self._tls is not None and self._tls._below_ended()

    def pause_writing(self) -> None:
        if self._tls is not None:
            self._tls._below_paused()

    def resume_writing(self) -> None:
        if self._tls is not None:
            self._tls._below_resumed()

    def give_up(self) -> None:
        self._tls = None


def direct_reader(protocol: Any) -> Any:
    """A weak reference to the reader that the protocol would feed, where nobody has overridden how; else None."""
    if not getattr(getattr(type(protocol), "data_received", None), "_ps_feeds_reader", False):
        return None
    reference = protocol._stream_reader_wr
    return reference if reference is not None and isinstance(reference(), core.ReaderCore) else None


def deliver(protocol: Any, data: bytes) -> None:
    """Call the protocol with plaintext, in pieces where it has memory of its own for them."""
    if not isinstance(protocol, asyncio.BufferedProtocol):
        protocol.data_received(data)
        return
    while data:
        buffer = memoryview(protocol.get_buffer(len(data))).cast("B")
        size = min(len(buffer), len(data))
        if not size:
            raise RuntimeError("get_buffer() returned an empty buffer")
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
