"""flush(): wait until the kernel has accepted what a writer has written."""

from __future__ import annotations

import asyncio
from typing import Any

from .._asyncio.writer import StreamWriter
from .._connection.connection import Connection
from .._connection.connection_record import ConnectionRecord
from .._implementation import core

# Seconds between two looks at a transport that does not report when its data has been sent.
POLL_INTERVAL = 0.01


async def flush(writer: StreamWriter) -> None:
    """Wait until the kernel has accepted the bytes that ``writer`` wrote before the call.

    If the connection has ended with bytes unsent, raise Connection.send_error(). While the call waits, writing is
    paused, so ``drain()`` of other tasks waits until everything is sent.
    """
    sender = writer._sluiceway
    connection = sender.connection
    if isinstance(sender.transport, core.RawTransportProvider):
        sender.transport.raw.uncork()  # type: ignore[attr-defined]
    if not connection.unsent_size():
        raise_if_discarded(connection)
        return
    before = sender.written
    record = connection.keep_record()
    if not record.flushes:
        record.marks = sender.transport.get_write_buffer_limits()
    record.flushes += 1
    try:
        # Other tasks may write before this one runs again, and without end. Bytes are sent in order, so this call waits
        # only for those that were written before it.
        while connection.unsent_size() > sender.written - before and not connection.lost:
            _pause_until_sent(sender.transport, record)
            paused = connection.flow.paused
            await drain(writer)
            # Polled: a transport of the program that does not pause, and each one during the handshake of start_tls().
            await asyncio.sleep(0 if paused else POLL_INTERVAL)
    finally:
        record.flushes -= 1
        transport = sender.transport
        # A close needs its own mark of 0, and the program may have set other marks meanwhile.
        if (
            not record.flushes
            and not connection.discarding
            and transport.get_write_buffer_limits() == _marks_meanwhile(record)
        ):
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


def _pause_until_sent(transport: Any, record: ConnectionRecord) -> None:
    """Make ``transport``, which has unsent bytes, pause writing until everything is sent.

    If the program has set other high-water and low-water marks since flush() began, store them in ``record.marks``.
    """
    marks = transport.get_write_buffer_limits()
    if marks != _marks_meanwhile(record):
        record.marks = marks
    low, high = _marks_meanwhile(record)
    try:
        # Pauses, because bytes are unsent.
        transport.set_write_buffer_limits(high=0)
    finally:
        transport.set_write_buffer_limits(high=high, low=low)


def _marks_meanwhile(record: ConnectionRecord) -> tuple[int, int]:
    """Return the marks while flush() waits: writing resumes when everything is sent.

    They differ from the earlier marks, and from (0, 0) unless these were (0, 0). So flush() recognises other marks that
    the program sets meanwhile.
    """
    high = record.marks[1]
    return 0, high - 1 if high > 1 else 2 * high
