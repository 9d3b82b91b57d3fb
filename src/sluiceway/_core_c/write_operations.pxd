cimport cython

from .sender cimport Sender

@cython.locals(sender=Sender)
cdef Sender sender_to_assign(StreamWriter writer)

cdef class StreamWriter:
    cdef readonly Sender _sluiceway
