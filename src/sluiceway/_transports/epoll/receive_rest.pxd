# Receive what the kernel has received before a send failed (contract R2).

from sluiceway._core_c.protocol_receiver cimport ProtocolReceivers
from sluiceway._core_c.receive_interface cimport ReceiveInterface
from sluiceway._core_c.receive_memory cimport Memory
from sluiceway._core_c.receiver cimport Receiver
from sluiceway._core_c.tls_receive cimport TLSReceiver
from sluiceway._transports.epoll.socket_descriptor cimport SocketDescriptor
from sluiceway._transports.epoll.system cimport MSG_DONTWAIT, recv

cdef enum:
    LEAST_RECEIVE = 4096     # MINIMUM_RECEIVE of _constants.py: a full stream still has this room


cdef inline object receive_rest(SocketDescriptor sock, ProtocolReceivers receivers, error):
    """Receive as much as the stream has room for, and wake no task: connection_lost() follows.

    A protocol of the program receives nothing: in asyncio, it gets no data after a failed send. Return ``error``, with
    which the connection ends, or an exception for which received bytes may be missing.
    """
    cdef ReceiveInterface receiver
    cdef Memory memory
    cdef Py_ssize_t room
    cdef ssize_t got
    try:
        while sock.fd >= 0 and not sock.closed_by_program():
            receiver = receivers.current()
            if isinstance(receiver, TLSReceiver):
                if not (<TLSReceiver>receiver)._sender.handshake_complete:
                    # No handshake may complete now: it would start a handler.
                    break
            elif not isinstance(receiver, Receiver):
                break
            memory = receiver.get_buffer(-1)
            room = memory.size
            got = recv(sock.fd, memory.start, room, MSG_DONTWAIT)
            if got <= 0:
                # Not an end of input: after a reset, the kernel reports the error once, and then an end.
                memory.give_back()
                break
            receiver.committed(got)
            if room <= LEAST_RECEIVE:
                break
    except Exception as missing:
        return missing
    return error
