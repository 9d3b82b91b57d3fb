"""StreamHalves: the reader and the writer of a Stream. Every part of the class Stream uses them."""

from __future__ import annotations

import asyncio
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any, Self

from .._asyncio.reader import StreamReader
from .._asyncio.writer import StreamWriter
from .._connection.connection import Connection, is_pipe
from .._implementation import core
from .connect_error import ConnectTimings

if TYPE_CHECKING:
    from .._core import StreamReads, as_seconds
else:
    StreamReads, as_seconds = core.StreamReads, core.as_seconds


class StreamHalves(StreamReads):
    """The base class of all parts of Stream. Only this class and its bases in the core have fields.

    ``_reader`` is None for a stream that can only be written, and ``_writer`` for one that can only be read.
    ``_links``: see _connections().
    """

    __slots__ = ("__weakref__", "_links", "_timings", "_writer")

    _writer: StreamWriter | None
    _timings: ConnectTimings | None

    def __init__(self, reader: StreamReader | None, writer: StreamWriter | None) -> None:
        _check_halves(reader, writer)
        StreamReads.__init__(self, reader)
        self._writer = writer
        self._timings = None
        self._links = _connections_of(reader, writer)
        for connection in self._links:
            connection.keep_record()

    @classmethod
    def from_pair(
        cls, reader: StreamReader | None, writer: StreamWriter | None, *, idle_timeout: float | None = None
    ) -> Self:
        """Return a Stream of ``reader`` and ``writer``, which stay usable.

        In a handler of ``start_server``: ``stream = sluiceway.Stream.from_pair(reader, writer)``. The stream does not
        close a reader that has no connection of sluiceway, such as one that the program feeds; ``is_closing()``
        ignores it.

        Args:
            reader (sluiceway.StreamReader or None): the reading half. None makes a stream that can only be written.
            writer (sluiceway.StreamWriter or None): the writing half. None makes a stream that can only be read.
            idle_timeout (float or None): the seconds after which an idle connection is aborted; see the property
                ``idle_timeout``. None means that the time is not limited.

        Raises:
            ValueError: ``idle_timeout`` is not greater than 0.
            io.UnsupportedOperation: ``idle_timeout`` is given, and the halves belong to different connections, or the
                reader belongs to no connection of sluiceway.
            TypeError: an argument is not sluiceway's reader or writer, or both are None, or ``idle_timeout`` is not a
                number.
        """
        if idle_timeout is not None:
            as_seconds(idle_timeout, "from_pair(): idle_timeout")
        stream = cls(reader, writer)
        if idle_timeout is not None:
            stream._idle_connection().set_idle_timeout(idle_timeout)
        return stream

    @property
    def reader(self) -> StreamReader:
        """The reading half, for code that takes asyncio's reader.

        Raises:
            io.UnsupportedOperation: the stream can only be written.
        """
        reader: StreamReader | None = self._reader  # type: ignore[assignment]
        if reader is None:
            raise UnsupportedOperation(f"{self!r} has no reader: it can only be written")
        return reader

    @property
    def writer(self) -> StreamWriter:
        """The writing half, for code that takes asyncio's writer.

        Raises:
            io.UnsupportedOperation: the stream can only be read.
        """
        writer = self._writer
        if writer is None:
            raise UnsupportedOperation(f"{self!r} has no writer: it can only be read")
        return writer

    def _connections(self) -> tuple[Connection, ...]:
        """Return the connection, or both if the halves belong to different ones, such as two pipes: the writer's first.

        The tuple of a stream without a writer is empty if its reader was never connected, if the connection had ended
        before the stream was created, or if the reader belongs to a protocol of asyncio or the program.
        """
        return self._links

    def _idle_connection(self) -> Connection:
        """Return the connection of the stream, which may have one half only.

        Raise io.UnsupportedOperation if reader and writer do not share one connection, or if the reader of a stream
        without a writer has no connection of sluiceway.
        """
        receiver = None if self._reader is None else self._reader._sluiceway
        if len(self._links) == 1:
            connection = self._links[0]
            if receiver is None or (connection.receiver_ref is not None and connection.receiver_ref() is receiver):
                return connection
        fault = "has no connection of sluiceway" if self._writer is None else "and writer do not share one connection"
        raise UnsupportedOperation(
            f"idle_timeout is not available for {self!r}, whose reader {fault}; pass timeout= to its methods"
        )

    def _describe(self) -> str:
        """Return the text that names the stream in messages: the addresses of both ends, or the names of the pipes."""
        source = self._describe_input()
        target = source if self._writer is None else self._describe_output()
        return source if source == target else f"{source} and {target}"

    def _describe_output(self) -> str:
        """Return the addresses of both ends, or the name of the pipe that is written. The stream has a writer."""
        return self._links[0].describe()

    def _describe_input(self) -> str:
        """Return the addresses of both ends, or the name of the pipe that is read. The stream may have no reader."""
        transport = None if self._reader is None else self._reader._sluiceway.transport
        # _links lacks the connection of the output of asyncio's child processes.
        pipe = transport.get_extra_info("pipe") if transport is not None and is_pipe(transport) else None
        name = getattr(pipe, "name", None)
        if name is not None:
            return f"pipe {name}"
        if self._links:
            return self._links[-1].describe()
        return "a stream that is not connected" if transport is None else f"connection over {type(transport).__name__}"

    def _moved_bytes(self) -> tuple[int, int]:
        """See TimedStream._moved_bytes()."""
        received = sent = 0
        for connection in self._links:
            data, overhead, accepted = connection.progress()
            received += data + overhead
            sent += accepted
        return received, sent

    def _marked(self, error: ConnectionError) -> ConnectionError:
        """Mark ``error`` as an error of this connection: if the connection's handler raises it, it is not reported."""
        if self._links:
            self._links[0].flow.mark(error)
        return error


