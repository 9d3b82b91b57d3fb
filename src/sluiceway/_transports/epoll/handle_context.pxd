# The context of the loop's handle, which is left while code runs that may run the loop nested: a context cannot be
# entered twice.

from cpython.ref cimport PyObject

cdef extern from "Python.h":
    # The field is not documented; CPython 3.7 to 3.15 have it. No public function returns the context that is entered:
    # PyContext_CopyCurrent returns another object, and PyContext_Exit needs this one.
    ctypedef struct PyThreadState:
        PyObject* context
    PyThreadState* PyThreadState_Get()
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1


cdef inline object leave_handle_context():
    """Leave the context of the current handle, and return it for enter_handle_context(); None where there is none."""
    cdef PyObject* current = PyThreadState_Get().context
    if current == NULL:
        return None
    context = <object>current
    PyContext_Exit(context)
    return context


cdef inline int enter_handle_context(object context) except -1:
    if context is not None:
        PyContext_Enter(context)
    return 0
