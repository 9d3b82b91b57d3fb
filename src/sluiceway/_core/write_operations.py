# cython: nonecheck=True
"""The operations of a StreamWriter that send: write, writelines, drain.

They are those of asyncio: https://docs.python.org/3/library/asyncio-stream.html#streamwriter
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from .connection_state import ConnectionState
from .sender import Sender
from .validation import BytesLike, as_bytes


class StreamWriter:
    """The base class of the public StreamWriter, which other modules import as WriteOperations; its coroutines carry
    the public name. All state is in the sender; asyncio's private names show it."""

    def __init__(
        self,
        transport: Any,
        protocol: Any,
        reader: Any,
        loop: asyncio.AbstractEventLoop,
        connection: ConnectionState,
        guard: object = None,
    ) -> None:
        sender = self._sluiceway = Sender(loop, connection, guard)
        sender.set_transport(transport)
        sender.set_protocol(protocol)
        sender.set_reader(reader)

    def write(self, data: BytesLike) -> None:
        """Send ``data`` as soon as the peer takes it; returns at once.

        Args:
            data: any bytes-like object. Its present content is sent, whatever happens to it afterwards.

        Raises:
            TypeError: ``data`` is not bytes-like.
            RuntimeError: after write_eof.

        After close, or when the peer is gone, ``data`` is discarded: drain raises, and the logger ``sluiceway`` reports
        it once for each connection.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        sender = self._sluiceway
        raw = sender.raw
        if sender.connection.discarding or (raw.closing if raw is not None else sender.transport_closing()):
            sender.connection.discarded(len(data))
        elif raw is not None:
            raw.write(data)
        else:
            sender.transport.write(data)

    def writelines(self, data: Iterable[BytesLike]) -> None:
        """Write the bytes-like objects that ``data`` yields, joined, in one go; see write."""
        # One write of everything: transports of CPython 3.12.1 and 3.13.0 apply no flow control to writelines and
        # cut typed memoryviews short (contracts W7, W8).
        joined = b"".join([piece if type(piece) is bytes else as_bytes(piece) for piece in data])
        if joined:
            StreamWriter.write(self, joined)

    async def drain(self) -> None:
        """Wait until the transport has room for more: ``writer.write(data); await writer.drain()``.

        Returns at once below the high-water mark (64 KiB; ``writer.transport.set_write_buffer_limits``). Any number of
        tasks may wait.

        Raises:
            ConnectionResetError: the connection is closed or lost.
            Exception: the one that the reader of this connection ended with.

        Cancelling it cancels this wait alone; what was written stays written.
        """
        sender = self._sluiceway
        if sender.budget_exhausted():
            await asyncio.sleep(0)
        if sender.has_room():
            return
        reader = sender.reader
        if reader is not None:
            error = reader.exception()
            if error is not None:
                raise error
        if sender.transport.is_closing():
            # connection_lost may follow in the next turn; without one, a caller that only writes and drains would
            # never see it.
            await asyncio.sleep(0)
        if sender.raw is None and sender.flow is not None and sender.flow.paused:
            # A transport of the loop does not report when it starts to close.
            sender.connection.bound_close()
        await sender.protocol._drain_helper()

    # -- asyncio's private names, which programs use and assign -------------------------------------------------------

    @property
    def _transport(self) -> Any:
        return self._sluiceway.transport

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        self._sluiceway.set_transport(transport)

    @property
    def _protocol(self) -> Any:
        return self._sluiceway.protocol

    @_protocol.setter
    def _protocol(self, protocol: Any) -> None:
        self._sluiceway.set_protocol(protocol)

    @property
    def _reader(self) -> Any:
        return self._sluiceway.reader

    @_reader.setter
    def _reader(self, reader: Any) -> None:
        self._sluiceway.set_reader(reader)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._sluiceway.loop

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sluiceway.loop = loop
