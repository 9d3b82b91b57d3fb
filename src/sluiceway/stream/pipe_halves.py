"""The reader and the writer of a descriptor that is not a socket: a pipe, a terminal, a file or a device."""

from __future__ import annotations

import asyncio
import io
import sys

from .._asyncio.open_connection import make_protocol
from .._asyncio.protocol import FlowControlMixin
from .._asyncio.reader import StreamReader
from .._asyncio.writer import StreamWriter
from .._transports.pipe_transports import PipeReadTransport, PipeWriteTransport


def require_pipes(call: str) -> None:
    """Raise NotImplementedError where event loops cannot watch the pipes of a process."""
    if sys.platform == "win32":
        raise NotImplementedError(
            f"{call} is not available on Windows, whose event loops cannot watch pipes; use a socket, or asyncio's "
            "subprocess functions"
        )


def open_reader(loop: asyncio.AbstractEventLoop, file: io.FileIO, limit: int) -> StreamReader:
    """Return a reader of ``file``, which is closed with its connection, or at once if the call fails."""
    try:
        protocol, reader = make_protocol(loop, limit)
        PipeReadTransport(loop, file, protocol)
    except BaseException:
        file.close()
        raise
    # Without a writer, only the reader keeps the connection in use.
    reader._sluiceway.guard = protocol._sluiceway.guard(reader)
    return reader


def open_writer(loop: asyncio.AbstractEventLoop, file: io.FileIO) -> StreamWriter:
    """Return a writer to ``file``, which is closed with its connection, or at once if the call fails."""
    try:
        protocol = FlowControlMixin(loop)
        return StreamWriter(PipeWriteTransport(loop, file, protocol), protocol, None, loop)
    except BaseException:
        file.close()
        raise
