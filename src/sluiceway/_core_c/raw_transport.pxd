cdef class RawTransport:
    cdef public bint closing

    cpdef object write(self, data)
    cpdef object write_pieces(self, list pieces)
    cpdef object before_drain(self)
    cpdef object uncork(self)
    cpdef Py_ssize_t unsent_size(self) except -2
    cpdef object corking(self, Py_ssize_t size)

cdef class Corkable(RawTransport):
    cdef object flush_corked(self)

cdef class RawTransportProvider:
    pass
