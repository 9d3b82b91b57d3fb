# cython: language_level=3, binding=False
"""ListeningSocket: accept() without a Python socket object, which would take two more system calls per connection."""

import socket

cimport cython
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EINTR, errno

from sluiceway._transports.epoll.socket_address cimport (
    AF_INET, AF_INET6, AF_UNIX, SocketAddress, accept4, address_object, socklen_t,
)
from sluiceway._transports.epoll.system cimport (
    IPPROTO_TCP, SOCK_CLOEXEC, SOCK_NONBLOCK, TCP_NODELAY, close_fd, getsockopt, memset,
)

cdef object socket_class = socket.socket


@cython.final
@cython.freelist(16)
cdef class AcceptedSocket:
    """The descriptor of an accepted connection, until the connection's transport takes it. Closed when it is freed.

    Therefore no descriptor stays open if a signal handler raises an exception before the transport takes it.
    """

    def __cinit__(self):
        self.fd = -1

    def __dealloc__(self):
        self.close()

    cdef int detach(self) noexcept:
        """Return the descriptor, which the caller must close; -1 if it was returned before."""
        cdef int fd = self.fd
        self.fd = -1
        return fd

    def close(self):
        """Close the descriptor, unless a transport has taken it."""
        cdef int fd = self.detach()
        if fd >= 0:
            with nogil:  # with SO_LINGER, the call may block
                close_fd(fd)


@cython.final
cdef class ListeningSocket:
    """Accepts connections from the socket object ``sock``, which the caller closes."""

    def __cinit__(self, sock):
        cdef int on = 0
        cdef unsigned int length = sizeof(on)
        self.sock = sock
        self.family = sock.family
        # Accepted sockets inherit the option. Those of a socket that the program has passed may not have it.
        self.low_delay = getsockopt(sock.fileno(), IPPROTO_TCP, TCP_NODELAY, &on, &length) == 0 and on != 0

    def accept(self):
        """Return an AcceptedSocket, which does not block, and the address of the peer. Raise OSError as sock.accept().

        The interpreter lock is released during the system call: accept4() has no MSG_DONTWAIT flag, and blocks if
        another process that shares the socket has cleared O_NONBLOCK.
        """
        cdef AcceptedSocket accepted = AcceptedSocket.__new__(AcceptedSocket)
        cdef int listener = self.sock.fileno()
        cdef SocketAddress address
        cdef socklen_t length
        accepted.family = self.family
        accepted.low_delay = self.low_delay
        while True:
            memset(&address, 0, sizeof(address))
            length = sizeof(address) - 1
            with nogil:
                accepted.fd = accept4(listener, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if accepted.fd >= 0:
                break
            if errno != EINTR:
                self.failed = True
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()
        return accepted, address_object(&address, length)

    def call_failed(self):
        """See SocketSource.call_failed()."""
        cdef bint failed = self.failed
        self.failed = False
        return failed

    def close(self):
        """Do nothing: an AcceptedSocket closes itself."""


def can_accept(sock):
    """Return True if a ListeningSocket can replace the method accept() of ``sock``."""
    if socket.socket is not socket_class:
        # accept() returns a socket of another class, which may override send().
        return False
    return type(sock).accept is socket_class.accept and sock.family in (AF_INET, AF_INET6, AF_UNIX)
