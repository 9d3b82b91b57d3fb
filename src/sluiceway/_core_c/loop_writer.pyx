# cython: language_level=3, binding=False
"""LoopWriter: the raw transport of a connection on a loop's own transport. It corks the writes of a round.

write() of the loop's transport would overtake the corked data. Therefore writes are corked only until the program may
have access to the transport or its socket.
"""

from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.pythread cimport PyThread_get_thread_ident

from .raw_transport cimport Corkable
from .search cimport clear_list
from .task_stepper cimport Stepper

cdef enum:
    CORK_MAXIMUM = 65536     # bytes; more corked data is sent before the end of the round (contract W9)


cdef class LoopWriter(Corkable):
    """``exposed``: the program may have access to the transport or to its socket. ``sender``: the identifier of the
    thread that is passing data to the transport, else 0."""

    def __cinit__(self, transport, Stepper stepper not None, bint exposed):
        self.transport = transport
        self.stepper = stepper
        self.exposed = exposed
        self.pieces = []

    cdef bint carries(self, delivery) except -1:
        """Return True if the transport calls ``delivery`` itself. If the program has put a TLS transport of the loop
        between them, no task may run before the work of that transport has ended."""
        if not self.exposed:
            return True
        try:
            return self.transport.get_protocol().get_buffer == delivery.get_buffer
        except AttributeError:
            return False

    cpdef object write(self, data):
        if self.sender and self.sender != PyThread_get_thread_ident():
            # asyncio.to_thread(writer.write): would overtake the data that uncork() is sending, and is sent after it.
            self.pieces.append(data)
            self.size += PyBytes_GET_SIZE(data)
            return
        if self.exposed or not self.stepper.stepping:
            self.uncork()
            self.transport.write(data)
            return
        self.pieces.append(data)
        self.size += PyBytes_GET_SIZE(data)
        if not self.corked:
            self.stepper.cork(self)
            self.corked = True
        elif self.stepper.corked_long():
            self.stepper.flush()
            return
        if self.size >= CORK_MAXIMUM:
            self.uncork()

    cpdef object write_pieces(self, list pieces):
        self.write(b"".join(pieces))

    cpdef object before_drain(self):
        """Send data that was corked more than a millisecond ago."""
        if self.size and self.stepper.corked_long():
            self.stepper.flush()
        self.closing = self.transport.is_closing()

    cpdef object uncork(self):
        """Pass the corked data to the transport."""
        cdef list pieces = self.pieces
        cdef bint first = self.sender == 0
        interrupt = None
        while self.size:
            try:
                data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            except BaseException:
                # Without these bytes the connection must not continue.
                self.forget()
                self.transport.abort()
                raise
            self.forget()
            if first:
                self.sender = PyThread_get_thread_ident()
            try:
                self.transport.write(data)
            except BaseException as error:
                # Raised by pause_writing() of a protocol. What another thread has written meanwhile is still sent.
                if interrupt is None:
                    interrupt = error
            if first:
                self.sender = 0
        if interrupt is not None:
            raise interrupt

    cdef object forget(self):
        # Allocates no memory.
        clear_list(self.pieces)
        self.size = 0

    cdef object flush_corked(self):
        self.corked = False
        self.uncork()

    def drop_corked(self):
        self.corked = False
        self.sender = 0
        self.forget()

    cpdef object share(self):
        """Send the corked data and stop corking, because the program gets access to the transport or its socket."""
        self.exposed = True
        self.uncork()


def new_writer(transport, stepper, exposed):
    """Return the LoopWriter of ``transport``. ``exposed``: writes are not corked."""
    return LoopWriter(transport, stepper, exposed)
