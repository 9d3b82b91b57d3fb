from .sender cimport Sender

cdef class WriteOperations:
    cdef readonly Sender _sluiceway
