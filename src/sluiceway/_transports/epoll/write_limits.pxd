from sluiceway._core_c.write_queue cimport WriteQueue
from sluiceway._transports.epoll.socket_descriptor cimport SocketDescriptor

cdef class WriteLimits(SocketDescriptor):
    cdef readonly object loop
    cdef object protocol
    cdef readonly object transport
    cdef readonly WriteQueue queue
    # True while the poller will call flush_corked().
    cdef bint corked
    cdef Py_ssize_t high
    cdef Py_ssize_t low
    cdef public bint writing_paused
    # The FileCopy of a running loop.sendfile(); else None.
    cdef public object file_copy

    cdef int maybe_pause(self) except -1
    cdef int maybe_resume(self) except -1
    cdef int refuse_write(self) except -1
    cdef int call_protocol(self, str name) except -1
    cdef int report_error(self, message, error) except -1
