# cython: language_level=3, binding=False
"""Ready: an awaitable whose value is known when it is awaited: the compiled variant of ``_core/ready.py``.

``__next__`` of a Cython class would make an exception with a traceback to return a value. Therefore this module
replaces the slots ``tp_iternext`` and ``am_send`` of the type by C functions. Python calls one of them, depending on
its version; the second one needs no exception.
"""

import operator

from cpython.exc cimport PyErr_SetObject
from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef PyObject* (*iternextfunc)(PyObject*) noexcept
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
    ctypedef PySendResult (*sendfunc)(PyObject*, PyObject*, PyObject**) noexcept
    ctypedef struct PyAsyncMethods:
        sendfunc am_send
    ctypedef struct PyTypeObject:
        iternextfunc tp_iternext
        PyAsyncMethods* tp_as_async
        PyObject* tp_dict
    PyTypeObject* Py_TYPE(PyObject* o)
    void Py_INCREF(PyObject* o)
    bint PyTuple_Check(object value)
    bint PyExceptionInstance_Check(object value)
    PySendResult PyIter_Send(object iterator, object argument, PyObject** result) noexcept


cdef class Ready:
    """The base class of awaitables whose result is usually known when they are awaited; they need no coroutine then.

    ``__await__`` of a subclass returns ``self.returning(result)`` or ``self.raising(error)``; the ``await`` then
    returns ``result`` or raises ``error``. The result cannot be None, because None marks an unknown result. If the
    result is not known yet, ``__await__`` returns another iterator, such as that of a coroutine. The attribute
    ``operation`` of a subclass is the name of the call.

    If a subclass has ``send()``, a task can run its objects without ``await``, as it runs coroutines. In that case
    ``__await__`` is called at each step of the task. It must return the same iterator until this iterator ends.
    """

    def __init__(self):
        self.outcome = self.failure = None

    cpdef Ready returning(self, object outcome):
        self.outcome = outcome
        return self

    cpdef Ready raising(self, object failure):
        self.failure = failure
        return self

    def __await__(self):
        raise NotImplementedError

    def __iter__(self):
        return self

    def __next__(self):
        # Never called: see the end of this file.
        raise NotImplementedError


cdef object awaited(Ready ready):
    """Return the iterator of an object that a task runs itself, without an ``await`` that calls ``__await__``."""
    return ready.__await__()


cdef PyObject* next_of(PyObject* instance) noexcept:
    cdef Ready ready = <Ready>instance
    outcome, failure = ready.outcome, ready.failure
    ready.outcome = ready.failure = None
    if failure is not None:
        PyErr_SetObject(type(failure), failure)
    elif outcome is None:
        iterator = None
        try:
            iterator = awaited(ready)
        except BaseException as error:
            failure = error
        if failure is None:
            return Py_TYPE(<PyObject*>iterator).tp_iternext(<PyObject*>iterator)
        PyErr_SetObject(type(failure), failure)
    elif PyTuple_Check(outcome) or PyExceptionInstance_Check(outcome):
        # Python would use the items of a tuple as the arguments of the exception.
        try:
            outcome = StopIteration(outcome)
        except BaseException as error:
            outcome = error
        PyErr_SetObject(type(outcome), outcome)
    else:
        PyErr_SetObject(StopIteration, outcome)
    return NULL


cdef PySendResult send(PyObject* instance, PyObject* argument, PyObject** result) noexcept:
    cdef Ready ready = <Ready>instance
    outcome, failure = ready.outcome, ready.failure
    ready.outcome = ready.failure = None
    if failure is not None:
        PyErr_SetObject(type(failure), failure)
        result[0] = NULL
        return PYGEN_ERROR
    if outcome is None:
        iterator = None
        try:
            iterator = awaited(ready)
        except BaseException as error:
            failure = error
        if failure is None:
            return PyIter_Send(iterator, None, result)
        PyErr_SetObject(type(failure), failure)
        result[0] = NULL
        return PYGEN_ERROR
    Py_INCREF(<PyObject*>outcome)
    result[0] = <PyObject*>outcome
    return PYGEN_RETURN


cpdef object set_slots(type derived):
    """Call this for each class derived from Ready. Some versions of Python do not inherit the slot am_send."""
    (<PyTypeObject*>derived).tp_iternext = next_of
    (<PyTypeObject*>derived).tp_as_async.am_send = send


set_slots(Ready)

# For the repr of a task that runs an object of a subclass. The compiler does not accept a property of this name.
(<dict>(<PyTypeObject*>Ready).tp_dict)["__name__"] = property(operator.attrgetter("operation"))
