cdef class AcceptedSocket:
    # The descriptor, until detach() or close(); then -1.
    cdef int fd
    cdef int family

    cdef int detach(self) noexcept

cdef class ListeningSocket:
    cdef object sock
    cdef int family
