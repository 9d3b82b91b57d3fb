# cython: language_level=3, binding=False
"""The compiled half of a socket transport on the poller: receiving, sending, closing.

Its other half, SocketTransport, is what programs see: an asyncio.Transport that passes everything on to this.
"""

from asyncio import BufferedProtocol
from os import strerror

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno
from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t

from sluiceway._core_c.chunk_buffer cimport ChunkBuffer
from sluiceway._core_c.direct_buffer cimport LandingBuffer
from sluiceway._core_c.read_operations cimport ReaderCore
from sluiceway._core_c.tls_receive cimport TLSCore
from sluiceway._transports.epoll.poller cimport GATHER_MAXIMUM, Pollable, Poller, PollerWaiter, SCRATCH

from sluiceway._core_c.validation import as_bytes
from sluiceway._transports.epoll.poller import poller_of
from sluiceway._constants import (
    DIRECT_MINIMUM as _DIRECT_MINIMUM,
    EVERYTHING as _EVERYTHING,
    LANDING_AHEAD as _LANDING_AHEAD,
    LANDING_MINIMUM as _LANDING_MINIMUM,
)
from sluiceway._log import logger

cdef extern from "sys/epoll.h" nogil:
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLHUP

cdef extern from "sys/uio.h" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "sys/socket.h" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    enum:
        MSG_NOSIGNAL
        SHUT_WR
    int setsockopt(int fd, int level, int name, const void* value, unsigned int length)
    ssize_t recv(int fd, void* buffer, size_t length, int flags)
    ssize_t send(int fd, const void* buffer, size_t length, int flags)
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
    int shutdown(int fd, int how)

cdef extern from "netinet/in.h" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "netinet/tcp.h" nogil:
    enum:
        TCP_NODELAY

cdef extern from "string.h" nogil:
    void* memset(void* s, int c, size_t n)
    void* memcpy(void* target, const void* source, size_t n)

cdef extern from "Python.h":
    PyObject* PyWeakref_GetObject(object ref)
    object PyMemoryView_FromMemory(char* memory, Py_ssize_t size, int flags)
    enum:
        PyBUF_READ

cdef enum:
    CORK_MAXIMUM = 65536     # bytes written within a step that wait for its end, at most (contract W9)
    PIECES = 64              # chunks given to the kernel at once
    HIGH_WATER = 65536       # bytes; asyncio's default
    LOST_WRITES = 5          # writes to a lost connection before asyncio would say so

cdef Py_ssize_t DIRECT_MINIMUM = _DIRECT_MINIMUM
# Ciphertext that is copied rather than looked into where it lies.
cdef Py_ssize_t LITTLE = 4096
cdef Py_ssize_t LANDING_AHEAD = _LANDING_AHEAD
cdef Py_ssize_t LANDING_MINIMUM = _LANDING_MINIMUM
cdef Py_ssize_t EVERYTHING = _EVERYTHING // 2

cdef enum:
    PLAIN = 0
    BUFFERED = 1
    DIRECT = 2
    ENCRYPTED = 3



