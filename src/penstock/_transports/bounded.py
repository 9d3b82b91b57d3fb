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

from .._facts.constants import MINIMUM_RECEIVE, SCRATCH_SIZE

_scratches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = weakref.WeakKeyDictionary()


def _scratch_of(loop: asyncio.AbstractEventLoop) -> memoryview:
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

    Names that it does not have are those of ``protocol``, for those who ask the transport for its protocol.
    """

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._protocol = protocol
        self._scratch = _scratch_of(loop)
        # The transport that was made, until it is fetched: in a closed one everything else is gone.
        self.made: Any = None
        protocol._facing = self

    def connection_made(self, transport: Any) -> None:
        self.made = transport
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def eof_received(self) -> Any:
        return self._protocol.eof_received()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The memory for the next arrival: as much as the reader has room for."""
        reader = self._protocol._stream_reader
        room = MINIMUM_RECEIVE if reader is None else reader._receive_room()
        scratch = self._scratch
        return scratch if room >= len(scratch) else scratch[:room]

    def buffer_updated(self, nbytes: int) -> None:
        """The first ``nbytes`` of the memory arrived."""
        self._protocol.data_received(bytes(self._scratch[:nbytes]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)
