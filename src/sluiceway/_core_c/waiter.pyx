# cython: language_level=3, binding=False
"""Waiter: the future-like object for which a read of the compiled core waits. One object serves all waits of a reader.

``Receiver.source`` refers to the Waiter. The pure core has none. The result of an asyncio future schedules a callback,
which runs the task one iteration of the loop later. A Stepper (the poller, or the one of a loop's own transports) runs
the task immediately until it waits again (a step), in the task's context. Only a Stepper may do so, and only when no
task runs. Every other caller wakes the task with ``loop.call_soon``. If an immediate step is impossible, ``call_soon``
is used as well, so no wake-up is lost.
"""

import asyncio
import sys

cdef extern from "Python.h":
    int PyContext_Enter(object context) except? -1
    int PyContext_Exit(object context) except? -1
    bint PyCFunction_CheckExact(object o)
    object PyObject_CallOneArg(object callable, object arg)
    object PyObject_GenericGetAttr(object instance, object name)
    int PyObject_GenericSetAttr(object instance, object name, object value) except -1

cdef object CancelledError = asyncio.CancelledError
cdef object InvalidStateError = asyncio.InvalidStateError
cdef str BLOCKING = sys.intern("_asyncio_future_blocking")
cdef str GET_LOOP = sys.intern("get_loop")

cdef enum:
    IDLE = 0
    PENDING = 1
    DONE = 2
    CANCELLED = 3


cdef class LoopReference:
    """The ``get_loop`` method of all waiters of ``loop``."""

    def __cinit__(self, loop):
        self.loop = loop

    def __call__(self):
        return self.loop


cdef class Waiter:
    """A future-like object that a coroutine can await repeatedly. Only one coroutine can wait at a time."""

    def __cinit__(self, LoopReference get_loop, *_):
        self._get_loop = get_loop
        self._state = IDLE

    # At each wait, a task reads and assigns the attributes below. A look-up in the type takes 5 % of a message's time.
    def __getattribute__(self, name):
        if name is BLOCKING:
            return self._asyncio_future_blocking
        if name is GET_LOOP:
            return self._get_loop
        return PyObject_GenericGetAttr(self, name)

    def __setattr__(self, name, value):
        if name is BLOCKING:
            self._asyncio_future_blocking = value
        else:
            PyObject_GenericSetAttr(self, name, value)

    cpdef Waiter begin(self):
        """Begin a wait, and return this object. A wake-up that was scheduled for the previous wait has no effect."""
        self._state = PENDING
        self._wait += 1
        self._callback = None
        self._context = None
        self._scheduled = None
        self._error = None
        self._cancel_message = None
        self._asyncio_future_blocking = False
        return self

    cpdef object complete_soon(self):
        """Complete the current wait in the next iteration of the loop."""
        raise NotImplementedError

    cdef int end(self) except -1:
        """Called when the awaiting coroutine has continued. End the wait."""
        self._scheduled = None
        return 0

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self._state == PENDING:
            if self._asyncio_future_blocking:
                # As in asyncio. The caller is not a task, which assigns False to the attribute when it begins to wait.
                raise RuntimeError("await wasn't used with future")
            self._asyncio_future_blocking = True
            return self
        if self._state != DONE or self._error is not None:
            self.result()
        raise StopIteration

    def __repr__(self):
        state = ("idle", "pending", "finished", "cancelled")[self._state]
        return f"<{type(self).__name__} {state}>"

    def done(self):
        return self._state != PENDING

    def cancelled(self):
        return self._state == CANCELLED

    def result(self):
        if self._state == CANCELLED:
            if self._cancel_message is None:
                raise CancelledError()
            raise CancelledError(self._cancel_message)
        if self._state == PENDING:
            raise InvalidStateError("Result is not set.")
        error = self._error
        if error is not None:
            self._error = None
            raise error
        return None

    def exception(self):
        if self._state == CANCELLED:
            raise CancelledError()
        if self._state == PENDING:
            raise InvalidStateError("Exception is not set.")
        return self._error

    def add_done_callback(self, callback, *, context=None):
        if context is None:
            import contextvars
            context = contextvars.copy_context()
        if self._state != PENDING:
            self._get_loop.loop.call_soon(callback, self, context=context)
        elif self._callback is None:
            self._callback = callback
            self._context = context
        else:
            raise RuntimeError("a sluiceway waiter can be awaited by only one coroutine at a time")

    def remove_done_callback(self, callback):
        if self._callback is not None and self._callback == callback:
            self._callback = None
            self._context = None
            return 1
        return 0

    def cancel(self, msg=None):
        if self._state != PENDING:
            return False
        self._state = CANCELLED
        self._cancel_message = msg
        self._deliver()
        return True

    def set_result(self, result):
        self.wake()

    def set_exception(self, error):
        if self._state == PENDING:
            self._error = error() if isinstance(error, type) else error
            self.wake()

    @property
    def _callbacks(self):
        return None if self._callback is None else [(self._callback, self._context)]

    def reading_task(self):
        """Return the task that waits or is scheduled to continue; None if the waiting object is not a task."""
        callback = self._callback if self._callback is not None else self._scheduled
        return getattr(callback, "__self__", None)

    cdef int wake(self) except -1:
        """Complete the wait. The task continues in the next iteration of the loop."""
        if self._state != PENDING:
            return 0
        self._state = DONE
        return self._deliver()

    cdef int wake_now(self) except -1:
        """Complete the wait. The task continues in this call if possible, else in the next iteration of the loop."""
        return self.wake()

    cdef int step(self, object done) except -1:
        """Complete the wait and run the task until it waits again. Called by a Stepper only, when no task runs.

        ``done``: a completed asyncio.Future, which a task of C code gets instead of this object, because it reads the
        result of a Future without a Python call.
        """
        if self._state != PENDING:
            return 0
        self._state = DONE
        callback = self._callback
        if callback is None:
            return 0
        context = self._context
        cdef bint entered = True
        try:
            PyContext_Enter(context)
        except RuntimeError:
            entered = False
        if not entered:
            # The context is entered already, because the caller runs in it.
            return self._deliver()
        self._callback = None
        self._context = None
        try:
            PyObject_CallOneArg(callback, done if PyCFunction_CheckExact(callback) else self)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._get_loop.loop.call_exception_handler(
                {"message": "Exception in callback of reader._waiter, the future of a waiting read", "exception": error}
            )
        finally:
            PyContext_Exit(context)
        return 0

    cdef int _deliver(self) except -1:
        callback = self._callback
        if callback is None:
            return 0
        context = self._context
        self._callback = None
        self._context = None
        self._scheduled = callback
        self._get_loop.loop.call_soon(callback, self, context=context)
        return 0
