"""Receiving no more than there is room for, on the loop's own transports (contract R3).

A plain asyncio protocol is handed up to 256 KiB at a time, whatever its reader has room for. A BufferedProtocol says
how much it takes; it stands between the transport and the StreamReaderProtocol, and is a class of its own because
uvloop feeds what is both kinds of protocol as the plain one.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from typing import Any

from .._constants import MINIMUM_RECEIVE, SCRATCH_SIZE

_scratches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = weakref.WeakKeyDictionary()


def scratch_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    """Memory to receive into. Loops that wait for readiness fill and hand it over in one step, so one is enough for
    all connections of the loop; a proactor keeps it while it waits, so there each connection has its own."""
    if sys.platform == "win32":
        return memoryview(bytearray(MINIMUM_RECEIVE * 16))
    scratch = _scratches.get(loop)
    if scratch is None:
        scratch = _scratches[loop] = memoryview(bytearray(SCRATCH_SIZE))
    return scratch


class BoundedReceiver(asyncio.BufferedProtocol):
    """What the transport calls in place of ``protocol``; everything but the receiving goes straight through.

    For those who ask the transport for its protocol it stands for that: names are looked up and assigned there. It
    lets go of it when the connection is lost, since the loops' TLS keeps its protocol longer than the connection.
    """

    __slots__ = ("__weakref__", "_made", "_protocol", "_room", "_scratch", "_view")

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        object.__setattr__(self, "_protocol", protocol)
        object.__setattr__(self, "_scratch", scratch_of(loop))
        object.__setattr__(self, "_made", None)
        object.__setattr__(self, "_room", 0)

    def take_transport(self) -> Any:
        """The transport that was made last, once: in a closed one everything else is gone."""
        made = self._made
        object.__setattr__(self, "_made", None)
        return made

    def release(self) -> None:
        """Let go of the protocol, which hears no more."""
        object.__setattr__(self, "_protocol", None)
        object.__setattr__(self, "_made", None)

    def hand_over(self) -> Any:
        """Give the protocol to a transport that bounds what it receives by itself."""
        protocol = self._protocol
        self.release()
        return protocol

    def stands_for(self, protocol: Any) -> bool:
        """Whether it receives for ``protocol``."""
        return self._protocol is protocol

    def connection_made(self, transport: Any) -> None:
        if self._protocol is None:
            # Given up before it was made; uvloop tells of it all the same.
            transport.abort()
            return
        object.__setattr__(self, "_made", transport)
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        protocol = self._protocol
        if protocol is not None:
            self.release()
            protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def eof_received(self) -> Any:
        return self._protocol.eof_received()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The memory for the next arrival: as much as the reader has room for."""
        protocol = self._protocol
        reader = None if protocol is None else protocol._stream_reader
        room = MINIMUM_RECEIVE if reader is None else reader._ps_receive_room()
        if room != self._room:
            # Most arrivals find an empty reader and the same room as the last.
            object.__setattr__(self, "_room", room)
            object.__setattr__(self, "_view", self._scratch[:room])
        view: memoryview = self._view
        return view

    def buffer_updated(self, nbytes: int) -> None:
        """The first ``nbytes`` of the memory arrived."""
        protocol = self._protocol
        if protocol is not None:
            protocol.data_received(bytes(self._scratch[:nbytes]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._protocol, name, value)
