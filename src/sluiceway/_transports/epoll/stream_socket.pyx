# cython: language_level=3, binding=False
"""StreamSocket: the raw transport of a connected socket on the poller, which receives, sends and closes.

Programs use SocketTransport, an asyncio.Transport that forwards every call to this class. poller.pyx defines "corked".
"""

from asyncio import BufferedProtocol
from contextlib import suppress
from os import strerror

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EBADF, EINTR, errno
from libc.stdint cimport uint32_t

from sluiceway._core_c.receive_interface cimport ReceiveInterface, ReceiverProvider
from sluiceway._core_c.receive_memory cimport Memory
from sluiceway._core_c.protocol_operations cimport ProtocolOperations
from sluiceway._core_c.protocol_receiver cimport ProtocolReceivers
from sluiceway._core_c.write_queue cimport WriteQueue
from sluiceway._transports.epoll.listening_socket cimport AcceptedSocket
from sluiceway._transports.epoll.receive_rest cimport receive_rest
from sluiceway._transports.epoll.send_pieces cimport SEND_FLAGS, send_pieces
from sluiceway._transports.epoll.system cimport (
    EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, IPPROTO_TCP, MSG_DONTWAIT, SHUT_WR, TCP_NODELAY,
    recv, send, setsockopt, shutdown,
)
from sluiceway._transports.epoll.write_limits cimport WriteLimits

from sluiceway._core_c.end_of_input import received_data_lost
from sluiceway._core_c.validation import as_bytes
from sluiceway._log import logger
from sluiceway._transports.epoll.poller import poller_of
from sluiceway._transports.protocol_calls import finish_lost_soon

cdef enum:
    CORK_MAXIMUM = 65536     # bytes; more corked data is sent before the end of the round (contract W9)
    LOST_WRITES = 5          # after so many writes to a lost connection, asyncio logs a warning for each


