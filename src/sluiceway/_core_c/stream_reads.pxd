from . cimport read_by_size, read_operations
from . cimport read_until as records
from . cimport caller_buffer as caller_buffers
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .stream_waits cimport StreamWaits

cdef class Stream(StreamWaits):
    pass
