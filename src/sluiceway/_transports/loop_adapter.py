"""The adapter between a loop's own transport and the receiver of a stream (contract R3).

A plain asyncio protocol is given up to 256 KiB at a time, whatever its reader has room for. A BufferedProtocol decides
how much it takes, so one stands between the transport and the StreamReaderProtocol. It is a class of its own because
uvloop feeds what is both kinds of protocol as the plain one.
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
    """Memory to receive into.

    Loops that wait for readiness fill it and hand it over in one step, so one is enough for all connections of the
    loop. A proactor uses it while it waits, so there each connection has its own.
    """
    if sys.platform == "win32":
        return core.Scratch(MINIMUM_RECEIVE * 16)
    scratch = _scratches.get(loop)
    if scratch is None:
        scratch = _scratches[loop] = core.Scratch(SCRATCH_SIZE)
    return scratch


class LoopAdapter(asyncio.BufferedProtocol):
    """The protocol of the loop's transport in place of ``protocol``; passes on every call but the receiving ones.

    To a program that asks the transport for its protocol it looks like ``protocol``: names are looked up, assigned and
    deleted there. It drops the reference when the connection is lost, since the loops' TLS keeps its protocol longer.
    """

    __slots__ = ("__weakref__", "_interruption", "_made", "_protocol", "_receivers")

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        receivers = core.ProtocolReceivers(protocol, getattr(protocol, "__dict__", None))
        receivers.attach(scratch_of(loop), None)
        object.__setattr__(self, "_protocol", protocol)
        object.__setattr__(self, "_receivers", receivers)
        # The transport, from connection_made to release().
        object.__setattr__(self, "_made", None)
        object.__setattr__(self, "_interruption", None)

    def is_connected(self) -> bool:
        """Whether connection_made was called, and connection_lost not yet."""
        return self._made is not None

    def release(self) -> Any:
        """Drop the protocol, which is not called any more; returns it."""
        protocol = self._protocol
        object.__setattr__(self, "_protocol", None)
        object.__setattr__(self, "_receivers", None)
        object.__setattr__(self, "_made", None)
        return protocol

    def connection_made(self, transport: Any) -> None:
        if self._protocol is None:
            # The connection was discarded before; uvloop calls this nevertheless.
            transport.abort()
            return
        object.__setattr__(self, "_made", transport)
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        if self._receivers is None:
            # A program has replaced the method, and calls what it has found here before.
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
            # The transport closes.
            self._protocol._sluiceway_closing()
        return keep_open

    def get_buffer(self, sizehint: int) -> Any:
        """The memory for the next arrival: as much as the reader has room for."""
        receivers = self._receivers
        if receivers is None:
            return memoryview(bytearray(MINIMUM_RECEIVE))
        return receivers.current().get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """The first ``nbytes`` of that memory arrived."""
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
        """End the connection: bytes of it may be lost. The loop's transport would go on."""
        error = ConnectionAbortedError("interrupted while received data was delivered")
        object.__setattr__(self, "_interruption", error)
        if self._made is not None:
            self._made.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._protocol, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._protocol, name)
