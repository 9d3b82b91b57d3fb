# cython: language_level=3, binding=False
"""LoopWriter: the raw transport of a connection on a loop's own transport. It corks the writes of a round.

write() of the loop's transport would overtake the corked data. Therefore writes are corked only until the program may
have access to the transport or its socket.
"""

from time import sleep

from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.pythread cimport PyThread_get_thread_ident

from .raw_transport cimport Corkable
from .search cimport clear_list
from .task_stepper cimport Stepper

cdef enum:
    CORK_MAXIMUM = 65536     # bytes; more corked data is sent before the end of the round (contract W9)
    WAITS_FOR_SENDER = 1000  # the most milliseconds for which a thread waits until another one has sent


cdef class LoopWriter(Corkable):
    """``exposed``: the program may have access to the transport or to its socket. ``sender``: the identifier of the
    thread that is passing data to the transport, else 0. ``forks``: that of the stepper when ``sender`` was set."""

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
        if self.sender and self.sends_elsewhere():
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

    cdef bint sends_elsewhere(self) except -1:
        """Return True while another thread of this process is passing data to the transport."""
        if self.forks != self.stepper.forks:
            # The thread, and what was written meanwhile, are the parent's.
            self.sender = 0
            self.forget()
        return self.sender != 0 and self.sender != PyThread_get_thread_ident()

    cdef object wait_for_sender(self):
        for _ in range(WAITS_FOR_SENDER):
            sleep(0.001)
            if not self.sends_elsewhere():
                break

    cpdef object uncork(self):
        """Pass the corked data to the transport. What another thread is passing to it is passed first."""
        cdef list pieces = self.pieces
        cdef bint first
        interrupt = None
        if self.sender and self.sends_elsewhere():
            # asyncio.to_thread(): write_eof() or close() would discard that data, or overtake it.
            self.wait_for_sender()
        first = self.sender == 0
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
                self.forks = self.stepper.forks
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
        if not (self.sender and self.sends_elsewhere()):
            self.uncork()

    def drop_corked(self):
        self.corked = False
        self.forget()

    cpdef object share(self):
        """Send the corked data and stop corking, because the program gets access to the transport or its socket."""
        self.exposed = True
        self.uncork()


def new_writer(transport, stepper, exposed):
    """Return the LoopWriter of ``transport``. ``exposed``: writes are not corked."""
    return LoopWriter(transport, stepper, exposed)
