"""Transports of pipes, terminals, files and devices, the same on every event loop. stdio() uses them for sockets too.

The loops' own pipe transports refuse files and /dev/null. The write transport of uvloop also reads from its file, and
so takes what is typed at a terminal. A loop cannot watch files and some devices. They are always ready, so they are
read and written without waiting for an event, although a read or write may block until the disk has answered.
"""

from __future__ import annotations

import asyncio
import errno
import io
import mmap
import os
import socket
import stat
from asyncio import transports
from typing import Any

from .._implementation import core
from .loop_adapter import scratch_of
from .protocol_calls import call_protocol, finish_lost_soon, report_error, schedule_repeatedly

# A flag of preadv() and pwritev(): fail instead of waiting, also without O_NONBLOCK. Only Linux has it.
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
# The errors of those calls where the flag is not supported. EPERM: a seccomp filter of a container refuses the calls.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ESPIPE}
# With this offset, preadv() and pwritev() read and write as readv() and writev() do.
_CURRENT_POSITION = -1
# The kernel drops the rest of a message that a read takes in part. The most bytes of one write to a pipe in packet mode
# (O_DIRECT, see pipe(2)) that are one message; and the bytes of a socket's message that asyncio's transport takes.
_PIPE_MESSAGE = mmap.PAGESIZE
_SOCKET_MESSAGE = 256 * 1024


class _PipeTransport(transports._FlowControlMixin):
    """The base class of the read and the write transport: the file, the protocol, and the end of the transport.

    The file is closed when the transport ends. ``_watched``: True if the loop can watch the file.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, file: io.FileIO, protocol: Any) -> None:
        super().__init__({"pipe": file}, loop)
        self._loop: asyncio.AbstractEventLoop = loop
        self._file = file
        self._fd = file.fileno()
        self._protocol = protocol
        self._closing = False
        self._ended = False
        self._reported = False
        self._watched = _can_be_watched(loop, self._fd)
        self._nowait = self._watched and bool(_NOWAIT)
        self._set_nonblocking()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._file.name}{' closing' if self._closing else ''}>"

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def discard(self) -> None:
        """Close the file at once, because the stream could not be completed. connection_lost() is not called."""
        self._closing = self._ended = True
        try:
            self._stop_watching()
        finally:
            self._drop_protocol()
            self._file.close()

    def _set_nonblocking(self) -> None:
        if self._watched:
            os.set_blocking(self._fd, False)

    def _transfer(self, name: str, *memory: Any) -> int:
        """Read into ``memory`` or write it, without waiting; return the number of bytes. ``name``: "readv" or "writev".

        If a file that the loop can watch is not ready, raise BlockingIOError. Another process that shares the
        descriptor may clear O_NONBLOCK at any time, so the flag RWF_NOWAIT of the call is used. Terminals, pipes
        before Linux 6.5, and other systems do not support this flag: there, O_NONBLOCK is set again before each call.

        For a file that the loop cannot watch, neither flag is used: the call may block until the disk has answered.
        """
        count: int
        if self._nowait:
            try:
                count = getattr(os, "p" + name)(self._fd, memory, _CURRENT_POSITION, _NOWAIT)
                return count
            except OSError as error:
                # A signal handler may have raised this error, such as a TimeoutError, after the bytes were transferred:
                # then a second call would transfer other bytes.
                if error.errno not in _UNSUPPORTED:
                    raise
                self._nowait = False
        self._set_nonblocking()
        count = getattr(os, name)(self._fd, memory)
        return count

    def _end(self, error: BaseException | None) -> None:
        """Stop watching the file. In the next iteration of the loop, close it and call connection_lost(error).

        Only the first call has an effect.
        """
        if self._ended:
            return
        # First: if a signal handler raises before, the loop reports the event again, or the program closes again.
        schedule_repeatedly(self._loop.call_soon, self._lost, error)
        self._closing = self._ended = True
        self._stop_watching()

    def _fail(self, message: str, error: BaseException) -> None:
        """Close the file because of ``error``, and report ``error`` to the exception handler of the loop."""
        self._end(error)
        report_error(self, self._protocol, message, error)

    def _stop_watching(self) -> None:
        if self._watched and not self._file.closed:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)

    def _lost(self, error: BaseException | None) -> None:
        if self._reported:
            return
        # Again, because a signal handler may have stopped _end().
        self._closing = self._ended = True
        self._stop_watching()
        self._reported = True
        try:
            try:
                self._file.close()
            except OSError as exception:
                report_error(self, self._protocol, "close() of a file or pipe failed", exception)
            finally:
                self._protocol.connection_lost(error)
        except BaseException as exception:
            finish_lost_soon(self._loop, self._protocol, error)
            if isinstance(exception, (SystemExit, KeyboardInterrupt)):
                raise
            report_error(self, self._protocol, "protocol.connection_lost() call failed", exception)
        finally:
            self._drop_protocol()

    def _drop_protocol(self) -> None:
        """Break the cycle of transport, protocol and connection."""
        self._protocol = None


def _can_be_watched(loop: asyncio.AbstractEventLoop, descriptor: int) -> bool:
    """Return False for a file, and for a device that ``loop`` cannot watch because it is always ready.

    Return True for any other descriptor, such as a pipe, a terminal or an eventfd.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor):
        return True
    if stat.S_ISREG(mode):
        return False
    try:
        loop.add_reader(descriptor, int)
    except OSError as error:
        # An error of a signal handler has no number.
        if error.errno is None:
            raise
        return False
    loop.remove_reader(descriptor)
    return True


