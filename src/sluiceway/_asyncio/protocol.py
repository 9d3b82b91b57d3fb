"""The protocols between a transport and the streams: FlowControlMixin and StreamReaderProtocol."""

from __future__ import annotations

import asyncio
import traceback
import weakref
from asyncio import streams as asyncio_streams
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .._connection.connection import Connection, is_pipe
from .._connection.handler_tasks import handler_ended, start_handler
from .._implementation import core
from .._log import logger
from .._net.addresses import name_peer
from .argument_checks import check_close_timeout
from .instance_check import InstanceCheck
from .reader import StreamReader
from .writer import StreamWriter

if TYPE_CHECKING:
    from .._core import ProtocolOperations, ReadOperations
else:
    ProtocolOperations = core.ProtocolOperations
    ReadOperations = core.ReadOperations

ClientConnected = Callable[[StreamReader, StreamWriter], Awaitable[object] | None]


class FlowControlMixin(ProtocolOperations, asyncio_streams.FlowControlMixin, metaclass=InstanceCheck):
    """The protocol of a write-only transport, for example of standard output with ``loop.connect_write_pipe``.

    ``StreamWriter.drain`` waits while the transport has paused this protocol. In contrast to asyncio's class, this
    class records the end of its connection, so ``StreamWriter.wait_closed`` works with it.

    Args:
        loop (asyncio.AbstractEventLoop or None): the event loop. None means ``asyncio.get_event_loop()``.
    """

    # An instance dict would take more memory than the rest of the object.
    __slots__ = ()

    _sluiceway: Connection

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        if loop is None:
            loop = asyncio.get_event_loop()
        ProtocolOperations.__init__(self, Connection(loop))

    def _sluiceway_begin(self) -> None:
        # As in asyncio, this needs no loop: then it is None until the program assigns it.
        loop: Any = asyncio._get_running_loop()
        ProtocolOperations.__init__(self, Connection(loop))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport once, when the transport can carry data."""
        self._sluiceway.attach(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport when the connection has ended.

        ``exc`` is the error that ended the connection. None means that one side closed it, or that this side aborted
        it.
        """
        connection = self._sluiceway
        error = connection.end_error(exc)
        connection.lose(error)
        connection.flow.end(error)

    def _sluiceway_finish_lost(self, error: Exception | None) -> None:
        FlowControlMixin.connection_lost(self, error)

    def _sluiceway_renew(self) -> Connection:
        """Give the protocol a new Connection, for the pipe of a new writer, and return it. Older writers keep theirs.

        Called if the Connection of the protocol is lost, and connection_made() has not attached the new pipe. That is
        so in a subclass that ignores later calls of connection_made(), as aioconsole's does.
        """
        ProtocolOperations.__init__(self, Connection(self._loop, self._sluiceway.close_timeout))
        return self._sluiceway

    def pause_writing(self) -> None:
        """Called by the transport when its buffer exceeds the high-water mark. StreamWriter.drain() then waits."""
        super().pause_writing()
        if self._loop.get_debug():
            logger.debug("%s pauses writing", self._sluiceway.describe())

    def resume_writing(self) -> None:
        """Called by the transport when its buffer has shrunk to the low-water mark. StreamWriter.drain() returns."""
        super().resume_writing()
        if self._loop.get_debug():
            logger.debug("%s resumes writing", self._sluiceway.describe())

    def _get_close_waiter(self, stream: Any) -> asyncio.Future[None]:
        return self._sluiceway.closed_waiter()


