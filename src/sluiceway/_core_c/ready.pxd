cdef class Ready:
    cdef object outcome
    cdef object failure

    cpdef Ready returning(self, object outcome)
    cpdef Ready raising(self, object failure)

cpdef object set_slots(type derived)