def _largest_message(descriptor: int) -> int:
    """Return the number of bytes that a read must have room for, because the kernel drops the rest of a message."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return _PIPE_MESSAGE
    own = os.dup(descriptor)
    try:
        sock = socket.socket(fileno=own)
    except BaseException:
        os.close(own)
        raise
    with sock:
        return 0 if sock.type == socket.SOCK_STREAM else _SOCKET_MESSAGE


class PipeReadTransport(_PipeTransport, asyncio.ReadTransport):
    """Passes the bytes of a file to a protocol, at most as many at a time as the protocol's receiver has room for.

    If the receiver has room for less than one message, the rest of the message is received into ``_spare``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, file: io.FileIO, protocol: Any) -> None:
        super().__init__(loop, file, protocol)
        self._reading = False
        self._scheduled = False
        # uvloop reports the error of a socket once, together with the bytes that arrived before. Each read of a socket
        # is therefore repeated until nothing is left.
        self._repeats = not self._watched or stat.S_ISSOCK(os.fstat(self._fd).st_mode)
        self._largest_message = _largest_message(self._fd) if self._watched else 0
        self._spare = bytearray()
        self._receivers: Any = core.ProtocolReceivers(protocol, getattr(protocol, "__dict__", None))
        self._receivers.attach(scratch_of(loop), None)
        try:
            protocol.connection_made(self)
            self._start_reading()
        except BaseException:
            self.discard()
            raise

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        super().set_protocol(protocol)
        self._receivers = core.ProtocolReceivers(protocol, getattr(protocol, "__dict__", None))
        self._receivers.attach(scratch_of(self._loop), None)

    def _drop_protocol(self) -> None:
        super()._drop_protocol()
        self._receivers = None

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        if self.is_reading() and self._watched:
            self._loop.remove_reader(self._fd)
        self._reading = False

    def resume_reading(self) -> None:
        if self._closing or self._reading:
            return
        try:
            self._start_reading()
        except OSError as error:
            # An error of a signal handler has no number.
            if error.errno is None:
                raise
            # The kernel has no memory or no watch left. Otherwise a read would wait without end.
            self._end(error)

    def _start_reading(self) -> None:
        self._reading = True
        if self._watched:
            self._loop.add_reader(self._fd, self._read)
        else:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._scheduled = False
        if not self.is_reading():
            return
        try:
            receiver = self._receivers.current()
            memory = receiver.get_buffer(-1)
            room = len(memory)
            if room < self._largest_message:
                self._spare = self._spare or bytearray(self._largest_message)
                count = self._transfer("readv", memory, self._spare)
            else:
                count = self._transfer("readv", memory)
        except (SystemExit, KeyboardInterrupt) as error:
            # The bytes may have left the pipe already.
            self._end(core.received_data_lost(error))
            raise
        except OSError as error:
            # A BlockingIOError of a signal handler has no number.
            if error.errno != errno.EAGAIN:
                self._end(error)
            return
        except BaseException as error:  # noqa: BLE001 - the event would repeat
            self._fail("Fatal error: protocol.get_buffer() call failed", error)
            return
        if not count:
            call_protocol(self, self._protocol, self._protocol.eof_received)
            self._end(None)
            return
        try:
            # Before the protocol is called, which may run the loop nested.
            rest = bytes(self._spare[: count - room]) if count > room else b""
            if receiver.committed(min(count, room)):
                receiver.wake()
            if rest and not self._ended:
                receiver = self._receivers.current()
                if receiver.feed(rest):
                    receiver.wake()
        except (SystemExit, KeyboardInterrupt) as error:
            self._end(core.received_data_lost(error))
            raise
        except BaseException as error:  # noqa: BLE001 - a stream that continued would have a gap
            self._fail("Fatal error: the protocol raised an exception for received data", error)
            return
        if self._repeats and self.is_reading():
            self._schedule()


