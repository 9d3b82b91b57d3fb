"""The writing half of a stream: what may be written, as it is at that moment, and the wait for room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from .._constants import FREE_OPERATIONS
from .connection_state import ConnectionState
from .flow_control import FlowCore
from .receiver import IncomingCore
from .validation import as_bytes

# Again, under a name that the compiled twin keeps as a number.
_FREE_DRAINS = 2 * FREE_OPERATIONS


class WriterCore:
    """State and operations of a StreamWriter; the public class adds closing, TLS and documentation."""

    _loop: asyncio.AbstractEventLoop
    _ps_sink: Any

    def __init__(
        self, transport: Any, protocol: Any, reader: Any, loop: asyncio.AbstractEventLoop, state: ConnectionState
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._reader = reader
        self._loop = loop
        self._ps_state = state

    # What is looked at by every write and drain is kept beside what programs may assign, by its type.

    @property
    def _transport(self) -> Any:
        return self._ps_carrier

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        self._ps_carrier = transport
        # What is written to where the transport has a part that takes it without a detour.
        self._ps_sink = transport._ps_sink if getattr(type(transport), "_has_ps_sink", False) else None

    @property
    def _protocol(self) -> Any:
        return self._ps_protocol

    @_protocol.setter
    def _protocol(self, protocol: Any) -> None:
        self._ps_protocol = protocol
        plain = isinstance(protocol, FlowCore) and type(protocol)._drain_helper is FlowCore._drain_helper
        self._ps_flow = protocol if plain else None

    @property
    def _reader(self) -> Any:
        return self._ps_reader

    @_reader.setter
    def _reader(self, reader: Any) -> None:
        self._ps_reader = reader
        plain = isinstance(reader, IncomingCore) and type(reader).exception is IncomingCore.exception
        self._ps_input = reader if plain else None

    def write(self, data: Any) -> None:
        """Send ``data`` as soon as the peer takes it; returns at once.

        Args:
            data: any bytes-like object. What it holds now is what is sent, whatever becomes of it.

        Raises:
            TypeError: ``data`` is not bytes-like.
            RuntimeError: after write_eof.

        After close, or when the peer is gone, it is dropped: drain raises, and the logger ``sluiceway`` tells once.
        """
        if type(data) is not bytes:
            data = as_bytes(data, "write")
        sink = self._ps_sink
        if self._ps_state.discarding or (sink.closing if sink is not None else self._ps_gone()):
            self._ps_state.discarded(len(data))
        elif sink is not None:
            sink.write(data)
        else:
            self._ps_carrier.write(data)

    def writelines(self, data: Iterable[Any]) -> None:
        """Write the bytes-like objects that ``data`` yields, joined, in one go; see write."""
        # One write of everything: transports of CPython 3.12.1 and 3.13.0 apply no flow control to writelines and
        # cut typed memoryviews short (contracts W7, W8).
        joined = b"".join([piece if type(piece) is bytes else as_bytes(piece, "writelines") for piece in data])
        if joined:
            WriterCore.write(self, joined)

    def _ps_gone(self) -> bool:
        """Whether the transport is closing. It would drop what is written, with a log line that names nobody."""
        try:
            return self._ps_carrier.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    async def drain(self) -> None:
        """Wait until the transport has room for more: ``writer.write(data); await writer.drain()``.

        Returns at once below the high-water mark (64 KiB; ``writer.transport.set_write_buffer_limits``). Any number of
        tasks may wait.

        Raises:
            ConnectionResetError: the connection is closed or lost.
            Exception: the one that the reader of this connection ended with.

        Cancelling it cancels this wait alone; what was written stays written.
        """
        if self._ps_tired():
            await asyncio.sleep(0)
        if self._ps_sink is not None and self._ps_has_room():
            return
        reader = self._ps_reader
        if reader is not None:
            error = reader.exception()
            if error is not None:
                raise error
        if self._ps_carrier.is_closing():
            # connection_lost may be due; without this turn of the loop a caller that only writes and drains would
            # never see it come.
            await asyncio.sleep(0)
        await self._ps_protocol._drain_helper()

    def _ps_has_room(self) -> bool:
        """Whether drain may return at once: nothing is wrong, and the transport takes more."""
        sink = self._ps_sink
        sink.before_drain()
        flow = self._ps_flow
        if flow is None or flow._paused or flow._connection_lost or sink.closing:
            return False
        reader = self._ps_input
        if reader is None:
            return self._ps_reader is None
        return reader._exception is None

    def _ps_tired(self) -> bool:
        """Count a drain. True where so many reads and drains found all they needed that the loop is due its turn."""
        reader = self._ps_input
        if reader is None:
            return False
        reader._ps_spent += 1
        if reader._ps_spent <= _FREE_DRAINS:
            return False
        reader._ps_spent = 0
        return True
