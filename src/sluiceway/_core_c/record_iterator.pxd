cimport cython

from . cimport read_operations
from .borrowed_reader cimport BorrowedReader
from .coarse_timer cimport TimeLimit
from .read_operations cimport StreamReader
from .ready cimport Ready
from .receiver cimport Receiver
from .stream_waits cimport StreamWaits

cdef Py_ssize_t _FREE_OPERATIONS
cdef int RAISE, SKIP, TRUNCATE, CHUNKS

cdef class RecordIterator(Ready):
    cdef readonly StreamReader reader
    cdef readonly BorrowedReader borrowed
    cdef readonly Receiver receiver
    cdef readonly object operation
    cdef readonly Py_ssize_t max_size
    cdef int policy
    cdef readonly Py_ssize_t skipped
    cdef readonly Py_ssize_t truncated
    cdef TimeLimit limit
    cdef StreamWaits stream
    cdef double seconds
    cdef object waiting
    cdef object waiting_task

    cdef object described(self)
    cdef object _check_open(self)
    cdef object _end_wait(self)
    cdef object ready_item(self)
    cdef object attempt(self, bint waited)
    cdef Py_ssize_t target_size(self) except -1
    cdef Py_ssize_t window(self) except -1
    cdef object check(self, bint waited)
    @cython.locals(size=Py_ssize_t)
    cdef bint ended(self, bint keeps_rest) except -1
