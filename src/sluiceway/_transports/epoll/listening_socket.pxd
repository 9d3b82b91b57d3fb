cdef class AcceptedSocket:
    # The descriptor, until detach() or close(); then -1.
    cdef int fd
    cdef int family
    # The kernel has set TCP_NODELAY.
    cdef bint low_delay

    cdef int detach(self) noexcept

cdef class ListeningSocket:
    cdef object sock
    cdef int family
    cdef bint low_delay
    # The system call of the last accept() has failed, until call_failed() is called.
    cdef bint failed
