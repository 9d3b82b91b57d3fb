cpdef Py_ssize_t find_in(object chunk, bytes pattern, Py_ssize_t start, Py_ssize_t end) except -2
cpdef Py_ssize_t find_in_bytes(bytes chunk, bytes pattern, Py_ssize_t start) except -2
cpdef bytes piece(bytes chunk, Py_ssize_t start, Py_ssize_t end)
cpdef bytes cut(object chunk, Py_ssize_t start, Py_ssize_t end)
cpdef bytes gather(list chunks, Py_ssize_t index, Py_ssize_t start, Py_ssize_t n)
cpdef Py_ssize_t number(object chunk, Py_ssize_t start, Py_ssize_t size, bint little_endian) except -1
cpdef bytearray joined(object chunk, bytes data)
cpdef int drop_first(list pieces, Py_ssize_t n) except -1
cpdef int clear_list(list pieces) except -1
