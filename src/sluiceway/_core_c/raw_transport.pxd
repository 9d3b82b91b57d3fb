cdef class RawTransport:
    cdef public bint closing

    cpdef object write(self, data)
    cpdef object write_pieces(self, list pieces)
    cpdef object before_drain(self)
    cpdef object uncork(self)

cdef class RawTransportProvider:
    pass
