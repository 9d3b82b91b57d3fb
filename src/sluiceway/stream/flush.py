"""flush(): wait until the kernel has accepted all bytes of a writer."""

from __future__ import annotations

from .._asyncio.writer import StreamWriter
from .._implementation import core


async def flush(writer: StreamWriter) -> None:
    """Wait until the transport of ``writer`` has no unsent bytes. Raise the error of a lost connection."""
    transport, connection = writer._sluiceway.transport, writer._sluiceway.connection
    if isinstance(transport, core.RawTransportProvider):
        transport.raw.uncork()  # type: ignore[attr-defined]
    if not connection.unsent_size():
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
    if connection.lost:
        raise connection.send_error()
