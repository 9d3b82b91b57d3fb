"""The writing half of a stream: what may be written, as it is at that moment, and the wait for room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from .arguments import as_bytes
from .flow import FlowCore
from .state import ConnectionState


class WriterCore:
    """State and operations of a StreamWriter; the public class adds closing, TLS and documentation."""

    _loop: asyncio.AbstractEventLoop

    def __init__(
        self, transport: Any, protocol: Any, reader: Any, loop: asyncio.AbstractEventLoop, state: ConnectionState
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._reader = reader
        self._loop = loop
        self._state = state
        # Known flow control is asked directly; anything else through asyncio's protocol, _drain_helper.
        own = isinstance(protocol, FlowCore) and type(protocol)._drain_helper is FlowCore._drain_helper
        self._flow: FlowCore | None = protocol if own else None

    def write(self, data: Any) -> None:
        if type(data) is not bytes:
            data = as_bytes(data, "write")
        if self._state.discarding:
            self._state.discarded(len(data))
            return
        self._transport.write(data)

    def writelines(self, data: Iterable[Any]) -> None:
        # One write of everything: transports of CPython 3.12.1 and 3.13.0 apply no flow control to writelines and
        # cut typed memoryviews short (contracts W7, W8).
        joined = b"".join([piece if type(piece) is bytes else as_bytes(piece, "writelines") for piece in data])
        if self._state.discarding:
            self._state.discarded(len(joined))
        elif joined:
            self._transport.write(joined)

    async def drain(self) -> None:
        reader = self._reader
        if reader is not None:
            error = reader.exception()
            if error is not None:
                raise error
        if self._transport.is_closing():
            # connection_lost may be due; without this turn of the loop a caller that only writes and drains would
            # never see it come.
            await asyncio.sleep(0)
        flow = self._flow
        if flow is None:
            await self._protocol._drain_helper()
        elif flow._paused or flow._connection_lost:
            await flow._drain_helper()