cdef class StreamSocket(WriteLimits):
    """One connected stream socket, with its protocol and its unsent data."""

    cdef ProtocolReceivers receivers
    cdef public int lost_writes
    cdef bint ended
    cdef public bint eof_written
    cdef bint eof_received
    cdef bint rest_expected  # a send has failed, and the kernel may have received bytes before
    cdef public bint reading_paused

    def __cinit__(self, loop, sock, protocol, bint shared=False):
        cdef int on = 1
        self.loop = loop
        self.shared = shared
        self.poller = poller_of(loop)
        # May raise if no descriptor is left, which must happen before the protocol is called.
        self.poller.prepare()
        self.set_protocol(protocol)
        self.take(sock)
        if type(sock) is not AcceptedSocket or not (<AcceptedSocket>sock).low_delay:
            # As in asyncio. The error for a Unix socket is ignored.
            setsockopt(self.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))

    def start(self, transport):
        """Watch the socket, and call connection_made() of the protocol with ``transport``.

        In this order, because a handler that is a plain function, or runs eagerly, may read in a loop that it nests.
        """
        self.poller.acquire()
        self.transport = transport
        self.poller.enter(self.fd, transport)
        self.set_interest(EPOLLIN)
        try:
            self.protocol.connection_made(transport)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if isinstance(self.protocol, ReceiverProvider):
                # A signal handler has raised. Nothing would use or close the connection: the caller closes it.
                raise
            self.report_error("protocol.connection_made() call failed", error)

    cdef int set_interest(self, uint32_t interest) except -1:
        """Watch for the events ``interest``. If that fails, close the connection with the error."""
        if self.fd < 0:
            # The program has taken the socket out of the transport.
            return 0
        try:
            self.watch(interest)
        except BaseException as error:
            self.watch_failed(error)
        return 0

    cdef int watch_failed(self, error) except -1:
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            stopped = ConnectionAbortedError(f"aborted: {type(error).__name__} prevented watching the socket")
            return self.fail_interrupted(error, stopped)
        return self.fail(error, "The poller cannot watch the socket")

    def set_protocol(self, protocol):
        cdef ProtocolReceivers receivers
        # Data written for the previous protocol must be sent before the new one is called.
        self.uncork()
        previous = self.protocol
        self.protocol = protocol
        receivers = self.receivers = ProtocolReceivers(protocol)
        receivers.attach(self.poller.scratch, self.poller)
        self.report_detached(previous)

    cdef int report_detached(self, protocol) except -1:
        """Called when ``protocol`` was replaced, or the program has taken the socket over. Report to ``protocol`` that
        its connection_lost() may not be called when this socket ends."""
        if self.transport is not None and isinstance(protocol, ProtocolOperations):
            protocol._sluiceway_detached(self.transport)
        return 0

    def get_protocol(self):
        return self.protocol

    cdef bint descriptor_gone(self) except -1:
        """If the program has closed the descriptor, end the connection with an error, and return True."""
        if not self.closed_by_program():
            return False
        self.fail(OSError(EBADF, strerror(EBADF)), "The socket was closed by the program")
        return True

    cdef int ready(self, uint32_t events) except -1:
        if self.shared and self.descriptor_gone():
            return 0
        if self.interest & EPOLLIN and events & (EPOLLIN | EPOLLHUP | EPOLLERR):
            self.receive()
        # A task that receive() has run may have closed the descriptor.
        if self.interest & EPOLLOUT and events & (EPOLLOUT | EPOLLHUP | EPOLLERR) and not self.descriptor_gone():
            self.send_out()
        return 0

    cdef int receive(self) except -1:
        # Strong references for this call, because a callback may replace the protocol or end the connection.
        cdef ProtocolReceivers receivers = self.receivers
        cdef ReceiveInterface receiver
        cdef Memory memory
        cdef ssize_t got
        cdef int problem
        cdef bint ready = False
        cdef bint receiving = True
        cdef bint failed = False
        try:
            receiver = receivers.current()
            memory = receiver.get_buffer(-1)
            got = recv(self.fd, memory.start, memory.size, MSG_DONTWAIT)
            problem = errno
            if got > 0:
                receiving = False
                ready = receiver.committed(got)
            else:
                memory.give_back()
        except (SystemExit, KeyboardInterrupt) as error:
            if receiving:
                raise
            self.fail_interrupted(error, received_data_lost(error))
        except BaseException as error:
            failed = True
            self.receiving_failed(error, receiving)
        if failed:
            return 0
        if ready:
            # The state is consistent here, as the waiting task runs now and may call any method.
            receiver.wake()
        elif got <= 0:
            return self.received_none(got, problem)
        return 0

    cdef int receiving_failed(self, error, bint receiving) except -1:
        if receiving:
            message = "Fatal error: protocol.get_buffer() call failed."
        elif isinstance(self.protocol, BufferedProtocol):
            message = "Fatal error: protocol.buffer_updated() call failed."
        else:
            message = "Fatal error: protocol.data_received() call failed."
        return self.fail(error, message)

    cdef int received_none(self, ssize_t got, int problem) except -1:
        if got < 0:
            if problem != EAGAIN and problem != EINTR:
                self.fail(OSError(problem, strerror(problem)), "Fatal read error on socket transport")
            return 0
        cdef bint failed = False
        self.eof_received = True
        try:
            keep_open = self.protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            failed = True
            self.fail(error, "Fatal error: protocol.eof_received() call failed.")
        if failed:
            return 0
        if keep_open:
            # Otherwise epoll would report the end of file again in every round.
            self.set_interest(self.interest & ~<uint32_t>EPOLLIN)
        else:
            self.close()
        return 0

    def pause_reading(self):
        if not self.closing and not self.reading_paused:
            self.reading_paused = True
            self.set_interest(self.interest & ~<uint32_t>EPOLLIN)

    def resume_reading(self):
        if not self.closing and self.reading_paused:
            self.reading_paused = False
            if not self.eof_received and self.transport is not None:
                self.set_interest(self.interest | EPOLLIN)

    def is_reading(self):
        return not self.closing and not self.reading_paused

    cpdef object write(self, data):
        cdef Py_ssize_t length
        cdef ssize_t sent
        if type(data) is not bytes:
            data = as_bytes(data)
        if self.eof_written or self.file_copy is not None:
            self.refuse_write()
        length = PyBytes_GET_SIZE(data)
        if not length:
            return
        if self.lost_writes:
            if self.lost_writes >= LOST_WRITES:
                logger.warning("socket.send() raised exception.")
            self.lost_writes += 1
            # A TLS transport above this socket does not know of the loss yet.
            self.queue.discarded += length
            return
        if self.poller.stepping and not self.shared:
            self.cork(data, length)
            return
        if self.shared and self.descriptor_gone():
            self.queue.discarded += length
            return
        if self.queue.size == 0:
            sent = send(self.fd, PyBytes_AS_STRING(data), length, SEND_FLAGS)
            if sent == length:
                return
            if sent < 0:
                if errno != EAGAIN and errno != EINTR:
                    self.queue.discarded += length
                    self.send_failed()
                    return
                sent = 0
            self.queue.append(data)
            if sent:
                self.queue.advance(sent)
            self.set_interest(self.interest | EPOLLOUT)
        else:
            self.queue.append(data)
            # A callback during a flush of other sockets may write here. Then the queue may contain only corked data,
            # for which no event is watched.
            self.uncork()
        self.maybe_pause()

    cpdef object write_pieces(self, list pieces):
        cdef bytes piece
        if self.closing or self.eof_written or self.lost_writes:
            for piece in pieces:
                self.queue.discarded += PyBytes_GET_SIZE(piece)
            return
        for piece in pieces:
            self.queue.append(piece)
        if self.corking(self.queue.size) is not None:
            if not self.corked:
                self.poller.cork(self)
                self.corked = True
            elif self.poller.corked_long():
                self.poller.flush()
            return
        self.uncork()
        self.maybe_pause()

    cpdef object corking(self, Py_ssize_t size):
        if not self.poller.stepping or self.shared or self.closing or self.interest & EPOLLOUT:
            return None
        return self.poller if size < CORK_MAXIMUM and size <= self.high else None

    cdef int cork(self, bytes data, Py_ssize_t length) except -1:
        """Delay a write of a step until the round ends, or until the delayed data is too much or too old."""
        self.queue.append(data)
        if self.interest & EPOLLOUT:
            self.maybe_pause()
            return 0
        if not self.corked:
            # First, as it may raise MemoryError: nothing would send the data of later writes.
            self.poller.cork(self)
            self.corked = True
        elif self.poller.corked_long():
            self.poller.flush()
            return 0
        if self.queue.size >= CORK_MAXIMUM or self.queue.size > self.high:
            self.uncork()
        return 0

    cpdef object uncork(self):
        """Send the corked (delayed) data, as much as the kernel accepts."""
        if self.queue.size and not self.interest & EPOLLOUT and not self.descriptor_gone():
            self.send_out()
            self.maybe_pause()

    def share(self):
        """Send the corked data and stop corking, because the program gets access to the descriptor."""
        self.shared = True
        # Also sends the corked plaintext of a TLS transport above this socket. No effect in another thread.
        self.poller._flush_own_thread()
        self.uncork()

    def give_up_socket(self, replacement):
        """Called when the program takes the socket over. Do not watch, use or close the socket any more."""
        self.uncork()
        self.set_interest(0)
        # Under another key, add_reader() accepts the descriptor, and close_sockets() still finds the transport.
        self.poller.transports[-2 - self.fd] = self.poller.transports.pop(self.fd)
        self.fd, self.sock = -1, replacement
        self.report_detached(self.protocol)

    cpdef object before_drain(self):
        """Send data that was corked more than a millisecond ago."""
        if self.corked and self.queue.size and self.poller.corked_long():
            self.poller.flush()

    cdef object flush_corked(self):
        self.corked = False
        self.uncork()

    cdef int send_out(self) except -1:
        """Send buffered data, as much as the kernel accepts."""
        cdef WriteQueue queue = self.queue
        cdef ssize_t sent
        while queue.size:
            sent = send_pieces(self.fd, queue, self.poller.gathered)
            if sent < 0:
                if errno == EINTR:
                    continue
                if errno == EAGAIN:
                    self.set_interest(self.interest | EPOLLOUT)
                    break
                self.send_failed()
                return 0
            queue.advance(sent)
        self.maybe_resume()
        if queue.size == 0:
            if self.interest & EPOLLOUT:
                self.set_interest(self.interest & ~<uint32_t>EPOLLOUT)
            if self.closing:
                self.end(None)
            elif self.eof_written:
                self.shut_down()
        return 0

    cdef int shut_down(self) except -1:
        if not self.descriptor_gone():
            shutdown(self.fd, SHUT_WR)
        return 0

    cdef int send_failed(self) except -1:
        try:
            PyErr_SetFromErrno(OSError)
        except OSError as error:
            self.expect_rest()
            self.fail(error, "Fatal write error on socket transport")
        return 0

    def expect_rest(self):
        """Called when a send has failed: before connection_lost(), receive what the kernel has. Have no effect if
        reading is paused or has ended, or if the socket is closing."""
        self.rest_expected = not (self.closing or self.reading_paused or self.eof_received)

    def write_eof(self):
        if self.closing or self.eof_written:
            return
        self.eof_written = True
        if self.queue.size == 0:
            self.shut_down()
        else:
            self.uncork()

    cpdef object is_closing(self):
        return self.closing

    def close(self):
        if self.closing:
            return
        self.uncork()
        if self.closing:
            return
        self.closing = True
        self.set_interest(self.interest & ~<uint32_t>EPOLLIN)
        if self.queue.size == 0:
            self.end(None)
        elif isinstance(self.protocol, ProtocolOperations):
            self.protocol._sluiceway_closing()

    def abort(self):
        # Sends the corked data first: without corking it would have been sent before abort() (contract W9).
        if not self.closing:
            self.uncork()
        self.force_close(None)

    def force_close(self, error):
        self.queue.discard()
        self.closing = True
        self.end(error)

    cpdef int fail(self, error, message) except -1:
        try:
            if isinstance(error, OSError):
                if self.loop.get_debug():
                    logger.debug("%r: %s", self.transport, message, exc_info=error)
            else:
                self.report_error(message, error)
        finally:
            # Even if the report raises, the failed event must not repeat.
            self.force_close(error)
        return 0

    cdef int fail_interrupted(self, interrupt, error) except -1:
        """Close the connection with ``error``, because bytes or events may be lost. Then raise ``interrupt``. A read
        that raised SystemExit would stop the loop again."""
        error.__cause__ = interrupt
        try:
            self.fail(error, str(error))
        finally:
            raise interrupt

    cdef int end(self, error) except -1:
        """Stop watching, and call the protocol's connection_lost() in the next iteration of the loop."""
        if self.ended:
            return 0
        self.ended = True
        self.lost_writes += 1
        try:
            if self.interest:
                self.set_interest(0)
        finally:
            self.poller.lose(self, error)
        return 0

    cdef int lost(self, error) except -1:
        # Each step runs even if a previous one raises.
        try:
            if self.rest_expected:
                self.rest_expected = False
                error = receive_rest(self, self.receivers, error)
            self.protocol.connection_lost(error)
        except (SystemExit, KeyboardInterrupt):
            finish_lost_soon(self.loop, self.protocol, error)
            raise
        except BaseException as exception:
            finish_lost_soon(self.loop, self.protocol, error)
            self.report_error("protocol.connection_lost() call failed", exception)
        finally:
            try:
                self.release_socket()
            finally:
                self.poller.release()
        return 0

    def loop_closed(self):
        """Close the socket. If the program had not closed it, return the repr of the transport, else None."""
        protocol = self.protocol
        if protocol is None:
            return None
        unclosed = None if self.closing or self.fd < 0 else repr(self.transport)
        self.closing = self.ended = True
        self.lost_writes += 1
        self.queue.clear()
        with suppress(OSError):
            self.release_socket()
        if isinstance(protocol, ReceiverProvider):
            # Drops the references of the protocol. RuntimeError: the closed loop cannot wake a waiting task.
            try:
                with suppress(RuntimeError):
                    protocol.connection_lost(None)
            except Exception:
                logger.exception("connection_lost() of %r raised an exception when the loop was closed", protocol)
        return unclosed

    cdef int release_socket(self) except -1:
        self.protocol = self.transport = self.receivers = None
        return self.close_descriptor()

    def discard(self):
        """Close the socket immediately, because start() was not called or has raised."""
        try:
            if self.transport is not None:
                self.force_close(None)
        finally:
            self.close_descriptor()
