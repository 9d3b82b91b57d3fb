# Receive what the kernel has received before a send failed (contract R2).

from sluiceway._core_c.protocol_receiver cimport ProtocolReceivers
from sluiceway._core_c.receive_interface cimport ReceiveInterface
from sluiceway._core_c.receive_memory cimport Memory
from sluiceway._core_c.receiver cimport Receiver
from sluiceway._core_c.tls_receive cimport TLSReceiver
from sluiceway._transports.epoll.socket_descriptor cimport SocketDescriptor
from sluiceway._transports.epoll.system cimport FIONREAD, MSG_DONTWAIT, ioctl, recv


cdef inline object receive_rest(SocketDescriptor sock, ProtocolReceivers receivers, error):
    """Receive what the kernel has, as much as the stream has room for, and wake no task: connection_lost() follows.

    A protocol of the program receives nothing: in asyncio, it gets no data after a failed send. Return ``error``, with
    which the connection ends, or an exception for which received bytes may be missing.
    """
    cdef ReceiveInterface receiver
    cdef Receiver stream
    cdef Memory memory
    cdef ssize_t got
    # A peer that goes on sending must not keep the loop here.
    cdef int left = 0
    try:
        if sock.fd < 0 or ioctl(sock.fd, FIONREAD, &left) < 0:
            left = 0
        while left > 0 and sock.fd >= 0 and not sock.closed_by_program():
            receiver = receivers.current()
            stream = stream_of(receiver)
            if stream is None or stream.buffer.size() >= 2 * stream.limit + stream.target_size:
                break
            memory = receiver.get_buffer(-1)
            got = recv(sock.fd, memory.start, memory.size, MSG_DONTWAIT)
            if got <= 0:
                # Not an end of input: after a reset, the kernel reports the error once, and then an end.
                memory.give_back()
                break
            left -= <int>got
            receiver.committed(got)
    except Exception as missing:
        return missing
    return error


cdef inline Receiver stream_of(ReceiveInterface receiver):
    """Return the stream that gets the bytes of ``receiver``, perhaps decrypted; None for a protocol of the program.

    None also during a TLS handshake, which must not complete now: that would start a handler.
    """
    cdef ProtocolReceivers upper
    while isinstance(receiver, TLSReceiver):
        upper = (<TLSReceiver>receiver)._upper
        if upper is None or not (<TLSReceiver>receiver)._sender.handshake_complete:
            return None
        receiver = upper.current()
    return <Receiver>receiver if isinstance(receiver, Receiver) else None
