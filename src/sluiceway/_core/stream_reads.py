# cython: nonecheck=True
"""The methods of Stream that read. Their state is the Receiver of the stream's reader.

They are in the core, which can be compiled: a method of Python that awaits a compiled one takes 1.5 times as long.
"""

from __future__ import annotations

from .._constants import DEFAULT_LIMIT, READ_ALL_MAXIMUM
from .._errors import LimitOverrunError
from . import caller_buffer as caller_buffers
from . import read_by_size, read_operations
from . import read_until as records
from .chunk_buffer import ChunkBuffer
from .discard import Discard
from .stream_waits import StreamWaits
from .validation import BytesLike, as_bytes, as_separators, as_size, as_writable, release_view


class Stream(StreamWaits):
    """The base class of the public Stream, imported as StreamReads. Messages of Python contain the name Stream."""

    __slots__ = ()

    # -- a number of bytes --------------------------------------------------------------------------------------------

    async def read(self, max_bytes: float = DEFAULT_LIMIT, *, timeout: float | None = None) -> bytes:
        """Read what has arrived: at least one byte, at most ``max_bytes``.

        A call that is cancelled or times out takes nothing from the stream.

        Args:
            max_bytes (int or math.inf): the greatest number of bytes to return, greater than 0; 64 KiB by default.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The bytes. ``b""`` at the end of the stream.

        Raises:
            ValueError: ``max_bytes`` or ``timeout`` is not greater than 0.
            TypeError: ``max_bytes`` is neither an integer nor ``math.inf``, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream, after what arrived has been read.

        Source: tokio's ``read``, Go's ``Read``.
        """
        receiver = self._receiver_for("read")
        n = as_size(max_bytes, "read", "max_bytes", 1, self)
        self._begin_limit(timeout, "read")
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop("read")
            waited = False
            while True:
                data = read_by_size.some(receiver, n, waited)
                if data is not None:
                    return data
                future = read_operations.begin_wait(self._reader, receiver, "read")  # type: ignore[arg-type]
                receiver.max_size = n
                try:
                    await future
                finally:
                    receiver.end_wait()
                    del future  # After a time-out, it has the error, whose traceback refers to this frame.
                waited = True
        finally:
            self._end_limit(timeout)

    async def read_exactly(self, n: int, *, timeout: float | None = None) -> bytes:
        """Read exactly ``n`` bytes.

        A call that is cancelled or times out takes nothing from the stream. Memory is allocated as bytes arrive: at
        most 1 MiB beyond the bytes that have arrived, or as much as has arrived if that is more.

        Args:
            n (int): the number of bytes, at least 0.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The bytes. ``b""`` immediately if ``n`` is 0.

        Raises:
            IncompleteReadError: the stream ended before ``n`` bytes. ``partial`` has the bytes before the end, which
                are removed from the stream.
            ValueError: ``n`` is negative, or ``timeout`` is not greater than 0.
            TypeError: ``n`` is not an integer, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream, if fewer than ``n`` bytes arrived
                before the loss or ``n`` is 0; ``read()`` still returns what arrived.

        Source: tokio's ``read_exact``, anyio's ``receive_exactly``, Go's ``io.ReadFull``.
        """
        receiver = self._receiver_for("read_exactly")
        size = as_size(n, "read_exactly", "n", 0, self, True)
        self._begin_limit(timeout, "read_exactly")
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop("read_exactly")
            data = read_by_size.exactly(receiver, size, n, False, self)
            if data is None:
                try:
                    while data is None:
                        receiver.target_size = size
                        future = read_operations.begin_wait(self._reader, receiver, "read_exactly")  # type: ignore[arg-type]
                        try:
                            await future
                        finally:
                            receiver.end_wait()
                            del future
                        data = read_by_size.exactly(receiver, size, n, True, self)
                finally:
                    receiver.end_large_read()
            return data
        finally:
            self._end_limit(timeout)

    async def peek(self, n: int, *, timeout: float | None = None) -> bytes:
        """Return the next ``n`` bytes without taking them: later reads return them again.

        The call waits until ``n`` bytes have arrived or the stream has ended. A call that is cancelled or times out
        changes nothing.

        Args:
            n (int): the number of bytes, greater than 0. The stream buffers that many, whatever its limit.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The bytes. Fewer than ``n`` if the stream ends or is lost before ``n`` bytes; ``b""`` at its end.

        Raises:
            ValueError: ``n`` or ``timeout`` is not greater than 0.
            TypeError: ``n`` is not an integer, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream, if no byte is left to read.

        Source: Go's ``bufio.Reader.Peek``, tokio's ``TcpStream::peek``.
        """
        receiver = self._receiver_for("peek")
        size = as_size(n, "peek", "n", 1, self, True)
        self._begin_limit(timeout, "peek")
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop("peek")
            while not self._can_peek(receiver, size):
                await self._wait_for_size(size, "peek")
            buffer = receiver.buffer
            return buffer.peek(size)
        finally:
            self._end_limit(timeout)

    async def skip(self, n: int, *, timeout: float | None = None) -> None:
        """Drop exactly ``n`` bytes, without storing them.

        If the call is cancelled or times out, the stream continues to drop the rest of the ``n`` bytes as they arrive.
        So the next read starts after them in any case.

        Args:
            n (int): the number of bytes, at least 0.
            timeout (float or None): the seconds that the call may take.

        Raises:
            IncompleteReadError: the stream ended before ``n`` bytes. ``partial`` is ``b""``.
            ValueError: ``n`` is negative, or ``timeout`` is not greater than 0.
            TypeError: ``n`` is not an integer, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream, if fewer than ``n`` bytes arrived
                before the loss; they are dropped.

        Source: Go's ``bufio.Reader.Discard``.
        """
        receiver = self._receiver_for("skip")
        discard = Discard(as_size(n, "skip", "n", 0, self, True), ())
        self._begin_limit(timeout, "skip")
        try:
            if receiver.exception is not None and not receiver.after_data:
                raise receiver.end_error()
            receiver.drop(discard, 0)
            # Only now, because the bytes are dropped even if the call is cancelled.
            if receiver.spend_read():
                await receiver.yield_to_loop("skip")
            await self._wait_until_dropped(discard)
        finally:
            self._end_limit(timeout)

    def push_back(self, data: BytesLike) -> None:
        """Insert ``data`` before the unread bytes, so that the next read returns ``data`` first. Return immediately.

        Args:
            data (a bytes-like object): the bytes. They need not be bytes that a read has returned.

        Raises:
            TypeError: ``data`` is not a bytes-like object.
            ValueError, BufferError: ``data`` cannot be read, for example a memoryview that was released.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.

        Source: Go's ``bufio.Reader.UnreadByte``.
        """
        receiver = self._receiver_for("push_back")
        data = as_bytes(data, "push_back", self)
        if len(data):
            buffer = receiver.buffer
            buffer.prepend(data)
            receiver.end_large_read()

    async def read_all(
        self,
        *,
        max: float = READ_ALL_MAXIMUM,  # noqa: A002 - Go, tokio and users name it so
        timeout: float | None = None,
    ) -> bytes:
        """Read until the end of the stream.

        A call that is cancelled or times out takes nothing from the stream.

        Args:
            max (int or math.inf): the greatest number of bytes to accept, greater than 0; 16 MiB by default.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The bytes, ``b""`` if there are none. If another task closes the stream during the call, what has arrived.

        Raises:
            LimitOverrunError: more than ``max`` bytes arrived before the end. They stay in the stream.
            ValueError: ``max`` or ``timeout`` is not greater than 0.
            TypeError: ``max`` is neither an integer nor ``math.inf``, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream; ``read()`` still returns the bytes.

        Source: Go's ``io.ReadAll`` with ``io.LimitReader``, tokio's ``read_to_end`` with ``take``.
        """
        receiver = self._receiver_for("read_all")
        size = as_size(max, "read_all", "max", 1, self)
        self._begin_limit(timeout, "read_all")
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop("read_all")
            while True:
                buffered = receiver.buffer.size()
                if buffered > size:
                    raise LimitOverrunError(
                        f"read_all(): more than max={max} bytes before the end of {self!r}; the bytes stay in the "
                        "stream; raise max=, or read them in parts with read()",
                        buffered,
                    )
                if receiver.exception is not None and receiver.error_due(buffered, False):
                    raise receiver.end_error()
                if receiver.eof_reached:
                    return receiver.take(buffered)
                await self._wait_for_size(size + 1, "read_all")
        finally:
            self._end_limit(timeout)

    # -- into a buffer of the program ---------------------------------------------------------------------------------

    async def readinto(self, buffer: bytearray | memoryview, *, timeout: float | None = None) -> int:
        """Read what has arrived into ``buffer``: at least one byte, at most the size of the buffer.

        With the compiled core, and if no byte is buffered, the kernel writes directly into ``buffer``; over TLS,
        OpenSSL does if the record fits. A call that is cancelled or times out takes nothing from the stream; the
        content of ``buffer`` is undefined then. During the call, ``buffer`` cannot be resized.

        Args:
            buffer (a writable bytes-like object): the destination, contiguous and not empty.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The number of bytes. 0 at the end of the stream.

        Raises:
            ValueError: ``buffer`` is empty or was released, or ``timeout`` is not greater than 0.
            TypeError: ``buffer`` is not a writable, contiguous bytes-like object, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            MemoryError: no memory to keep the bytes of a cancelled call. They are lost, and every later read raises it.
            Exception: the error of a connection lost before the end of the stream, after what arrived has been read.

        Source: ``io.RawIOBase.readinto``, Go's ``Read``, tokio's ``read_buf``.
        """
        self._receiver_for("readinto")
        self._begin_limit(timeout, "readinto")
        try:
            return await self._read_into(buffer, "readinto", False)
        finally:
            self._end_limit(timeout)

    async def read_exactly_into(self, buffer: bytearray | memoryview, *, timeout: float | None = None) -> None:
        """Fill ``buffer``.

        With the compiled core, the kernel or OpenSSL writes directly into ``buffer``. Only what was buffered before the
        call, and a TLS record that does not fit into the rest, is copied. A call that is cancelled or times out takes
        nothing from the stream; the content of ``buffer`` is undefined then. During the call, ``buffer`` cannot be
        resized.

        Args:
            buffer (a writable bytes-like object): the destination, contiguous and not empty.
            timeout (float or None): the seconds that the call may take.

        Raises:
            IncompleteReadError: the stream ended before ``buffer`` was full. ``partial`` has the bytes before the end,
                which are removed from the stream.
            ValueError: ``buffer`` is empty or was released, or ``timeout`` is not greater than 0.
            TypeError: ``buffer`` is not a writable, contiguous bytes-like object, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            MemoryError: as for ``readinto``.
            Exception: the error of a connection lost before the end of the stream, if fewer bytes arrived before the
                loss; ``read()`` still returns them.

        Source: Go's ``io.ReadFull``, tokio's ``read_exact``.
        """
        self._receiver_for("read_exactly_into")
        self._begin_limit(timeout, "read_exactly_into")
        try:
            await self._read_into(buffer, "read_exactly_into", True)
        finally:
            self._end_limit(timeout)

    async def _read_into(self, buffer: bytearray | memoryview, operation: str, fill: bool) -> int:
        view = as_writable(buffer, operation, self)
        try:
            return await self._read_into_view(view, operation, fill)
        finally:
            release_view(view)  # A traceback would keep it.

    async def _read_into_view(self, view: memoryview, operation: str, fill: bool) -> int:
        receiver = self._receiver_for(operation)
        size = len(view)
        least = size if fill else 1
        if receiver.spend_read():
            await receiver.yield_to_loop(operation)
        while not self._enough(receiver, least):
            unread, direct = receiver.buffer, None
            if receiver.discard is None and type(unread) is ChunkBuffer:
                direct = caller_buffers.caller_buffer(unread, view)
            if direct is None or receiver.buffer is not unread:  # A finalizer may have replaced it.
                await self._wait_for_size(least, operation)
                continue
            receiver.buffer = direct
            receiver.target_size = least
            try:
                future = read_operations.begin_wait(self._reader, receiver, operation)  # type: ignore[arg-type]
                try:
                    await future
                finally:
                    receiver.end_wait()
                    del future
                # Access to ``reader._buffer`` replaces it.
                if receiver.buffer is direct and self._enough(receiver, least) and direct.size() >= least:
                    if caller_buffers.lent(direct):
                        await receiver.yield_to_loop(operation)  # uvloop releases the memory after this step.
                    if receiver.buffer is direct:
                        receiver.resume_below(max(0, direct.size() - size))  # First, as in take(). May replace it.
                    if receiver.buffer is direct and caller_buffers.filled(direct) >= least:  # start_tls() empties it
                        return caller_buffers.hand_over(direct)
            finally:
                direct = None
                receiver.end_large_read()  # Bytes that were not handed over go back to the stream.
        unread = receiver.buffer
        if fill and unread.size() < size:
            raise receiver.incomplete(size, read_by_size.ended_early(operation, unread.size(), size, self))
        receiver.resume_below(max(0, unread.size() - size))  # First, as in Receiver.take().
        # Nothing allocates memory after the take: a MemoryError would lose the bytes.
        part = slice(min(size, receiver.buffer.size()))
        unread = receiver.buffer  # A finalizer may have replaced it, with the same bytes.
        view[part] = unread.take(part.stop)
        return part.stop

    # -- records ------------------------------------------------------------------------------------------------------

    async def read_until(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Read up to and including ``separator``.

        A call that is cancelled or times out takes nothing from the stream. Each byte is searched once.

        Args:
            separator (a bytes-like object or a tuple of them): the end of the record. Of several separators, the one
                that ends first in the data counts.
            max_length (int, math.inf or None): the greatest length of the record without its separator, in bytes. None
                means the limit of the reader, 64 KiB by default.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The record, including its separator.

        Raises:
            LimitOverrunError: the record is longer than ``max_length``. The bytes stay in the stream. ``consumed`` is
                the number of bytes before the separator. If no separator has arrived, it is the number of buffered
                bytes, less the length of the longest separator, plus 1.
            IncompleteReadError: the stream ended before a separator. ``partial`` has the bytes before the end, which
                are removed from the stream.
            ValueError: ``separator`` is empty or was released, or ``max_length`` or ``timeout`` is not greater than 0.
            TypeError: an argument has a wrong type.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream, if no complete record arrived before
                the loss; ``read()`` still returns the bytes that arrived.

        Source: anyio's ``receive_until``, tokio's ``read_until``, Go's ``bufio.Reader.ReadBytes``.
        """
        separators = as_separators(separator, "read_until", self)
        receiver = self._receiver_for("read_until")
        limit = receiver.limit if max_length is None else as_size(max_length, "read_until", "max_length", 1, self)
        self._begin_limit(timeout, "read_until")
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop("read_until")
            record = records.limited(receiver, separators, limit, "read_until", False, False, self)
            while record is None:
                future = read_operations.begin_wait(self._reader, receiver, "read_until")  # type: ignore[arg-type]
                try:
                    receiver.target_size = records.target_size(receiver)
                    await future
                finally:
                    receiver.end_wait()
                    del future
                    if receiver.target_size:
                        receiver.end_large_read()
                record = records.limited(receiver, separators, limit, "read_until", True, False, self)
            return record
        finally:
            self._end_limit(timeout)

    async def read_line(self, *, max_length: float | None = None, timeout: float | None = None) -> bytes:
        """Read a line, including its ``\\n``.

        A call that is cancelled or times out takes nothing from the stream.

        Args:
            max_length (int, math.inf or None): the greatest length of the line without its ``\\n``, in bytes. None
                means the limit of the reader, 64 KiB by default.
            timeout (float or None): the seconds that the call may take.

        Returns:
            The line. At the end of the stream the rest without a ``\\n``, or ``b""`` if there is none. For such a rest,
            which may be a part of a line, ``read_until(b"\\n")`` raises IncompleteReadError.

        Raises:
            LimitOverrunError: the line is longer than ``max_length``. The bytes stay in the stream; ``lines()`` with
                ``overlong="skip"`` drops the line.
            ValueError: ``max_length`` or ``timeout`` is not greater than 0.
            TypeError: ``max_length`` is not an integer, ``math.inf`` or None, or ``timeout`` is not a number.
            TimeoutError: the call took longer than ``timeout``.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program closed the stream before the call.
            io.UnsupportedOperation: the stream can only be written.
            Exception: the error of a connection lost before the end of the stream, if no complete line arrived before
                the loss; ``read()`` still returns the bytes that arrived.

        Source: tokio's ``read_line``, asyncio's ``readline``.
        """
        receiver = self._receiver_for("read_line")
        limit = receiver.limit if max_length is None else as_size(max_length, "read_line", "max_length", 1, self)
        self._begin_limit(timeout, "read_line")
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop("read_line")
            line = records.limited(receiver, records.NEWLINE, limit, "read_line", False, True, self)
            while line is None:
                future = read_operations.begin_wait(self._reader, receiver, "read_line")  # type: ignore[arg-type]
                try:
                    receiver.target_size = records.target_size(receiver)
                    await future
                finally:
                    receiver.end_wait()
                    del future
                    if receiver.target_size:
                        receiver.end_large_read()
                line = records.limited(receiver, records.NEWLINE, limit, "read_line", True, True, self)
            return line
        finally:
            self._end_limit(timeout)
