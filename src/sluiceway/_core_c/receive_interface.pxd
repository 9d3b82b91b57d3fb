from .receive_memory cimport Memory

cdef class ReceiveInterface:
    cdef public bint intercepted
    cdef object __weakref__

    cpdef object attach(self, scratch, waiters)
    cpdef Memory get_buffer(self, Py_ssize_t hint)
    cpdef Py_ssize_t room(self) except -1
    cpdef Memory direct_buffer(self, Py_ssize_t size)
    cpdef bint committed(self, Py_ssize_t n) except -1
    cpdef bint feed(self, bytes data) except -1
    cpdef object wake(self)
    cpdef object eof(self)
    cpdef object lost(self, error)

cdef class ReceiverReference:
    cdef public object receiver_ref

cdef class ReceiverProvider:
    cdef readonly ReceiverReference _sluiceway
