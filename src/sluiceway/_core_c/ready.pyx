# cython: language_level=3, binding=False
"""Ready: an awaitable whose value is known when it is awaited: the compiled variant of ``_core/ready.py``.

``__next__`` of a Cython class would make an exception with a traceback to return a value. Therefore this module
replaces the slot ``tp_iternext`` of the type by a C function.
"""

from cpython.exc cimport PyErr_SetObject
from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef PyObject* (*iternextfunc)(PyObject*) noexcept
    ctypedef struct PyTypeObject:
        iternextfunc tp_iternext
    bint PyTuple_Check(object value)
    bint PyExceptionInstance_Check(object value)


cdef class Ready:
    """The base class of awaitables. ``__await__`` of a subclass returns what returning() or raising() returns."""

    def __init__(self):
        self.outcome = self.failure = None

    cpdef Ready returning(self, object outcome):
        self.outcome = outcome
        return self

    cpdef Ready raising(self, object failure):
        self.failure = failure
        return self

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        # Never called: see the end of this file.
        raise NotImplementedError


cdef PyObject* next_of(PyObject* instance) noexcept:
    cdef Ready ready = <Ready>instance
    outcome, failure = ready.outcome, ready.failure
    ready.outcome = ready.failure = None
    if failure is not None:
        PyErr_SetObject(type(failure), failure)
    elif PyTuple_Check(outcome) or PyExceptionInstance_Check(outcome):
        # Python would take the items of a tuple for the arguments of the exception.
        try:
            outcome = StopIteration(outcome)
        except BaseException as error:
            outcome = error
        PyErr_SetObject(type(outcome), outcome)
    else:
        PyErr_SetObject(StopIteration, outcome)
    return NULL


(<PyTypeObject*>Ready).tp_iternext = next_of
