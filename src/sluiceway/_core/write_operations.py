# cython: nonecheck=True
"""The methods of StreamWriter that send data: write, writelines and drain.

Source: https://docs.python.org/3/library/asyncio-stream.html#streamwriter
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from .connection_state import ConnectionState
from .protocol_operations import ProtocolOperations
from .sender import Sender
from .validation import BytesLike, as_bytes, joined, must_be_awaited


def sender_to_assign(writer: StreamWriter) -> Sender:
    """Return the Sender for the assignment of a private attribute, which may precede ``__init__``.

    Some classes of programs assign such attributes before the call of ``__init__``, or instead of it.
    """
    sender: Sender | None
    try:
        sender = writer._sluiceway
    except AttributeError:
        # The pure core; the attribute is None in the compiled one.
        sender = None
    if sender is None:
        writer._sluiceway_begin()
        sender = writer._sluiceway
    return sender


class StreamWriter:
    """The base class of the public StreamWriter. Other modules import this class as WriteOperations.

    It is named StreamWriter because messages of Python contain its name: ``coroutine 'StreamWriter.drain' was never
    awaited``. All state is in the Sender. The properties with asyncio's private names read and change that state.
    """

    def __init__(
        self,
        transport: Any,
        protocol: Any,
        reader: Any,
        loop: asyncio.AbstractEventLoop,
        connection: ConnectionState,
        guard: object = None,
    ) -> None:
        self._sluiceway = Sender(transport, protocol, reader, loop, connection, guard)

    def _sluiceway_begin(self) -> None:
        """Give a writer whose ``__init__`` was not called a Sender without a guard. StreamWriter overrides this."""
        raise NotImplementedError

    def _sluiceway_join(self, protocol: ProtocolOperations) -> None:
        """Replace the Sender by one with the connection of ``protocol``. The public StreamWriter overrides this."""
        raise NotImplementedError

    def write(self, data: BytesLike) -> None:
        """Send ``data``, and return immediately.

        The data is sent at once, or after a short delay together with other writes (contract W9,
        docs/explanation/contracts.md). What the kernel does not accept is buffered and sent later.

        On a closed or lost connection, ``data`` is discarded, and the logger ``sluiceway`` emits one warning for the
        connection. After the connection has ended, drain() raises.

        Args:
            data (a bytes-like object): the data to send. Later changes of a mutable object have no effect.

        Raises:
            TypeError: ``data`` is not a bytes-like object.
            ValueError, BufferError: ``data`` cannot be read, for example a memoryview that was released.
            RuntimeError: write_eof() was called before.

        Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.write
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        sender = self._sluiceway
        raw = sender.raw
        if sender.connection.discarding or (sender.transport_closing() if sender.over_loop else raw.closing):  # type: ignore[union-attr]
            sender.connection.discarded(len(data))
            return
        if raw is not None:
            raw.write(data)
        else:
            sender.transport.write(data)
        sender.written += len(data)
        sender.writes += 1

    def writelines(self, data: Iterable[BytesLike]) -> None:
        """Join ``data``, an iterable of bytes-like objects, and write the result; see write()."""
        # Transports of CPython 3.12.1 and 3.13.0 apply no flow control in writelines(), and truncate memoryviews whose
        # items are larger than a byte (contracts W7, W8).
        if type(data) is not list and type(data) is not tuple and must_be_awaited(data):
            # Raises.
            as_bytes(data)
        StreamWriter.write(self, joined(data))

    async def drain(self) -> None:
        """Wait if too much written data is buffered: ``writer.write(data); await writer.drain()``.

        When the write buffer exceeds the high-water mark (64 KiB by default), writing is paused until the buffer has
        shrunk to the low-water mark (16 KiB). ``writer.transport.set_write_buffer_limits()`` changes both marks. The
        call waits while writing is paused. After close(), and after many reads and drains without a wait, the call also
        yields to the event loop once.

        Several tasks may wait at the same time. Cancelling the call affects no other task, and no written data.

        Raises:
            Exception: the connection was lost with an error, before or during the call: a copy of that error, or a
                ConnectionResetError. Or the exception that was passed to ``reader.set_exception()`` before the call.
            ConnectionResetError: the connection has ended without an error before the call waits, for example because a
                close() is complete. If the connection ends without an error while the call waits, the call returns.

        Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.drain
        """
        sender = self._sluiceway
        if sender.has_room():
            return
        if sender.budget_exhausted():
            await sender.yield_to_loop()
            if sender.has_room():
                return
        if sender.reader is not None and sender.reader.exception() is not None:
            raise sender.reader_error()
        if sender.transport.is_closing():
            # Lets connection_lost() run: a task that only writes and drains would otherwise never see the loss.
            await asyncio.sleep(0)
            error = None if sender.reader is None else sender.reader.exception()
            # asyncio raises a ConnectionResetError for every loss that is found here, and programs catch it.
            if error is not None and not isinstance(error, ConnectionError):
                raise sender.reader_error()
        if sender.over_loop and sender.flow is not None and sender.flow.paused:
            # A transport of the loop does not report when it starts to close.
            sender.connection.bound_close()
        await sender.protocol._drain_helper()

    # -- asyncio's private names, which programs use and assign -------------------------------------------------------

    @property
    def _transport(self) -> Any:
        sender = self._sluiceway
        sender.connection.share_transport()
        return sender.transport

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        sender_to_assign(self).set_transport(transport)

    @property
    def _protocol(self) -> Any:
        return self._sluiceway.protocol

    @_protocol.setter
    def _protocol(self, protocol: Any) -> None:
        sender = sender_to_assign(self)
        if sender.guard is None and issubclass(type(protocol), ProtocolOperations):
            self._sluiceway_join(protocol)
        else:
            sender.set_protocol(protocol)

    @property
    def _reader(self) -> Any:
        return self._sluiceway.reader

    @_reader.setter
    def _reader(self, reader: Any) -> None:
        sender_to_assign(self).set_reader(reader)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._sluiceway.loop

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        sender = sender_to_assign(self)
        sender.loop = loop
        connection: Any = sender.connection
        if connection.loop is None:
            # Assigned instead of ``__init__``, outside the loop.
            connection.loop = loop
