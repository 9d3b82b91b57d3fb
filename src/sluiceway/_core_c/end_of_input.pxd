from .read_flow_control cimport ReadFlowControl

cdef class EndOfInput(ReadFlowControl):
    cdef public object exception
    cdef public object truncation
    # The small fields stand together, so that they take no padding.
    cdef public bint eof_reached
    cdef public bint after_data
    cdef public bint closed_here
    cdef public bint idle

    cdef bint error_due(self, Py_ssize_t buffered, bint enough) except -1
