# cython: language_level=3, binding=False
"""WriteLimits: the unsent data of a StreamSocket, and when its protocol must pause writing."""

from sluiceway._core_c.write_queue cimport WriteQueue
from sluiceway._transports.epoll.socket_descriptor cimport SocketDescriptor
from sluiceway._transports.epoll.system cimport EPOLLOUT

from sluiceway._core_c.validation import clamped

cdef enum:
    HIGH_WATER = 65536       # bytes; asyncio's default


cdef class WriteLimits(SocketDescriptor):
    """A socket with unsent data, whose protocol is paused above the high-water mark and resumed at the low one."""

    def __cinit__(self, *_):
        self.queue = WriteQueue()
        self.high = HIGH_WATER
        self.low = HIGH_WATER // 4

    cdef int maybe_pause(self) except -1:
        if self.queue.size <= self.high or self.writing_paused:
            return 0
        self.writing_paused = True
        return self.call_protocol("pause_writing")

    cdef int maybe_resume(self) except -1:
        if self.file_copy is not None and not self.queue.size:
            self.file_copy.begin()
        if not self.writing_paused or self.queue.size > self.low:
            return 0
        self.writing_paused = False
        return self.call_protocol("resume_writing")

    def drop_corked(self):
        # Includes what another thread was sending at the fork.
        self.corked = False
        if not self.interest & EPOLLOUT:
            self.queue.clear()

    cdef int refuse_write(self) except -1:
        if self.file_copy is not None:
            raise RuntimeError("unable to write; sendfile is in progress")
        raise RuntimeError("Cannot call write() after write_eof()")

    cdef int close_descriptor(self) except -1:
        try:
            if self.file_copy is not None:
                self.file_copy.end()
        finally:
            SocketDescriptor.close_descriptor(self)
        return 0

    cdef int call_protocol(self, str name) except -1:
        """Call the method ``name`` of the protocol. Report its exception, but raise an interrupt."""
        try:
            getattr(self.protocol, name)()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report_error(f"protocol.{name}() failed", error)
        return 0

    def set_write_buffer_limits(self, high=None, low=None):
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = clamped(high)
        self.low = clamped(low)
        self.maybe_pause()

    def get_write_buffer_limits(self):
        return self.low, self.high

    def get_write_buffer_size(self):
        return self.queue.size

    cpdef Py_ssize_t unsent_size(self) except -2:
        return self.queue.size

    cdef int report_error(self, message, error) except -1:
        self.loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self.transport, "protocol": self.protocol}
        )
        return 0
