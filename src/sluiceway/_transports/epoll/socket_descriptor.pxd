from sluiceway._transports.epoll.poller cimport Pollable

cdef class SocketDescriptor(Pollable):
    # The address family of a descriptor that was accepted without a socket object.
    cdef int family
    # True while this object closes the descriptor, because there is no socket object.
    cdef bint owned
    # The program has access to the descriptor: it may close the socket, and writes are not corked.
    cdef bint shared
    # True once a program has asked for the local address, or the descriptor is closed. ``address`` is set then.
    cdef bint address_known
    cdef object address
    # The socket object, which closes the descriptor; None until a program asks for it.
    cdef object sock

    cdef int take(self, sock) except -1
    cdef bint closed_by_program(self) except -1
    cdef int close_descriptor(self) except -1
