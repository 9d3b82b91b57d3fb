from .raw_transport cimport Corkable
from .task_stepper cimport Stepper

cdef class LoopWriter(Corkable):
    cdef readonly object transport
    cdef Stepper stepper
    cdef list pieces
    cdef Py_ssize_t size
    cdef unsigned long sender
    cdef int forks
    cdef bint corked
    cdef bint exposed

    cdef bint carries(self, delivery) except -1
    cdef bint sends_elsewhere(self) except -1
    cdef object wait_for_sender(self)
    cpdef object share(self)
    cdef object forget(self)
