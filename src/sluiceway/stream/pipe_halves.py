"""The reader and the writer of a pipe, a terminal, a file or a device, and of a socket that stdio() uses."""

from __future__ import annotations

import asyncio
import io
import sys

from .._asyncio.open_connection import make_protocol
from .._asyncio.protocol import FlowControlMixin
from .._asyncio.reader import StreamReader, creation_stack
from .._asyncio.writer import StreamWriter
from .._transports.pipe_transports import PipeReadTransport, PipeWriteTransport
from .stream import Stream


def require_pipes(call: str) -> None:
    """Raise NotImplementedError on Windows. ``call``: for the message."""
    if sys.platform == "win32":
        raise NotImplementedError(
            f"{call} is not available on Windows, whose event loops cannot watch pipes; use a socket, or asyncio's "
            "subprocess functions"
        )


def open_reader(loop: asyncio.AbstractEventLoop, file: io.FileIO, limit: int) -> StreamReader:
    """Return a reader of ``file``. The file is closed with the connection, or at once if the call fails."""
    transport: PipeReadTransport | None = None
    try:
        protocol, reader = make_protocol(loop, limit)
        transport = PipeReadTransport(loop, file, protocol)
        # Without a writer, only the reader keeps the connection in use.
        reader._sluiceway.guard = protocol._sluiceway.guard(reader)
        return reader
    except BaseException:
        _discard(loop, transport, file)
        raise


def open_writer(loop: asyncio.AbstractEventLoop, file: io.FileIO) -> StreamWriter:
    """Return a writer to ``file``. The file is closed with the connection, or at once if the call fails."""
    transport: PipeWriteTransport | None = None
    try:
        protocol = FlowControlMixin(loop)
        transport = PipeWriteTransport(loop, file, protocol)
        protocol._sluiceway.created_at = creation_stack(loop)
        return StreamWriter(transport, protocol, None, loop)
    except BaseException:
        _discard(loop, transport, file)
        raise


def _discard(
    loop: asyncio.AbstractEventLoop, transport: PipeReadTransport | PipeWriteTransport | None, file: io.FileIO
) -> None:
    """Close ``file``. With a ``transport``, call its discard(), which stops watching the file before it closes it."""
    if transport is None:
        close_file(loop, file)
    else:
        transport.discard()


def close_file(loop: asyncio.AbstractEventLoop, file: io.FileIO) -> None:
    """Stop watching ``file`` and close it. Without an effect if it is closed.

    An exception of a signal handler may have ended the call that has created the transport before the caller had the
    transport. If a file is closed while uvloop watches it, uvloop ends the process.
    """
    if file.closed:
        return
    try:
        loop.remove_reader(file.fileno())
        loop.remove_writer(file.fileno())
    finally:
        file.close()


def open_stream(
    loop: asyncio.AbstractEventLoop, incoming: io.FileIO | None, outgoing: io.FileIO | None, limit: int
) -> Stream:
    """Return a Stream that reads ``incoming`` and writes to ``outgoing``. If the call fails, both are closed."""
    reader: StreamReader | None = None
    writer: StreamWriter | None = None
    try:
        if incoming is not None:
            reader = open_reader(loop, incoming, limit)
        if outgoing is not None:
            writer = open_writer(loop, outgoing)
        return Stream(reader, writer)
    except BaseException:
        if reader is not None:
            reader._transport.discard()
        if writer is not None:
            writer.transport.discard()  # type: ignore[attr-defined]
        for file in (incoming, outgoing):
            if file is not None:
                close_file(loop, file)
        raise
