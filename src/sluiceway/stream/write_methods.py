"""StreamWriting: the methods of Stream that send."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable
from io import UnsupportedOperation
from typing import IO, TYPE_CHECKING, Any

from .._asyncio.argument_checks import check_explicit_hostname
from .._asyncio.writer import StreamWriter
from .._connection.connection import Connection
from .._connection.starttls import upgrade_to_tls
from .._constants import TLS_HANDSHAKE_TIMEOUT
from .._implementation import core
from .flush import drain, flush, raise_if_discarded
from .halves import StreamHalves
from .send_file import check_file, send_file
from .timing import Deadline

if TYPE_CHECKING:
    from .._core import as_seconds
    from .._core.validation import BytesLike
else:
    as_seconds = core.as_seconds


class StreamWriting(StreamHalves):
    """The methods of Stream that send."""

    __slots__ = ()

    async def send(self, data: BytesLike | Iterable[BytesLike], *, timeout: float | None = None) -> None:
        """Send ``data``; wait while too much data is buffered.

        If more than the high-water mark (64 KiB by default) is buffered, the call waits until at most the low-water
        mark (16 KiB) is left. If the call is cancelled or times out, ``data`` is still sent whole: a message is never
        cut. One exception: a call that was still waiting for ``sendfile()`` or ``start_tls()`` of another task sends
        nothing.

        Args:
            data (a bytes-like object, or an iterable of them): the data to send. Later changes of a mutable object have
                no effect. Several buffers are sent as one.
            timeout (float or None): the seconds that the call may wait.

        Raises:
            TypeError: ``data`` is not a bytes-like object or an iterable of them, or ``timeout`` is not a number.
            ValueError, BufferError: ``data`` cannot be read, for example a memoryview that was released. Or ``timeout``
                is not greater than 0 (ValueError).
            io.UnsupportedOperation: the stream can only be read.
            TimeoutError: the peer did not accept enough data in time. The message names the peer and the seconds.
            ConnectionError: the stream was closed, or the connection has ended without an error. If that was before the
                call, nothing was sent.
            RuntimeError: ``send_eof()`` was called before.
            Exception: the error of a lost connection, for example the TimeoutError of ``idle_timeout``. If the loss was
                before the call, nothing was sent. Or the exception that was passed to ``set_exception()`` of the
                reader before the call; ``data`` was sent nevertheless.

        Source: trio's ``send_all``, Go's ``Write``.
        """
        writer = self._writer
        if writer is None:
            # Raises.
            writer = self._sending_half("send")
        sender = writer._sluiceway
        record = sender.connection.record
        # As _open_writer() does, without a call for it.
        if record.eof_sent or not sender.can_send():
            # Raises.
            self._open_writer("send")
        if timeout is not None:
            as_seconds(timeout, "send(): timeout", self)
        if type(data) is not bytes and _is_several(data, self):
            data = b"".join([one if type(one) is bytes else core.as_bytes(one, "send", self) for one in data])
        if record.send_lock is not None:
            # Later changes of a mutable object have no effect.
            await self._send_in_turn(core.as_bytes(data), timeout, "send")
            return
        writer.write(data)  # type: ignore[arg-type]
        # As drain() begins, without a coroutine for it.
        if not sender.has_room():
            await self._wait_in_time(writer, timeout, "send")

    async def flush(self, *, timeout: float | None = None) -> None:
        """Wait until the kernel has accepted every byte that was written before the call.

        That does not mean that the peer has received them; only an answer of the peer shows that. The call does not
        wait for the rest of a ``sendfile()`` of another task, nor for sends that wait for ``sendfile()`` or
        ``start_tls()``. If the call is cancelled or times out, the data is still sent.

        Args:
            timeout (float or None): the seconds that the call may take.

        Raises:
            ValueError, TypeError: ``timeout`` is not a number of seconds greater than 0.
            io.UnsupportedOperation: the stream can only be read.
            TimeoutError: the kernel has not accepted the data in time. The message names the peer and the seconds.
            ConnectionError: the stream was closed, or the connection has ended without an error.
            Exception: the error of a lost connection. Or, if the call has to wait, the exception that was passed to
                ``set_exception()`` of the reader before the call.

        Source: Go's ``bufio.Writer.Flush``.
        """
        writer = self._open_writer("flush", after_eof=True)
        async with self._in_time(timeout, "flush"):
            await flush(writer)

    async def send_eof(self, *, timeout: float | None = None) -> None:
        """End the writing direction after the data that was sent (TCP: with a FIN).

        The call waits until the kernel has accepted that data. The stream can still be read. A second call only waits.
        If the call is cancelled or times out, the direction still ends. One exception: a call that was still waiting
        for ``sendfile()`` or ``start_tls()`` of another task has no effect.

        Args:
            timeout (float or None): the seconds that the call may take.

        Raises:
            ValueError, TypeError: ``timeout`` is not a number of seconds greater than 0.
            io.UnsupportedOperation: the stream can only be read.
            NotImplementedError: the stream cannot end one direction alone, for example over TLS. Use ``aclose()``.
            TimeoutError: the kernel has not accepted the data in time. The message names the peer and the seconds.
            ConnectionError: the stream was closed, or the connection has ended without an error.
            Exception: the error of a lost connection. If the event loop has not processed a reset that arrived before
                the call, the call returns normally, and the next read raises the error. Or, if the call has to wait,
                the exception that was passed to ``set_exception()`` of the reader before the call.

        Source: trio's and anyio's ``send_eof``, Go's ``CloseWrite``.
        """
        writer = self._sending_half("send_eof")
        connection = writer._sluiceway.connection
        record = connection.keep_record()
        async with self._in_time(timeout, "send_eof"):
            if record.send_lock is not None:
                await record.wait_to_send()
            if not (record.eof_sent and _ended_by_eof(connection)):
                self._open_writer("send_eof", after_eof=True)
            if not record.eof_sent:
                if not writer.can_write_eof():
                    raise NotImplementedError(f"send_eof(): {self!r} cannot end one direction alone; use aclose()")
                writer.write_eof()
                record.eof_sent = True
            await flush(writer)

    async def sendfile(
        self, file: IO[bytes], offset: int = 0, count: int | None = None, *, timeout: float | None = None
    ) -> int:
        """Send ``count`` bytes of ``file`` from ``offset``, and wait until the kernel has accepted them.

        Over a socket without TLS, the kernel copies from the file (``os.sendfile``) where the system and the file allow
        it. Otherwise the file is read in pieces, in a thread: for example a gzip.GzipFile, whose decompressed content
        is sent. What the program has written to ``file`` before the call is flushed. The position of ``file`` is
        undefined afterwards. Several streams may send the same file at the same time.

        Meanwhile ``send()``, ``send_frame()``, ``send_eof()``, ``start_tls()`` and ``sendfile()`` of other tasks wait
        until this call has ended, and continue in the order of their calls. Data that the program writes directly to
        ``stream.writer`` does not wait: it is sent whole, between two pieces of the file.

        If the call is cancelled or times out, the peer gets the beginning of the data, up to an unknown byte.

        Args:
            file (a binary file): an open file with ``seek()`` and ``read()``.
            offset (int): the position of the first byte, at least 0.
            count (int or None): the number of bytes, at least 0. None means up to the end of the file.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The number of bytes that were sent. It is less than ``count`` if the file ends before.

        Raises:
            ValueError, TypeError: ``offset`` or ``count`` is negative or not an integer; ``file`` is a text file, is
                not open for reading, has no ``seek()``, or is closed before or during the call; or ``timeout`` is not a
                number greater than 0.
            io.UnsupportedOperation: the stream can only be read.
            TimeoutError: the peer did not accept the data in time. The message names the peer and the seconds.
            ConnectionError: the stream was closed, or the connection has ended without an error.
            RuntimeError: ``send_eof()`` was called before.
            OSError: a read of the file failed.
            Exception: the error of a lost connection. Or, unless the kernel copies from the file and accepts all data
                at once, the exception that was passed to ``set_exception()`` of the reader.

        Source: ``socket.sendfile``, ``asyncio.loop.sendfile``, Go's ``io.Copy``.
        """
        checked_offset, checked_count = check_file(file, offset, count, self)
        writer = self._open_writer("sendfile")
        async with self._in_time(timeout, "sendfile"):
            async with writer._sluiceway.connection.keep_record().sending_alone():
                # Another task may have closed the stream or called send_eof() while this one waited.
                self._open_writer("sendfile")
                return await send_file(writer, file, checked_offset, checked_count)

    async def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        server_side: bool | None = None,
        strict_eof: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Upgrade the connection to TLS, and return when the handshake is complete.

        The data of earlier ``send()`` calls is sent first, unencrypted. If the call is cancelled or times out while it
        waits for room in the write buffer, or for ``sendfile()`` of another task, the connection stays open and
        unencrypted. If that happens later, the connection is aborted, and data that is still unsent is discarded. Later
        reads and sends then raise ConnectionAbortedError.

        During the call, ``send()``, ``send_frame()`` and ``sendfile()`` of other tasks wait, and continue over TLS.
        ``start_tls()`` of another task waits too, and then does a second handshake inside the TLS connection. That of
        ``stream.writer`` raises RuntimeError. ``send_eof()`` waits too, and then raises NotImplementedError. Data that
        the program writes directly to ``stream.writer`` is sent unencrypted, and breaks the handshake. On the server,
        unread bytes are the beginning of the handshake, including those of ``push_back()``. So a server can ``peek()``
        at the first bytes to distinguish TLS from another protocol.

        Args:
            context (ssl.SSLContext): the TLS context, which is not modified.
            server_hostname (str or None): the name that the peer's certificate must match. On the client, a
                context that checks host names requires a name that is not empty.
            server_side (bool or None): True to act as the TLS server, False as the TLS client. None means True for an
                accepted connection, else False.
            strict_eof (bool): True to raise an error for a connection that ends without close_notify; see
                ``open_connection``.
            timeout (float or None): the seconds that the call may take. None means 60 for the handshake alone.

        Raises:
            PlaintextBeforeTLSError: this side is the client, and unencrypted bytes have arrived that were not read, or
                were pushed back. The connection is unchanged.
            RuntimeError: the stream is dropping the rest of an overlong record, or of a cancelled ``skip()``; read the
                next record first. Or ``send_eof()`` was called before. The connection is unchanged.
            ssl.SSLError: the handshake failed, and the connection is closed. The message names the peer.
            TimeoutError: the call took longer than ``timeout``. The connection is aborted, except as described above.
            ConnectionError: the stream was closed, the connection ended, or the handshake took 60 seconds without a
                ``timeout``.
            Exception: the error of a lost connection, or the exception that was passed to ``set_exception()`` of the
                reader before the call.
            TypeError: an argument has a wrong type.
            ValueError: ``server_hostname`` is not a valid host name, or it is missing or empty and the context checks
                host names; the context is for the other side; or ``timeout`` is not greater than 0.
            io.UnsupportedOperation: the stream is a pipe, terminal or file, or has no writer.

        Source: anyio's ``TLSStream.wrap``, ``asyncio.StreamWriter.start_tls``.
        """
        given: tuple[tuple[str, Any, Any, str], ...] = (
            ("context", context, ssl.SSLContext, "an ssl.SSLContext"),
            ("server_hostname", server_hostname, str | None, "a str or None"),
            ("server_side", server_side, bool | None, "a bool or None"),
            ("strict_eof", strict_eof, bool, "a bool"),
        )
        for name, value, kind, accepted in given:
            if not isinstance(value, kind):
                raise TypeError(
                    f"start_tls(): {name} argument must be {accepted}, not {type(value).__name__!r}: {value!r} "
                    f"({self!r})"
                )
        writer = self._open_writer("start_tls")
        if writer._sluiceway.connection.get_extra_info("pipe") is not None:
            raise UnsupportedOperation(f"start_tls(): {self!r} is not a connection, which TLS needs")
        connection = writer._sluiceway.connection
        connection.keep_record()
        check_explicit_hostname(server_hostname, context, "start_tls", connection.describe())
        async with self._in_time(timeout, "start_tls"):
            await upgrade_to_tls(
                writer,
                connection,
                context,
                in_turn=True,
                server_hostname=server_hostname,
                server_side=server_side,
                strict_eof=strict_eof,
                # Later than the end of ``timeout``, which raises the TimeoutError.
                ssl_handshake_timeout=None if timeout is None else timeout + TLS_HANDSHAKE_TIMEOUT,
            )

    async def _send_in_turn(self, data: bytes, timeout: float | None, call: str) -> None:
        """Wait for a running sendfile() or start_tls(), and for the calls that wait already. Then send ``data``."""
        async with self._in_time(timeout, call):
            await self._links[0].keep_record().wait_to_send()
            writer = self._open_writer(call)
            writer.write(data)
            await _wait_for_room(writer)

    async def _wait_in_time(self, writer: StreamWriter, timeout: float | None, call: str) -> None:
        """Wait as _wait_for_room() does, at most ``timeout`` seconds, or without this limit if it is None.

        ``call``: the name of the call in the message of the TimeoutError.
        """
        sender = writer._sluiceway
        if sender.budget_exhausted():
            await sender.yield_to_loop()
            if sender.has_room():
                return
        async with self._in_time(timeout, call):
            await _wait_for_room(writer)

    def _in_time(self, timeout: float | None, operation: str) -> Deadline | contextlib.nullcontext[None]:
        """Return a context manager that limits its block to ``timeout`` seconds, or, for None, does not limit it."""
        return contextlib.nullcontext() if timeout is None else Deadline(self, timeout, operation)

    def _open_writer(self, call: str, *, after_eof: bool = False) -> StreamWriter:
        """Return the writer. Raise the error of the connection if nothing can be sent any more (contract W5).

        Raise RuntimeError after send_eof(), unless ``after_eof``, and io.UnsupportedOperation without a writer.
        """
        writer = self._writer
        if writer is None:
            writer = self._sending_half(call)
        sender = writer._sluiceway
        if not sender.can_send():
            raise sender.connection.send_error()
        if sender.connection.record.eof_sent and not after_eof:
            raise RuntimeError(f"{call}(): not possible after send_eof() ({self!r})")
        return writer

    def _sending_half(self, call: str) -> StreamWriter:
        writer = self._writer
        if writer is None:
            raise UnsupportedOperation(f"{call}(): {self!r} has no writer: it can only be read")
        return writer


def _ended_by_eof(connection: Connection) -> bool:
    """Return True if ``connection`` is a pipe that was neither closed nor aborted, and has no error.

    After ``send_eof()``, True means that nothing else has ended the pipe.
    """
    if connection.closing or connection.error is not None or connection.keep_record().is_aborting():
        return False
    return connection.get_extra_info("pipe") is not None


async def _wait_for_room(writer: StreamWriter) -> None:
    """Wait as drain() does. Also raise an error if the connection was aborted meanwhile with bytes unsent."""
    await drain(writer)
    raise_if_discarded(writer._sluiceway.connection)


def _is_several(data: Any, stream: StreamWriting) -> bool:
    """Return False if ``data`` is a buffer, and True if it is another iterable, whose items are not checked.

    Raise what core.as_bytes() raises for anything else, and for a buffer that cannot be read. A str, a dict, and what
    must be awaited, are not accepted as iterables.
    """
    try:
        memoryview(data)
        return False
    except TypeError:
        if isinstance(data, Iterable) and not isinstance(data, str | dict) and not core.must_be_awaited(data):
            return True
    except (ValueError, BufferError):
        pass
    # Raises.
    core.as_bytes(data, "send", stream)
    return False
