# Declarations of the system calls and constants for the poller and the stream socket.

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "sys/epoll.h" nogil:
    enum:
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD
        EPOLL_CTL_DEL
        EPOLL_CLOEXEC
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLHUP
    ctypedef union epoll_data_t:
        int fd
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout)

cdef extern from "sys/uio.h" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "sys/socket.h" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL
        SHUT_WR
        SOCK_CLOEXEC
        SOCK_NONBLOCK
        SOCK_STREAM
    int getsockopt(int fd, int level, int name, void* value, unsigned int* length)
    int setsockopt(int fd, int level, int name, const void* value, unsigned int length)
    ssize_t recv(int fd, void* buffer, size_t length, int flags)
    ssize_t send(int fd, const void* buffer, size_t length, int flags)
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
    int shutdown(int fd, int how)

cdef extern from "sys/ioctl.h" nogil:
    enum:
        FIONREAD
    int ioctl(int fd, unsigned long request, ...)

cdef extern from "netinet/in.h" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "netinet/tcp.h" nogil:
    enum:
        TCP_NODELAY

cdef extern from "string.h" nogil:
    void* memset(void* s, int c, size_t n)
    void* memcpy(void* target, const void* source, size_t n)

cdef extern from "unistd.h" nogil:
    int close_fd "close"(int fd)

cdef extern from "fcntl.h" nogil:
    enum:
        F_DUPFD_CLOEXEC
    int fcntl(int fd, int command, int argument)

cdef inline int create_epoll_set(int number) noexcept nogil:
    """Return a new epoll descriptor, ``number`` if that is free, or -1 after an error. dup3() would get the number even
    if another thread had opened it meanwhile, and close the other file."""
    cdef int new = epoll_create1(EPOLL_CLOEXEC), higher
    if 0 <= new < number:
        higher = fcntl(new, F_DUPFD_CLOEXEC, number)
        if higher >= 0:
            close_fd(new)
            return higher
    return new

cdef inline void close_epoll_set(int fd, bint inherited) noexcept nogil:
    """Close ``fd``. ``inherited``: a parent process has opened it. The child may then have closed all descriptors, as a
    daemon does, and another file may have the number ``fd``: no file but an epoll set is closed."""
    cdef epoll_event event
    if not inherited or epoll_wait(fd, &event, 1, 0) >= 0:
        close_fd(fd)
