cdef struct Link:
    # NULL where the owner is in no list.
    Link* previous
    Link* following
    # The object that the link is a field of; it unlinks itself before it is freed.
    void* owner

cdef void unlink(Link* link) noexcept

cdef class OpenSockets:
    cdef Link head

    cdef int add(self, Link* link, object owner) except -1
    cdef int close_all(self) except -1
    cdef object take(self)
