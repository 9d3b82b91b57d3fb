"""LoopAdapter: the protocol between an event loop's own transport and a StreamReaderProtocol.

A loop's transport passes up to 256 KiB at a time to the method data_received() of an asyncio.Protocol, even if the
reader has less room. An asyncio.BufferedProtocol provides the memory, and so decides how many bytes are received. The
LoopAdapter is a BufferedProtocol for this reason (contract R3, docs/explanation/contracts.md). StreamReaderProtocol
itself cannot be one, because uvloop treats an object that is both kinds of protocol as an asyncio.Protocol.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from typing import Any

from .._constants import MINIMUM_RECEIVE, SCRATCH_SIZE
from .._implementation import core

_scratches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()


def scratch_of(loop: asyncio.AbstractEventLoop) -> Any:
    """Return the receive buffer for a connection of ``loop``.

    A selector loop receives into the buffer and delivers the bytes in one step, so all its connections share one
    buffer. A proactor loop uses the buffer of a connection while it waits for bytes, so each connection has its own
    buffer.
    """
    if sys.platform == "win32":
        return core.Scratch(MINIMUM_RECEIVE * 16)
    scratch = _scratches.get(loop)
    if scratch is None:
        scratch = _scratches[loop] = core.Scratch(SCRATCH_SIZE)
    return scratch


class LoopAdapter(asyncio.BufferedProtocol):
    """The protocol of the loop's transport. Forwards all calls to ``protocol``, except those for received bytes.

    Received bytes go to the receiver of ``protocol``. Attributes are read, assigned and deleted on ``protocol``, so
    that a program that calls ``transport.get_protocol()`` can use the adapter like ``protocol``. When the connection
    has ended, the adapter drops its reference to ``protocol``, because TLS transports of the loop refer to the adapter
    longer.
    """

    __slots__ = ("__weakref__", "_interruption", "_made", "_protocol", "_receivers")

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        receivers = core.ProtocolReceivers(protocol, getattr(protocol, "__dict__", None))
        receivers.attach(scratch_of(loop), None)
        object.__setattr__(self, "_protocol", protocol)
        object.__setattr__(self, "_receivers", receivers)
        # The transport, from connection_made() to release().
        object.__setattr__(self, "_made", None)
        object.__setattr__(self, "_interruption", None)

    def is_connected(self) -> bool:
        """Return True from the call of connection_made() to that of connection_lost() or release()."""
        return self._made is not None

    def release(self) -> Any:
        """Drop the reference to the protocol, so that its methods are not called any more. Return the protocol."""
        protocol = self._protocol
        object.__setattr__(self, "_protocol", None)
        object.__setattr__(self, "_receivers", None)
        object.__setattr__(self, "_made", None)
        return protocol

    def connection_made(self, transport: Any) -> None:
        if self._protocol is None:
            # uvloop calls this method even after the connection was discarded.
            transport.abort()
            return
        object.__setattr__(self, "_made", transport)
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        if self._receivers is None:
            # The program has replaced the method of the protocol, and calls this one from its replacement.
            type(protocol).connection_lost(protocol, exc)
            return
        object.__setattr__(self, "_receivers", None)
        object.__setattr__(self, "_made", None)
        try:
            protocol.connection_lost(self._interruption or exc)
        finally:
            self.release()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def eof_received(self) -> Any:
        keep_open = self._protocol.eof_received()
        if not keep_open and isinstance(self._protocol, core.ProtocolOperations):
            # The transport closes after this call.
            self._protocol._sluiceway_closing()
        return keep_open

    def get_buffer(self, sizehint: int) -> Any:
        """Return memory for the next receive, not larger than the room that the reader has."""
        receivers = self._receivers
        if receivers is None:
            return memoryview(bytearray(MINIMUM_RECEIVE))
        return receivers.current().get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Pass ``nbytes`` bytes, which were received into the memory, to the receiver."""
        receivers = self._receivers
        if receivers is not None:
            receiver = receivers.current()
            try:
                ready = receiver.committed(nbytes)
            except (SystemExit, KeyboardInterrupt):
                self._end_interrupted()
                raise
            if ready:
                receiver.wake()

    def _end_interrupted(self) -> None:
        """Abort the connection after an interrupt, because received bytes may be lost."""
        error = ConnectionAbortedError("aborted: an interrupt may have lost received data")
        object.__setattr__(self, "_interruption", error)
        if self._made is not None:
            self._made.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._protocol, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._protocol, name)
