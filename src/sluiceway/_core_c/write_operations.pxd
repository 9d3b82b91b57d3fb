from .sender cimport Sender

cdef class StreamWriter:
    cdef readonly Sender _sluiceway
