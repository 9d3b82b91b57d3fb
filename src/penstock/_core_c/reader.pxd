from .incoming cimport IncomingCore

cdef class ReaderCore(IncomingCore):
    cpdef object _ps_take_record(self, tuple separators, object operation, bint waited)
    cpdef Py_ssize_t _ps_record_end(self, tuple separators) except -2
