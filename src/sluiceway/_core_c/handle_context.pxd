# Leave and enter the context of the loop's current handle. Code that may run a nested loop must run outside this
# context, because the nested loop may run the same handle again, and a context cannot be entered twice.

from cpython.ref cimport PyObject

cdef extern from "Python.h":
    # An undocumented field that CPython 3.7 to 3.15 have. PyContext_Exit needs the current context object. No public
    # function returns it: PyContext_CopyCurrent returns a copy.
    ctypedef struct PyThreadState:
        PyObject* context
    PyThreadState* PyThreadState_Get()
    object PyContext_CopyCurrent()
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    # Without ``except``: leave_handle_context() clears the error itself.
    int exit_context "PyContext_Exit"(object context)
    void PyErr_Clear()


cdef inline object leave_handle_context():
    """Leave the current context. Return it for enter_handle_context(), or None if no context was entered.

    A loop may call the callback of a socket outside a context. Then there is no current context, or it is one that
    Python has created for this thread without entering it. PyContext_Exit() fails only for such a context.
    """
    cdef PyObject* current = PyThreadState_Get().context
    if current == NULL:
        return None
    context = <object>current
    if exit_context(context) < 0:
        PyErr_Clear()
        return None
    return context


cdef inline int enter_handle_context(object context) except -1:
    if context is not None:
        PyContext_Enter(context)
    return 0
