"""flush(): wait until the kernel has accepted what a writer has written."""

from __future__ import annotations

import asyncio
from typing import Any

from .._asyncio.writer import StreamWriter
from .._connection.connection import Connection
from .._connection.connection_record import ConnectionRecord
from .._implementation import core

# With a high-water mark of 0, drain() waits until everything has been sent.
_ALL_SENT = (0, 0)


async def flush(writer: StreamWriter) -> None:
    """Wait until the kernel has accepted the bytes that ``writer`` wrote before the call.

    If the connection has ended with bytes unsent, raise Connection.send_error(). While the call waits, the high-water
    mark is 0, so ``drain()`` of other tasks waits until everything is sent.
    """
    sender = writer._sluiceway
    transport, connection = sender.transport, sender.connection
    if isinstance(transport, core.RawTransportProvider):
        transport.raw.uncork()  # type: ignore[attr-defined]
    if not connection.unsent_size():
        raise_if_discarded(connection)
        return
    before = sender.written
    record = connection.keep_record()
    if not record.flushes:
        record.marks = transport.get_write_buffer_limits()
    record.flushes += 1
    try:
        # Other tasks may write before this one runs again, and without end. Bytes are sent in order, so this call waits
        # only for those that were written before it.
        while connection.unsent_size() > sender.written - before and not connection.lost:
            _set_zero_mark(transport, record)
            await drain(writer)
            # A transport that does not pause, such as one of the program, is polled.
            await asyncio.sleep(0)
    finally:
        record.flushes -= 1
        # A close needs its own mark of 0, and the program may have set other marks meanwhile.
        if not record.flushes and not connection.discarding and transport.get_write_buffer_limits() == _ALL_SENT:
            low, high = record.marks
            transport.set_write_buffer_limits(high=high, low=low)
    raise_if_discarded(connection)


async def drain(writer: StreamWriter) -> None:
    """Wait as ``writer.drain()`` does. After a loss, raise Connection.send_error() instead of its ConnectionResetError.

    ``writer.drain()`` may raise ConnectionResetError although the connection was lost with another error.
    """
    try:
        await writer.drain()
    except ConnectionResetError:
        connection = writer._sluiceway.connection
        if not connection.lost:
            raise
        raise connection.send_error() from None


def raise_if_discarded(connection: Connection) -> None:
    """Raise the error of the connection if it has ended before everything was sent; see Connection.send_error()."""
    if connection.lost and not connection.keep_record().ended(connection).flushed:
        raise connection.send_error()


def _set_zero_mark(transport: Any, record: ConnectionRecord) -> None:
    """Set the high-water mark to 0, and store the previous marks, which flush() restores.

    Do nothing if the mark is 0 already.
    """
    marks = transport.get_write_buffer_limits()
    if marks != _ALL_SENT:
        record.marks = marks
        transport.set_write_buffer_limits(high=0)
