"""A connection put together from a reader, a protocol and a writer with ``loop.create_connection``, as libraries do."""

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator
from typing import Any


@contextlib.asynccontextmanager
async def made_by_hand(
    streams: types.ModuleType,
    address: Any,
    *,
    reader: Any = None,
    protocol_class: Any = None,
    writer_class: Any = None,
    **options: Any,
) -> AsyncIterator[tuple[Any, Any, Any]]:
    """Yield (reader, writer, protocol), closed at the end. ``options`` are create_connection's."""
    loop = asyncio.get_running_loop()
    reader = reader or streams.StreamReader(loop=loop)
    protocol = (protocol_class or streams.StreamReaderProtocol)(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *address, **options)
    writer = (writer_class or streams.StreamWriter)(transport, protocol, reader, loop)
    try:
        yield reader, writer, protocol
    finally:
        if not writer.is_closing():
            writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
