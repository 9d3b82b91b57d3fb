# One system call for the pieces at the front of a write queue.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from sluiceway._core_c.write_queue cimport WriteQueue
from sluiceway._transports.epoll.poller cimport GATHER_MAXIMUM
from sluiceway._transports.epoll.system cimport (
    MSG_DONTWAIT, MSG_NOSIGNAL, iovec, memcpy, memset, msghdr, send, sendmsg,
)

cdef enum:
    PIECES = 64              # pieces given to the kernel at once
    # Whatever the status flags of the descriptor are: another process that shares it may have cleared O_NONBLOCK.
    SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL


cdef inline ssize_t send_pieces(int fd, WriteQueue queue, char* gathered) except? -1:
    """Return what send(2) returns. ``gathered`` has room for GATHER_MAXIMUM bytes."""
    cdef iovec vectors[PIECES]
    cdef msghdr message
    cdef Py_ssize_t index, count, waiting = len(queue.pieces) - queue.head
    cdef bytes piece
    if waiting > 1 and queue.size <= GATHER_MAXIMUM:
        # For small pieces a copy costs less than the kernel's way through many.
        return send(fd, gathered, gather(queue, gathered), SEND_FLAGS)
    count = waiting if waiting < PIECES else PIECES
    for index in range(count):
        piece = <bytes>queue.pieces[queue.head + index]
        vectors[index].iov_base = PyBytes_AS_STRING(piece)
        vectors[index].iov_len = PyBytes_GET_SIZE(piece)
    vectors[0].iov_base = <char*>vectors[0].iov_base + queue.offset
    vectors[0].iov_len -= queue.offset
    if count == 1:
        return send(fd, vectors[0].iov_base, vectors[0].iov_len, SEND_FLAGS)
    memset(&message, 0, sizeof(message))
    message.msg_iov = vectors
    message.msg_iovlen = count
    return sendmsg(fd, &message, SEND_FLAGS)


cdef inline Py_ssize_t gather(WriteQueue queue, char* gathered) except -1:
    """Copy all that waits to be sent, no more than GATHER_MAXIMUM bytes; return how many."""
    cdef char* end = gathered
    cdef Py_ssize_t index, length, offset = queue.offset
    cdef bytes piece
    for index in range(queue.head, len(queue.pieces)):
        piece = <bytes>queue.pieces[index]
        length = PyBytes_GET_SIZE(piece) - offset
        memcpy(end, PyBytes_AS_STRING(piece) + offset, length)
        end += length
        offset = 0
    return end - gathered
