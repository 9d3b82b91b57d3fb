# cython: language_level=3, binding=False
"""What a read awaits on the epoll engine: one future-like object, reused for all its waits.

The pure core has none; ReadWait has it as ``source``. asyncio resolves a future, which schedules a callback, which steps
the task one turn of the loop later. The poller steps the task immediately instead, in the task's context. Only the
poller may do that, and only when no task runs; every other caller wakes the task through ``loop.call_soon``. A step that
is refused goes through ``call_soon`` as well, so no wake-up is lost.
"""

import asyncio
from cpython.ref cimport PyObject

cdef extern from "Python.h":
    int PyContext_Enter(object context) except? -1
    int PyContext_Exit(object context) except? -1
    bint PyCFunction_CheckExact(object o)
    object PyObject_CallOneArg(object callable, object arg)

cdef object CancelledError = asyncio.CancelledError
cdef object InvalidStateError = asyncio.InvalidStateError

cdef enum:
    IDLE = 0
    PENDING = 1
    DONE = 2
    CANCELLED = 3


cdef class Waiter:
    """Future-like; awaited by one coroutine at a time, any number of times in turn."""

    def __cinit__(self, loop, *_):
        self._loop = loop
        self._state = IDLE

    cpdef Waiter begin(self):
        """Begin the next wait. A wake-up that was scheduled for the previous one finds no callback."""
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
        """Complete the wait that has just begun in the next turn of the loop."""
        raise NotImplementedError

    cdef int end(self) except -1:
        """The read has returned from its wait."""
        self._scheduled = None
        return 0

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self._state == PENDING:
            self._asyncio_future_blocking = True
            return self
        if self._state != DONE or self._error is not None:
            self.result()
        raise StopIteration

    def __repr__(self):
        state = ("idle", "pending", "finished", "cancelled")[self._state]
        return f"<{type(self).__name__} {state}>"

    def get_loop(self):
        return self._loop

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
            self._loop.call_soon(callback, self, context=context)
        elif self._callback is None:
            self._callback = callback
            self._context = context
        else:
            raise RuntimeError("a sluiceway waiter is awaited by one coroutine at a time")

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
        """The task that waits or is scheduled to be stepped; None where something else than a task waits."""
        callback = self._callback if self._callback is not None else self._scheduled
        return getattr(callback, "__self__", None)

    cdef int wake(self) except -1:
        """End the wait; the task is stepped in the next turn of the loop."""
        if self._state != PENDING:
            return 0
        self._state = DONE
        return self._deliver()

    cdef int wake_now(self) except -1:
        """End the wait; step the task immediately where that is possible."""
        return self.wake()

    cdef int step(self, object done) except -1:
        """End the wait and step the task now. Only for the poller, when all state is complete and no task runs.

        ``done``: a future of asyncio's that is done. A C task reads its result without a call.
        """
        if self._state != PENDING:
            return 0
        self._state = DONE
        callback = self._callback
        if callback is None:
            return 0
        context = self._context
        try:
            PyContext_Enter(context)
        except RuntimeError:
            # The context is entered already: the caller runs inside it.
            return self._deliver()
        self._callback = None
        self._context = None
        try:
            PyObject_CallOneArg(callback, done if PyCFunction_CheckExact(callback) else self)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._loop.call_exception_handler({"message": "Exception in callback of a sluiceway waiter", "exception": error})
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
        self._loop.call_soon(callback, self, context=context)
        return 0
