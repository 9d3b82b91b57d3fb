"""flush(): wait until the kernel has accepted all bytes of a writer."""

from __future__ import annotations

from .._asyncio.writer import StreamWriter
from .._connection.connection import Connection
from .._implementation import core


async def flush(writer: StreamWriter) -> None:
    """Wait until the transport of ``writer`` has no unsent bytes. Raise the error of a lost connection."""
    transport, connection = writer._sluiceway.transport, writer._sluiceway.connection
    if isinstance(transport, core.RawTransportProvider):
        transport.raw.uncork()  # type: ignore[attr-defined]
    if not connection.unsent_size():
        raise_if_discarded(connection)
        return
    record = connection.keep_record()
    if not record.flushes:
        record.marks = transport.get_write_buffer_limits()
        # With a high-water mark of 0, drain() waits until everything has been sent.
        transport.set_write_buffer_limits(high=0)
    record.flushes += 1
    try:
        await writer.drain()
    finally:
        record.flushes -= 1
        if not record.flushes and not connection.lost:
            low, high = record.marks
            transport.set_write_buffer_limits(high=high, low=low)
    raise_if_discarded(connection)


def raise_if_discarded(connection: Connection) -> None:
    """Raise ConnectionError if the connection has ended before everything was sent, because any task has aborted it."""
    if connection.lost and not connection.keep_record().ended(connection).flushed:
        raise connection.send_error()