cdef class SocketCore(Pollable):
    """One connected, non-blocking stream socket."""

    cdef readonly object loop
    cdef object sock
    cdef object protocol
    cdef object transport
    cdef object reader_ref
    # What decrypts, where the protocol is one of ciphertext.
    cdef TLSCore tls
    cdef int receives
    cdef list out
    cdef Py_ssize_t out_first
    cdef Py_ssize_t out_offset
    cdef Py_ssize_t out_size
    cdef Py_ssize_t high
    cdef Py_ssize_t low
    cdef int lost_writes
    cdef bint corked
    # The last arrival was of no fewer bytes than are worth a receive of their own.
    cdef bint large
    cdef bint ended
    cdef bint eof_written
    cdef bint eof_received
    cdef bint reading_paused
    cdef bint protocol_paused

    def __cinit__(self, loop, sock, protocol):
        self.loop = loop
        self.sock = sock
        self.fd = sock.fileno()
        cdef int on = 1
        # As asyncio does. A Unix socket refuses, which is as well.
        setsockopt(self.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
        self.poller = poller_of(loop)
        # What may fail for want of a descriptor fails before anybody was told of a connection.
        self.poller.prepare()
        self.out = []
        self.high = HIGH_WATER
        self.low = HIGH_WATER // 4
        self.set_protocol(protocol)

    def start(self, transport):
        """Tell the protocol that the connection is made, then receive."""
        self.transport = transport
        self.poller.hold()
        try:
            self.protocol.connection_made(transport)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.complain("protocol.connection_made() call failed", error)
        if not self.closing and not self.reading_paused:
            self.follow(self.interest | EPOLLIN)

    cdef int follow(self, uint32_t interest) except -1:
        """Be told of ``interest`` from now on. A connection of which nothing is told any more has to end."""
        try:
            self.watch(interest)
        except OSError as error:
            self.unwatched(error)
        return 0

    cdef int unwatched(self, error) except -1:
        return self.fail(error, "The poller cannot watch the socket")

    # -- the protocol -------------------------------------------------------------------------------------------------

    def set_protocol(self, protocol):
        # Whoever takes over finds everything sent that was written for the one before.
        self.uncork()
        self.protocol = protocol
        self.reader_ref = None
        self.tls = None
        if isinstance(protocol, BufferedProtocol):
            self.receives = BUFFERED
            secure = getattr(protocol, "ps_core", None)
            if isinstance(secure, TLSCore):
                self.receives = ENCRYPTED
                self.tls = secure
            return
        self.receives = PLAIN
        if getattr(getattr(type(protocol), "data_received", None), "_ps_feeds_reader", False):
            ref = protocol._stream_reader_wr
            reader = ref() if ref is not None else None
            if isinstance(reader, ReaderCore):
                self.receives = DIRECT
                self.reader_ref = ref
                self.adopt(reader)

    def adopt(self, ReaderCore reader):
        """Step the tasks that wait for ``reader`` at once."""
        # One waiter for each reader: two that share it would take each other's wake-ups.
        if reader._ps_waiter_source is None:
            reader._ps_waiter_source = PollerWaiter(self.loop, self.poller)

    def get_protocol(self):
        return self.protocol

    # -- the poller calls ---------------------------------------------------------------------------------------------

    cdef int ready(self, uint32_t events) except -1:
        if self.interest & EPOLLIN and events & (EPOLLIN | EPOLLHUP | EPOLLERR):
            self.receive()
        if self.interest & EPOLLOUT and events & (EPOLLOUT | EPOLLHUP | EPOLLERR):
            self.send_out()
        return 0

    cdef int receive(self) except -1:
        cdef ssize_t got
        cdef Py_ssize_t room
        cdef ReaderCore reader
        cdef object found
        if self.receives == ENCRYPTED:
            return self.receive_encrypted()
        if self.receives == BUFFERED:
            return self.receive_buffered()
        reader = None
        if self.reader_ref is not None:
            found = <object>PyWeakref_GetObject(self.reader_ref)
            if found is not None:
                reader = <ReaderCore>found
        if reader is None or reader._ps_intercepted:
            return self.receive_plain(reader)
        if type(reader._ps_unread) is LandingBuffer and (<LandingBuffer>reader._ps_unread).lacks():
            return self.receive_landing(reader)
        room = reader._ps_room()
        if room > SCRATCH:
            room = SCRATCH
        if self.large and reader._ps_asked >= DIRECT_MINIMUM and reader._waiter is not None:
            return self.receive_direct(reader, min(room, reader._ps_asked))
        got = recv(self.fd, self.poller.scratch, room, 0)
        if got <= 0:
            return self.received_none(got, errno)
        self.large = got >= DIRECT_MINIMUM
        if reader._ps_arrive(PyBytes_FromStringAndSize(self.poller.scratch, got)):
            return self.wake_reader(reader)
        if reader._ps_wanted:
            self.prepare_landing(reader)
        return 0

    cdef int prepare_landing(self, ReaderCore reader) except -1:
        """A large readexactly waits: what is still to come goes straight into its result."""
        cdef Py_ssize_t lacking = reader._ps_wanted - reader._ps_unread.held()
        if LANDING_MINIMUM <= lacking < EVERYTHING and type(reader._ps_unread) is ChunkBuffer:
            reader._ps_unread = LandingBuffer(
                reader._ps_unread, reader._ps_wanted, max(2 * reader._limit, LANDING_AHEAD)
            )
        return 0

    cdef int receive_plain(self, ReaderCore reader) except -1:
        """For a protocol, or a reader, that has to see everything itself."""
        cdef Py_ssize_t room = SCRATCH if reader is None else min(reader._ps_room(), SCRATCH)
        cdef ssize_t got = recv(self.fd, self.poller.scratch, room, 0)
        if got <= 0:
            return self.received_none(got, errno)
        try:
            self.protocol.data_received(PyBytes_FromStringAndSize(self.poller.scratch, got))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(error, "Fatal error: protocol.data_received() call failed.")
        return 0

    cdef int receive_encrypted(self) except -1:
        cdef TLSCore tls = self.tls
        cdef Py_ssize_t room
        cdef ssize_t got
        cdef ReaderCore reader = <ReaderCore>tls.reader()
        if reader is not None and reader._ps_wanted and not tls.closing:
            self.prepare_landing(reader)
        room = min(tls.room(), SCRATCH)
        got = recv(self.fd, self.poller.scratch, room, 0)
        if got <= 0:
            return self.received_none(got, errno)
        # Looking into a view costs more than copying little.
        reader = <ReaderCore>tls.take(
            PyBytes_FromStringAndSize(self.poller.scratch, got)
            if got <= LITTLE
            else PyMemoryView_FromMemory(self.poller.scratch, got, PyBUF_READ)
        )
        return 0 if reader is None else self.wake_reader(reader)

    cdef int receive_landing(self, ReaderCore reader) except -1:
        """Straight into the result of a large readexactly."""
        cdef LandingBuffer landing = <LandingBuffer>reader._ps_unread
        cdef Py_ssize_t room = 0
        cdef char* memory = landing.room(&room)
        cdef ssize_t got = recv(self.fd, memory, room, 0)
        if got <= 0:
            return self.received_none(got, errno)
        landing.landed(got)
        return 0 if landing.lacks() else self.wake_reader(reader)

    cdef int receive_direct(self, ReaderCore reader, Py_ssize_t size) except -1:
        """Straight into what a read of much will return, where much arrives at a time."""
        cdef bytes block = PyBytes_FromStringAndSize(NULL, size)
        cdef ssize_t got = recv(self.fd, PyBytes_AS_STRING(block), size, 0)
        if got <= 0:
            return self.received_none(got, errno)
        self.large = got >= DIRECT_MINIMUM
        if got < size:
            block = block[:got]
        return self.wake_reader(reader) if reader._ps_arrive(block) else 0

    cdef int wake_reader(self, ReaderCore reader) except -1:
        if reader._waiter is reader._ps_waiter_source and self.poller.step_at_once:
            reader._waiter = None
            # Everything is as it should be: whoever waits may run now, and do whatever it likes.
            reader._ps_waiter_source.wake_at_once(self.poller.done)
        else:
            reader._wakeup_waiter()
        return 0

    cdef int receive_buffered(self) except -1:
        cdef Py_buffer view
        cdef ssize_t got
        cdef int problem = 0
        try:
            buffer = self.protocol.get_buffer(-1)
            PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(error, "Fatal error: protocol.get_buffer() call failed.")
            return 0
        try:
            if not view.len:
                self.fail(RuntimeError("get_buffer() returned an empty buffer"), "Fatal error: protocol.get_buffer() call failed.")
                return 0
            got = recv(self.fd, view.buf, view.len, 0)
            problem = errno
        finally:
            PyBuffer_Release(&view)
        if got <= 0:
            return self.received_none(got, problem)
        try:
            self.protocol.buffer_updated(got)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(error, "Fatal error: protocol.buffer_updated() call failed.")
        return 0

    cdef int received_none(self, ssize_t got, int problem) except -1:
        if got < 0:
            if problem != EAGAIN and problem != EINTR:
                self.fail(OSError(problem, strerror(problem)), "Fatal read error on socket transport")
            return 0
        self.eof_received = True
        try:
            keep_open = self.protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(error, "Fatal error: protocol.eof_received() call failed.")
            return 0
        if keep_open:
            # A closed connection would report its hang-up for ever.
            self.follow(self.interest & ~<uint32_t>EPOLLIN)
        else:
            self.close()
        return 0

    # -- reading ------------------------------------------------------------------------------------------------------

    def pause_reading(self):
        if not self.closing and not self.reading_paused:
            self.reading_paused = True
            self.follow(self.interest & ~<uint32_t>EPOLLIN)

    def resume_reading(self):
        if not self.closing and self.reading_paused:
            self.reading_paused = False
            if not self.eof_received and self.transport is not None:
                self.follow(self.interest | EPOLLIN)

    def is_reading(self):
        return not self.closing and not self.reading_paused

    # -- writing ------------------------------------------------------------------------------------------------------

    cpdef object write(self, data):
        cdef Py_ssize_t length
        cdef ssize_t sent
        if type(data) is not bytes:
            data = as_bytes(data, "write")
        if self.eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        length = PyBytes_GET_SIZE(data)
        if not length:
            return
        if self.lost_writes:
            if self.lost_writes >= LOST_WRITES:
                logger.warning("socket.send() raised exception.")
            self.lost_writes += 1
            return
        if self.poller.stepping:
            self.cork(data, length)
            return
        if self.out_size == 0:
            sent = send(self.fd, PyBytes_AS_STRING(data), length, MSG_NOSIGNAL)
            if sent == length:
                return
            if sent < 0:
                if errno != EAGAIN and errno != EINTR:
                    self.send_failed()
                    return
                sent = 0
            self.out.append(data)
            self.out_offset = sent
            self.out_size = length - sent
            self.follow(self.interest | EPOLLOUT)
        else:
            self.out.append(data)
            self.out_size += length
        self.maybe_pause()

    cpdef object write_pieces(self, list pieces):
        """For data that is made here: bytes, in pieces of some size."""
        cdef bytes piece
        if self.closing or self.eof_written or self.lost_writes:
            return
        for piece in pieces:
            self.out.append(piece)
            self.out_size += PyBytes_GET_SIZE(piece)
        if (
            self.poller.stepping
            and not self.interest & EPOLLOUT
            and self.out_size < CORK_MAXIMUM
            and self.out_size <= self.high
        ):
            if not self.corked:
                self.corked = True
                self.poller.cork(self)
            elif self.poller.corked_long():
                self.poller.flush()
            return
        self.uncork()
        self.maybe_pause()

    cdef int cork(self, bytes data, Py_ssize_t length) except -1:
        """What a task writes while the poller steps it leaves in one go when the poller's round of tasks was stepped,
        or sooner (contract W9)."""
        self.out.append(data)
        self.out_size += length
        if self.interest & EPOLLOUT:
            self.maybe_pause()
            return 0
        if not self.corked:
            self.corked = True
            self.poller.cork(self)
        elif self.poller.corked_long():
            self.poller.flush()
            return 0
        if self.out_size >= CORK_MAXIMUM or self.out_size > self.high:
            self.uncork()
        return 0

    cpdef object uncork(self):
        """Send what waits for the end of the step; in vain where the kernel has no room."""
        if self.out_size and not self.interest & EPOLLOUT:
            self.send_out()
            self.maybe_pause()

    cpdef object before_drain(self):
        """Called by drain: what was written more than a millisecond ago waits no longer (contract W9)."""
        if self.corked and self.out_size and self.poller.corked_long():
            self.poller.flush()

    cdef int flush_corked(self) except -1:
        self.corked = False
        self.uncork()
        return 0

    cdef int send_out(self) except -1:
        """Give the kernel what it takes."""
        cdef iovec pieces[PIECES]
        cdef msghdr message
        cdef ssize_t sent
        cdef Py_ssize_t index, count, length
        cdef bytes piece
        while self.out_size:
            count = 0
            index = self.out_first
            if index + 1 < len(self.out) and self.out_size <= GATHER_MAXIMUM:
                # For small pieces a copy costs less than the kernel's way through many.
                sent = send(self.fd, self.poller.gathered, self.gather(), MSG_NOSIGNAL)
            else:
                while index < len(self.out) and count < PIECES:
                    piece = <bytes>self.out[index]
                    pieces[count].iov_base = PyBytes_AS_STRING(piece)
                    pieces[count].iov_len = PyBytes_GET_SIZE(piece)
                    count += 1
                    index += 1
                pieces[0].iov_base = <char*>pieces[0].iov_base + self.out_offset
                pieces[0].iov_len -= self.out_offset
                if count == 1:
                    sent = send(self.fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
                else:
                    memset(&message, 0, sizeof(message))
                    message.msg_iov = pieces
                    message.msg_iovlen = count
                    sent = sendmsg(self.fd, &message, MSG_NOSIGNAL)
            if sent < 0:
                if errno == EINTR:
                    continue
                if errno == EAGAIN:
                    self.follow(self.interest | EPOLLOUT)
                    break
                self.send_failed()
                return 0
            self.out_size -= sent
            if self.out_size == 0:
                self.out.clear()
                self.out_first = 0
                self.out_offset = 0
                break
            while sent:
                length = PyBytes_GET_SIZE(<bytes>self.out[self.out_first]) - self.out_offset
                if sent < length:
                    self.out_offset += sent
                    break
                sent -= length
                self.out[self.out_first] = None
                self.out_first += 1
                self.out_offset = 0
            if self.out_first > PIECES:
                del self.out[:self.out_first]
                self.out_first = 0
        self.maybe_resume()
        if self.out_size == 0:
            if self.interest & EPOLLOUT:
                self.follow(self.interest & ~<uint32_t>EPOLLOUT)
            if self.closing:
                self.end(None)
            elif self.eof_written:
                shutdown(self.fd, SHUT_WR)
        return 0

    cdef Py_ssize_t gather(self) except -1:
        """Copy all that waits to be sent, no more than GATHER_MAXIMUM, where they are one."""
        cdef char* end = self.poller.gathered
        cdef Py_ssize_t index, length, offset = self.out_offset
        cdef bytes piece
        for index in range(self.out_first, len(self.out)):
            piece = <bytes>self.out[index]
            length = PyBytes_GET_SIZE(piece) - offset
            memcpy(end, PyBytes_AS_STRING(piece) + offset, length)
            end += length
            offset = 0
        return end - self.poller.gathered

    cdef int send_failed(self) except -1:
        try:
            PyErr_SetFromErrno(OSError)
        except OSError as error:
            self.fail(error, "Fatal write error on socket transport")
        return 0

    def write_eof(self):
        if self.closing or self.eof_written:
            return
        self.eof_written = True
        if self.out_size == 0:
            shutdown(self.fd, SHUT_WR)
        else:
            self.uncork()

    # -- flow control -------------------------------------------------------------------------------------------------

    cdef int maybe_pause(self) except -1:
        if self.out_size <= self.high or self.protocol_paused:
            return 0
        self.protocol_paused = True
        try:
            self.protocol.pause_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.complain("protocol.pause_writing() failed", error)
        return 0

    cdef int maybe_resume(self) except -1:
        if not self.protocol_paused or self.out_size > self.low:
            return 0
        self.protocol_paused = False
        try:
            self.protocol.resume_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.complain("protocol.resume_writing() failed", error)
        return 0

    def set_write_buffer_limits(self, high=None, low=None):
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = high
        self.low = low
        self.maybe_pause()

    def get_write_buffer_limits(self):
        return self.low, self.high

    def get_write_buffer_size(self):
        return self.out_size

    @property
    def writing_paused(self):
        return self.protocol_paused

    # -- the end ------------------------------------------------------------------------------------------------------

    cpdef object is_closing(self):
        return self.closing

    def close(self):
        if self.closing:
            return
        self.uncork()
        if self.closing:
            return
        self.closing = True
        self.follow(self.interest & ~<uint32_t>EPOLLIN)
        if self.out_size == 0:
            self.end(None)

    def abort(self):
        # What was written before leaves, as far as the kernel takes it, as it would have at once (contract W9).
        if not self.closing:
            self.uncork()
        self.force_close(None)

    def force_close(self, error):
        self.out.clear()
        self.out_first = 0
        self.out_offset = 0
        self.out_size = 0
        self.closing = True
        self.end(error)

    cdef int fail(self, error, message) except -1:
        if isinstance(error, OSError):
            if self.loop.get_debug():
                logger.debug("%r: %s", self.transport, message, exc_info=error)
        else:
            self.complain(message, error)
        self.force_close(error)
        return 0

    cdef int complain(self, message, error) except -1:
        self.loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self.transport, "protocol": self.protocol}
        )
        return 0

    cdef int end(self, error) except -1:
        """No event is of interest any more; the protocol is told in the next turn of the loop."""
        if self.ended:
            return 0
        self.ended = True
        self.lost_writes += 1
        if self.interest:
            self.watch(0)
        self.loop.call_soon(self._lost, error)
        return 0

    def _lost(self, error):
        transport = self.transport
        protocol = self.protocol
        try:
            protocol.connection_lost(error)
        finally:
            if transport is not None:
                transport._remember_sockname()
            self.sock.close()
            self.fd = -1
            self.poller.let_go()
            self.protocol = None
            self.transport = None
            self.reader_ref = None
            self.tls = None

