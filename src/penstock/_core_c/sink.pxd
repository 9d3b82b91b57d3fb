cdef class Sink:
    cdef readonly bint closing

    cpdef object write(self, data)
    cpdef object before_drain(self)