class StreamReaderProtocol(FlowControlMixin, asyncio.StreamReaderProtocol):
    """Passes received bytes of a transport to a StreamReader; for ``loop.create_connection`` and similar methods.

    Args:
        stream_reader (StreamReader, asyncio.StreamReader or None): the reader to feed. The protocol holds only a weak
            reference to the reader; with ``client_connected_cb``, a strong one until the connection is made.
        client_connected_cb (callable or None): called as ``cb(reader, writer)`` when the connection is made. An
            awaitable that ``cb`` returns runs as a task. None for a client connection.
        loop (asyncio.AbstractEventLoop or None): the event loop. None means ``asyncio.get_event_loop()``.

    Source: https://docs.python.org/3/library/asyncio-protocol.html
    """

    __slots__ = (
        "_client_connected_cb",
        "_over_ssl",
        "_stream_reader_wr",
        "_strong_reader",
        "_task",
    )

    _source_traceback: traceback.StackSummary | None = None
    _reject_connection = False

    def __init__(
        self,
        stream_reader: StreamReader | asyncio.StreamReader | None,
        client_connected_cb: ClientConnected | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if loop is None:
            loop = asyncio.get_event_loop()
        ProtocolOperations.__init__(self, Connection(loop))
        self._stream_reader_wr: weakref.ref[Any] | None = None
        # Nothing else refers to the reader of an accepted connection before its handler starts.
        self._strong_reader = stream_reader if client_connected_cb is not None else None
        if stream_reader is not None:
            self._stream_reader_wr = weakref.ref(stream_reader)
            # A class that overrides data_received must receive every byte through it.
            reader: Any = stream_reader
            ours = issubclass(type(reader), ReadOperations)
            if ours and type(self).data_received is StreamReaderProtocol.data_received:
                self._sluiceway.receiver_ref = weakref.ref(reader._sluiceway)
                # Also without a writer.
                reader._sluiceway.connection = self._sluiceway
            stack = getattr(stream_reader, "_source_traceback", None)
            if stack is not None:
                self._source_traceback = stack
        self._client_connected_cb = client_connected_cb
        self._task: asyncio.Future[Any] | None = None
        self._over_ssl = False

    @property
    def _transport(self) -> Any:
        self._sluiceway.share_transport()
        return self._sluiceway.protocol_transport

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        # Before __init__(), which sets the attribute, an assignment has no effect.
        if self._sluiceway_started():
            self._sluiceway.protocol_transport = transport

    @property
    def _stream_reader(self) -> Any:
        return self._stream_reader_wr() if self._stream_reader_wr is not None else None

    @property
    def _stream_writer(self) -> Any:
        assigned = self._sluiceway.assigned_writer
        if assigned is not None:
            return assigned[0]
        writer_ref = self._sluiceway.writer_ref
        return writer_ref() if writer_ref is not None else None

    @_stream_writer.setter
    def _stream_writer(self, writer: Any) -> None:
        if self._sluiceway_started():
            self._sluiceway.assigned_writer = (writer,)

    @property
    def _closed(self) -> asyncio.Future[None]:
        # asyncio's name. Some subclasses resolve this future instead of calling connection_lost() of this class.
        return self._sluiceway.closed_future()

    @_closed.setter
    def _closed(self, future: asyncio.Future[None]) -> None:
        if self._sluiceway_started():
            self._sluiceway.use_closed_future(future)

    @property
    def close_timeout(self) -> float | None:
        """The close timeout in seconds (float), which may be assigned. None means that a close waits without a limit.

        A closing connection with unsent data is aborted when the kernel has accepted no data, and the peer has
        acknowledged none, for this time or up to twice as long.

        Raises:
            ValueError, TypeError: the assigned value is neither None nor a number greater than 0.
        """
        return self._sluiceway.close_timeout

    @close_timeout.setter
    def close_timeout(self, seconds: float | None) -> None:
        check_close_timeout(seconds)
        self._sluiceway.close_timeout = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport once, when the transport can carry data.

        If the protocol has a ``client_connected_cb``, the method creates the StreamWriter and calls the callback.
        """
        connection = self._sluiceway
        if connection.lost:
            # The setup of an accepted connection was abandoned.
            transport.abort()  # type: ignore[attr-defined]
            return
        try:
            self._replace_transport(transport)
            if self._sluiceway.lost:
                # A signal handler has abandoned the setup just before.
                connection.transport = connection.protocol_transport = None
                transport.abort()  # type: ignore[attr-defined]
                return
            reader = self._strong_reader
            if reader is None:
                reader = self._stream_reader
            if reader is not None:
                reader.set_transport(transport)
            if self._source_traceback is not None:
                connection.created_at = self._client_connected_cb or self._source_traceback
            if self._client_connected_cb is not None:
                self._strong_reader = None
                connection.assigned_writer = None
                # A transport of an accepted connection is always writable.
                writer = StreamWriter(transport, self, reader, connection.loop)  # type: ignore[arg-type]
                task = start_handler(connection, self, self._client_connected_cb, reader, writer)
                if task is not None and not task.done():
                    self._task = task
        except BaseException as error:
            owner = connection.owner
            if owner is None:
                raise
            # Without a handler, nothing closes this connection.
            transport.abort()  # type: ignore[attr-defined]
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise
            owner.setup_failed(connection, error)

    def _replace_transport(self, transport: Any) -> None:
        connection = self._sluiceway
        connection.protocol_transport = transport
        connection.attach(transport)
        over_ssl = self._over_ssl = transport.get_extra_info("sslcontext") is not None
        if over_ssl and hasattr(transport, "set_read_buffer_limits"):
            reader = self._stream_reader
            if issubclass(type(reader), ReadOperations):
                # The reader's own bound does not include the encrypted data that the loop's TLS buffers.
                transport.set_read_buffer_limits(high=reader._limit)

    def _replace_writer(self, writer: Any) -> None:
        # A private name of CPython 3.11 and 3.12.
        self._replace_transport(writer.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport when the connection has ended.

        ``exc`` is the error that ended the connection. None means that one side closed it, or that this side aborted
        it. The reader gets the error, or end of file.

        A program may share one protocol between the pipe of the reader and the pipes of writers (aioconsole does, for
        standard input, output and error). Then the writers stay open when the reader's pipe ends. The end or the close
        of one writer's pipe ends all writers: later data is discarded.
        """
        reader_ref = self._stream_reader_wr
        reader = reader_ref() if reader_ref is not None else None
        connection = self._sluiceway
        error = connection.end_error(exc)
        if reader is not None:
            if error is None:
                if issubclass(type(reader), ReadOperations):
                    # Must precede feed_eof(): eof_reason depends on whether the peer had ended the stream before.
                    reader._sluiceway.transport_ended()
                reader.feed_eof()
            elif getattr(reader.set_exception, "__func__", None) is ReadOperations.set_exception:
                reader._sluiceway.lost(error)
            else:
                reader.set_exception(error)
        pipe = is_pipe(connection.transport)
        if pipe and connection.lost_reading_pipe():
            connection.protocol_transport = None
            return
        connection.lose(error)
        connection.flow.end(error)
        if not pipe:
            self._stream_reader_wr = None
        connection.writer_ref = None
        connection.assigned_writer = None
        connection.protocol_transport = None

    def _sluiceway_finish_lost(self, error: Exception | None) -> None:
        StreamReaderProtocol.connection_lost(self, error)

    def data_received(self, data: bytes) -> None:
        """Called by the transport with received bytes, which the method passes to the reader.

        The connections of sluiceway's own functions usually pass the bytes to the reader without this method. A method
        that a subclass overrides is always called. A method that is replaced on one object is not called on every
        transport: not on the engine, for example, nor over TLS.
        """
        reader_ref = self._stream_reader_wr
        reader = reader_ref() if reader_ref is not None else None
        # After a loss the reader has ended, but the reader's pipe of a shared protocol may still be open.
        if reader is not None and not self._sluiceway.lost:
            reader.feed_data(data)

    def eof_received(self) -> bool:
        """Called by the transport when the peer has ended its direction (TCP: with a FIN).

        Returns:
            True to keep the transport open for writing. Over TLS the method returns False, and the transport closes,
            because TLS connections cannot be half-closed.
        """
        reader = self._stream_reader
        if reader is not None:
            reader.feed_eof()
        connection = self._sluiceway
        # _over_ssl is False after loop.start_tls(). The writer that the program then creates attaches its transport.
        if connection.over_loop_tls():
            # The loop's transport closes after this method returns, and does not report that; sluiceway's does.
            connection.loop.call_soon(connection.bound_close)
            return False
        return not self._over_ssl

    def _sluiceway_handler_ended(self, task: asyncio.Future[Any]) -> None:
        self._task = None
        handler_ended(self._sluiceway, self, task)

    def _sluiceway_truncated(self, error: BaseException) -> None:
        reader = self._stream_reader
        if issubclass(type(reader), ReadOperations):
            name_peer(error, self._sluiceway.describe())
            reader._sluiceway.truncation = error

    def __del__(self) -> None:
        # Overrides asyncio's, which uses a future that this class does not have.
        pass
