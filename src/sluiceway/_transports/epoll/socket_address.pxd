# System calls that return the address of a socket, and the address as Python's socket objects return it.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "sys/socket.h" nogil:
    ctypedef uint32_t socklen_t
    struct sockaddr:
        uint16_t sa_family
    enum:
        AF_INET
        AF_INET6
        AF_UNIX
    int accept4(int fd, sockaddr* address, socklen_t* length, int flags)
    int getsockname(int fd, sockaddr* address, socklen_t* length)

cdef extern from "netinet/in.h" nogil:
    struct in_addr:
        uint32_t s_addr
    struct sockaddr_in:
        uint16_t sin_port
        in_addr sin_addr
    struct in6_addr:
        pass
    struct sockaddr_in6:
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    enum:
        INET6_ADDRSTRLEN
    uint16_t ntohs(uint16_t number)
    uint32_t ntohl(uint32_t number)

cdef extern from "sys/un.h" nogil:
    struct sockaddr_un:
        uint16_t sun_family
        char sun_path[108]

cdef extern from "arpa/inet.h" nogil:
    const char* inet_ntop(int family, const void* address, char* text, socklen_t size)

cdef extern from "Python.h":
    str PyUnicode_DecodeFSDefault(const char* text)
    str PyUnicode_DecodeASCII(const char* text, Py_ssize_t size, const char* errors)

cdef union SocketAddress:
    sockaddr any
    sockaddr_in inet
    sockaddr_in6 inet6
    sockaddr_un local
    # A path of 108 bytes has no NUL. One more byte ends it.
    char bytes[112]


cdef inline str dotted(const uint8_t* numbers):
    """Return the text of an IPv4 address. inet_ntop() formats with sprintf(), which takes ten times as long."""
    cdef char text[15]
    cdef int size = 0, index
    cdef uint8_t number
    for index in range(4):
        number = numbers[index]
        if index:
            text[size] = c'.'
            size += 1
        if number >= 100:
            text[size] = c'0' + number // 100
            size += 1
        if number >= 10:
            text[size] = c'0' + number // 10 % 10
            size += 1
        text[size] = c'0' + number % 10
        size += 1
    return PyUnicode_DecodeASCII(text, size, NULL)


cdef inline object address_object(const SocketAddress* address, socklen_t length):
    """Return an address of ``length`` bytes: IPv4, IPv6 or Unix. The byte after a Unix path must be 0."""
    cdef char text[INET6_ADDRSTRLEN]
    if length == 0:
        return None
    if address.any.sa_family == AF_INET:
        return dotted(<const uint8_t*>&address.inet.sin_addr), ntohs(address.inet.sin_port)
    if address.any.sa_family == AF_INET6:
        inet_ntop(AF_INET6, &address.inet6.sin6_addr, text, INET6_ADDRSTRLEN)
        return (
            text.decode("ascii"), ntohs(address.inet6.sin6_port), ntohl(address.inet6.sin6_flowinfo),
            address.inet6.sin6_scope_id,
        )
    length -= sizeof(uint16_t)
    if length and address.local.sun_path[0] == 0:
        # An abstract name of Linux.
        return (<const char*>address.local.sun_path)[:length]
    return PyUnicode_DecodeFSDefault(address.local.sun_path)
