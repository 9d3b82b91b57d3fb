# Send the first pieces of a write queue with one system call.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from sluiceway._core_c.write_queue cimport WriteQueue
from sluiceway._transports.epoll.poller cimport GATHER_MAXIMUM
from sluiceway._transports.epoll.system cimport (
    MSG_DONTWAIT, MSG_NOSIGNAL, iovec, memcpy, memset, msghdr, send, sendmsg,
)

cdef enum:
    PIECES = 64              # the most pieces of one sendmsg() call
    # MSG_DONTWAIT because another process that shares the descriptor may have cleared O_NONBLOCK.
    SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL


cdef inline ssize_t send_pieces(int fd, WriteQueue queue, char* gathered) except? -1:
    """Send the first pieces of ``queue``, which must not be empty, with one system call; return its result.

    ``gathered``: memory of GATHER_MAXIMUM bytes for a copy.
    """
    cdef iovec vectors[PIECES]
    cdef msghdr message
    cdef Py_ssize_t index, count, waiting = len(queue.pieces) - queue.head
    cdef bytes piece
    if waiting <= 0 or queue.offset >= PyBytes_GET_SIZE(<bytes>queue.pieces[queue.head]):
        # Memory that nobody wrote would be sent.
        raise AssertionError("the write queue is inconsistent")
    if waiting > 1 and queue.size <= GATHER_MAXIMUM:
        # A copy of small pieces costs less than sendmsg() with many vectors.
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
    """Copy all unsent bytes into ``gathered``. Return their number, which must not exceed GATHER_MAXIMUM."""
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
