# cython: language_level=3, binding=False
"""SocketDescriptor: the descriptor of a StreamSocket. Its socket object is created when a program asks for it."""

import _socket
import socket

from sluiceway._transports.epoll.listening_socket cimport AcceptedSocket
from sluiceway._transports.epoll.poller cimport Pollable
from sluiceway._transports.epoll.socket_address cimport SocketAddress, address_object, getsockname, socklen_t
from sluiceway._transports.epoll.system cimport SOCK_STREAM, close_fd, memset

cdef object new_socket = socket.socket
# Not socket.SocketType: a library for tests, such as mocket, may have replaced it before this import.
cdef object detach = _socket.socket.detach


cdef object socket_object(int family, int fd):
    """Return a socket object that owns ``fd``. If an error or an interrupt is raised, ``fd`` stays open."""
    sock = new_socket.__new__(new_socket)
    try:
        sock.__init__(family, SOCK_STREAM, -1, fd)
        sock.setblocking(False)
    except BaseException:
        detach(sock)
        raise
    return sock


cdef class SocketDescriptor(Pollable):
    """The descriptor of a connection: that of a socket object, or one that was accepted without a socket object."""

    def __dealloc__(self):
        if self.owned:
            # The loop was dropped without a close. The socket object closes the descriptor with a ResourceWarning.
            try:
                socket_object(self.family, self.fd)
            except BaseException:
                # At the exit of the interpreter, the module ``socket`` may have been cleared.
                close_fd(self.fd)

    cdef int take(self, sock) except -1:
        """Use the descriptor of ``sock``: a socket object, or an AcceptedSocket, which does not close it any more."""
        if type(sock) is AcceptedSocket:
            self.family = (<AcceptedSocket>sock).family
            self.fd = (<AcceptedSocket>sock).detach()
            self.owned = True
        else:
            self.fd = sock.fileno()
            self.sock = sock
        return 0

    def fileno(self):
        """Return the descriptor; -1 if it is closed."""
        return self.fd if self.sock is None else self.sock.fileno()

    def socket(self):
        """Return the socket object. If the descriptor is closed, the object is closed as well."""
        if self.owned:
            try:
                sock = socket_object(self.family, self.fd)
            except OSError:
                if self.owned:
                    raise
            else:
                if self.owned:
                    self.sock, self.owned = sock, False
                else:
                    # Another thread or a signal handler has made the object, or has closed the descriptor, meanwhile.
                    detach(sock)
        if self.sock is None:
            sock = new_socket(self.family, SOCK_STREAM)
            sock.close()
            self.sock = sock
        return self.sock

    def getsockname(self):
        """Return the local address, also after the descriptor was closed; None if the kernel does not return it.

        The address takes a system call, and most programs do not need it. Therefore it is read when a program asks for
        it, or the descriptor is closed.
        """
        cdef SocketAddress address
        cdef socklen_t length = sizeof(address) - 1
        if not self.address_known:
            if self.owned:
                memset(&address, 0, sizeof(address))
                if getsockname(self.fd, &address.any, &length) == 0:
                    self.address = address_object(&address, length)
            elif self.sock is not None:
                try:
                    self.address = self.sock.getsockname()
                except OSError:
                    pass
            self.address_known = True
        return self.address

    cdef bint closed_by_program(self) except -1:
        return self.shared and self.sock.fileno() != self.fd

    cdef int close_descriptor(self) except -1:
        """Close the descriptor, unless it is closed."""
        cdef int fd = self.fd
        try:
            if fd >= 0:
                self.getsockname()
        finally:
            # Before the close, which may run Python code: another connection may have the number afterwards.
            self.fd = -1
            if self.owned:
                self.owned = False
                with nogil:  # with SO_LINGER, the call may block
                    close_fd(fd)
            elif self.sock is not None:
                self.sock.close()
        return 0