class PipeWriteTransport(_PipeTransport, asyncio.WriteTransport):
    """Writes to a file, and buffers what the kernel does not accept.

    ``reader_closed``: True if the transport has ended because the last reader of the pipe has closed it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, file: io.FileIO, protocol: Any) -> None:
        super().__init__(loop, file, protocol)
        self._queue = core.WriteQueue()
        self._eof = False
        self.reader_closed = False
        try:
            protocol.connection_made(self)
            if stat.S_ISFIFO(os.fstat(self._fd).st_mode):
                # The kernel reports the writing end of a pipe as readable when its last reader has closed.
                loop.add_reader(self._fd, self._reader_closed)
        except BaseException:
            self.discard()
            raise

    def write(self, data: Any) -> None:
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing:
            return
        if type(data) is not bytes:
            data = core.as_bytes(data)
        if not data:
            return
        idle = not self._queue.size
        self._queue.append(data)
        if idle:
            try:
                self._write()
            finally:
                # Also if a signal handler has raised: otherwise the data would stay in the queue without end.
                if self._queue.size and not self._ended:
                    self._watch_writing()
        self._maybe_pause_protocol()  # type: ignore[attr-defined]

    def _watch_writing(self) -> None:
        try:
            self._loop.add_writer(self._fd, self._write)
        except OSError as error:
            if error.errno is None:
                raise
            # The kernel has no memory or no watch left. Otherwise the data would stay in the queue without end.
            self._queue.discard()
            self._end(error)

    def writelines(self, list_of_data: Any) -> None:
        self.write(core.joined(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Close the file when the buffered data has been written. Unlike close(), do not call connection_lost()."""
        self._eof = True
        if not self._queue.size:
            self._close_file()

    def _close_file(self) -> None:
        self._stop_watching()
        self._file.close()

    def get_write_buffer_size(self) -> int:
        size: int = self._queue.size
        return size

    def close(self) -> None:
        self._closing = True
        if not self._queue.size:
            self._end(None)

    def discarded_size(self) -> int:
        """Return how many buffered bytes were discarded when the pipe ended."""
        size: int = self._queue.discarded
        return size

    def abort(self) -> None:
        self._queue.discard()
        self._end(None)

    def _write(self) -> None:
        queue = self._queue
        try:
            while queue.size:
                queue.advance(self._transfer("writev", queue.first()))
        except (SystemExit, KeyboardInterrupt) as error:
            # The kernel may have accepted bytes that are still in the queue.
            queue.discard()
            self._end(core.written_data_lost(error))
            raise
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self.reader_closed = error.errno == errno.EPIPE
                queue.discard()
                self._end(error)
            return
        except BaseException as error:  # noqa: BLE001 - the kernel may have accepted bytes that are still in the queue
            queue.discard()
            self._fail("Fatal write error on pipe transport", error)
            return
        finally:
            self._maybe_resume_protocol()  # type: ignore[attr-defined]
        if self.get_write_buffer_size():
            # resume_writing() of a protocol of the program has written more.
            return
        if self._closing:
            self._end(None)
        elif self._eof:
            self._close_file()
        elif self._watched:
            self._loop.remove_writer(self._fd)

    def _reader_closed(self) -> None:
        self.reader_closed = True
        lost = BrokenPipeError("the reader of the pipe has closed it") if self._queue.size else None
        self._queue.discard()
        self._end(lost)