def _check_halves(reader: Any, writer: Any) -> None:
    if isinstance(reader, core.WriteOperations) and (writer is None or isinstance(writer, core.ReadOperations)):
        raise TypeError(f"from_pair(): reader must not be a writer: {reader!r}; the order is from_pair(reader, writer)")
    # While sluiceway is installed, asyncio's readers and writers count as instances of StreamReader and StreamWriter.
    if reader is not None and not isinstance(reader, core.ReadOperations):
        raise TypeError(f"from_pair(): reader must be a sluiceway.StreamReader or None, not {_name_of(reader)}")
    if writer is not None and not isinstance(writer, core.WriteOperations):
        raise TypeError(f"from_pair(): writer must be a sluiceway.StreamWriter or None, not {_name_of(writer)}")
    if reader is None and writer is None:
        raise TypeError("from_pair(): reader and writer are both None; give at least one of them")


def _name_of(half: Any) -> str:
    """Return the class and the value of ``half``, for a message. If it is asyncio's, add what to do."""
    own = isinstance(half, (core.ReadOperations, core.WriteOperations))
    if isinstance(half, asyncio.StreamReader | asyncio.StreamWriter) and not own:
        hint = "; within sluiceway.installed(), asyncio makes sluiceway's; sluiceway.lines() accepts every reader"
        return f"asyncio's {type(half).__name__!r}: {half!r}{hint}"
    return f"{type(half).__name__!r}: {half!r}"


def _connections_of(reader: StreamReader | None, writer: StreamWriter | None) -> tuple[Connection, ...]:
    found: list[Connection] = [] if writer is None else [writer._sluiceway.connection]
    # The public names would end corking on the loop's own transports.
    transport = None if reader is None else reader._sluiceway.transport
    if transport is not None and (writer is None or transport is not writer._sluiceway.transport):
        try:
            connection = transport.get_protocol()._sluiceway
        except AttributeError:
            # The protocol of asyncio or of the program.
            return tuple(found)
        if isinstance(connection, Connection) and connection not in found:
            found.append(connection)
    return tuple(found)
