# cython: language_level=3, binding=False
"""Search and slice chunks, and empty a list of chunks: the compiled variant of ``_core/search.py``, with pointers."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_FromStringAndSize,
    PyByteArray_GET_SIZE,
    PyByteArray_Resize,
)
from cpython.ref cimport PyObject
from libc.string cimport memchr, memcmp, memcpy

from .._constants import EVERYTHING

cdef extern from "Python.h":
    int PyList_SetSlice(list items, Py_ssize_t low, Py_ssize_t high, PyObject* replacement) except -1

cdef extern from *:
    """
    #ifdef _WIN32
    #define sluiceway_memmem(memory, size, pattern, length) NULL
    #define SLUICEWAY_HAS_MEMMEM 0
    #else
    #define sluiceway_memmem memmem
    #define SLUICEWAY_HAS_MEMMEM 1
    #endif
    """
    void* sluiceway_memmem(const void* memory, size_t size, const void* pattern, size_t length)
    bint SLUICEWAY_HAS_MEMMEM

cdef unsigned long long _EVERYTHING = EVERYTHING
cdef enum:
    # After this many offsets at which only the first byte of the pattern is found, memmem() continues the search,
    # because its time is linear.
    _CANDIDATES = 8


cdef inline const char* content(object chunk, Py_ssize_t* size) except NULL:
    if type(chunk) is bytes:
        size[0] = PyBytes_GET_SIZE(chunk)
        return PyBytes_AS_STRING(chunk)
    if type(chunk) is bytearray:
        size[0] = PyByteArray_GET_SIZE(chunk)
        return PyByteArray_AS_STRING(chunk)
    raise TypeError(f"chunk must be bytes or a bytearray, not {type(chunk).__name__!r}")


cdef inline Py_ssize_t position_of(
    object chunk, const char* first, Py_ssize_t end, bytes pattern, Py_ssize_t start
) except -2:
    """Return the offset of the first ``pattern`` in ``chunk``, whose bytes are at ``first``, from ``start`` to ``end``,
    or -1. ``end`` is at most the size of ``chunk``."""
    cdef const char* wanted = PyBytes_AS_STRING(pattern)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(pattern)
    cdef int candidates = 0
    cdef const char* found
    if start < 0 or length == 0:
        return chunk.find(pattern, start, end)
    while start <= end - length:
        found = <const char*>memchr(first + start, <unsigned char>wanted[0], end - length + 1 - start)
        if found == NULL:
            break
        if length == 1 or memcmp(found + 1, wanted + 1, length - 1) == 0:
            return found - first
        start = found - first + 1
        candidates += 1
        if candidates == _CANDIDATES:
            if not SLUICEWAY_HAS_MEMMEM:
                return chunk.find(pattern, start, end)
            if start > end:
                return -1
            found = <const char*>sluiceway_memmem(first + start, end - start, wanted, length)
            return -1 if found == NULL else found - first
    return -1


cpdef Py_ssize_t find_in(object chunk, bytes pattern, Py_ssize_t start, Py_ssize_t end) except -2:
    cdef Py_ssize_t size = 0
    cdef const char* first = content(chunk, &size)
    return position_of(chunk, first, min(end, size), pattern, start)


cpdef Py_ssize_t find_in_bytes(bytes chunk, bytes pattern, Py_ssize_t start) except -2:
    return position_of(chunk, PyBytes_AS_STRING(chunk), PyBytes_GET_SIZE(chunk), pattern, start)


cpdef bytes piece(bytes chunk, Py_ssize_t start, Py_ssize_t end):
    if start < 0 or end < start or end > PyBytes_GET_SIZE(chunk):
        raise ValueError(f"no piece from {start} to {end} in a chunk of {len(chunk)} bytes")
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(chunk) + start, end - start)


cpdef bytes cut(object chunk, Py_ssize_t start, Py_ssize_t end):
    cdef Py_ssize_t size = 0
    cdef const char* first = content(chunk, &size)
    if start < 0 or end < 0:
        return bytes(chunk[start:end])
    end = min(end, size)
    if start == 0 and end == size and type(chunk) is bytes:
        return <bytes>chunk
    return PyBytes_FromStringAndSize(first + start, end - start if end > start else 0)


cpdef bytes gather(list chunks, Py_ssize_t index, Py_ssize_t start, Py_ssize_t n):
    cdef Py_ssize_t size = 0, done = 0, part
    cdef const char* first
    cdef bytes result
    cdef char* target
    if index < 0 or start < 0 or n < 0:
        raise ValueError(f"no {n} bytes at {start} of the chunk {index}")
    result = PyBytes_FromStringAndSize(NULL, n)
    target = PyBytes_AS_STRING(result)
    while done < n:
        first = content(chunks[index], &size)
        part = min(size - start, n - done)
        if part > 0:
            memcpy(target + done, first + start, part)
            done += part
        start = 0
        index += 1
    return result


cpdef Py_ssize_t number(object chunk, Py_ssize_t start, Py_ssize_t size, bint little_endian) except -1:
    cdef Py_ssize_t length = 0
    cdef const unsigned char* first = <const unsigned char*>content(chunk, &length)
    cdef unsigned long long found = 0
    cdef Py_ssize_t index
    if start < 0 or size < 0 or size > 8 or start + size > length:
        raise ValueError(f"no number of {size} bytes at {start} in a chunk of {length} bytes")
    if little_endian:
        for index in range(size - 1, -1, -1):
            found = found << 8 | first[start + index]
    else:
        for index in range(size):
            found = found << 8 | first[start + index]
    return <Py_ssize_t>(found if found < _EVERYTHING else _EVERYTHING)


cpdef bytearray joined(object chunk, bytes data):
    cdef Py_ssize_t size = 0
    cdef const char* first = content(chunk, &size)
    # Empty at first: if there is no memory for the bytes, CPython 3.11 to 3.14 report a SystemError beside the
    # MemoryError when they free the object.
    cdef bytearray result = PyByteArray_FromStringAndSize(NULL, 0)
    PyByteArray_Resize(result, size + PyBytes_GET_SIZE(data))
    memcpy(PyByteArray_AS_STRING(result), first, size)
    memcpy(PyByteArray_AS_STRING(result) + size, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return result


cpdef int drop_first(list pieces, Py_ssize_t n) except -1:
    # ``del pieces[:n]`` would create a slice object.
    return PyList_SetSlice(pieces, 0, n, NULL)


cpdef int clear_list(list pieces) except -1:
    # Cython would call pieces.clear() as a Python method, which costs more than the rest of the work.
    return PyList_SetSlice(pieces, 0, len(pieces), NULL)
