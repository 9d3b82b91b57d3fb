# cython: language_level=3, binding=False
"""DirectSelect: a compiled select() for the selector of an asyncio loop, which serves the sockets of the poller itself.

In each iteration an asyncio loop calls ``select()`` of its selector, and then runs a handle for each event: Python code
that costs as much as the rest of a message. If only the poller is ready and no callback waits, this ``select()`` serves
the poller and waits again. Otherwise it returns the same events as the original one.

Only the attribute ``select`` of the selector object is replaced. The registrations are the same as without it, so that
other code can use the selector, replace it, or wait for its descriptor.
"""

import asyncio
import selectors
import time
from types import BuiltinFunctionType

from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear
from cpython.list cimport PyList_GET_SIZE
from cpython.method cimport PyMethod_Check, PyMethod_GET_FUNCTION
from cpython.ref cimport PyObject
from libc.errno cimport EINTR, errno
from libc.limits cimport INT_MAX
from libc.math cimport ceil
from libc.stdint cimport uint32_t

from sluiceway._core_c.monotonic cimport monotonic_ns
from sluiceway._transports.epoll.system cimport EPOLLIN, EPOLLOUT, epoll_event, epoll_wait

from sluiceway._config import SELECT_CHOICE

cdef extern from "Python.h":
    ctypedef struct PyFrameObject
    PyFrameObject* PyEval_GetFrame()

cdef enum:
    EVENTS = 256         # the most events of one epoll_wait() call
    LONGEST = 1000000    # seconds; an asyncio loop waits for at most one day
    TIMERS = 100         # asyncio removes cancelled timers if there are more timers than this, and half are cancelled
    EVENT_READ = 1       # selectors.EVENT_READ
    EVENT_WRITE = 2      # selectors.EVENT_WRITE

# None if gevent has removed it.
cdef object EpollSelector = getattr(selectors, "EpollSelector", None)
cdef object SelectorEventLoop = asyncio.SelectorEventLoop
cdef object Handle = asyncio.Handle


cdef object code_of(function, module):
    """Return the code of ``function``, or None if a program has replaced this function of ``module``."""
    return function.__code__ if getattr(function, "__globals__", None) is module.__dict__ else None


cdef object run_forever_code = code_of(asyncio.BaseEventLoop.run_forever, asyncio.base_events)
cdef object run_once_code = code_of(asyncio.BaseEventLoop._run_once, asyncio.base_events)
# The clock of a loop: time() of the loop, the module that it uses, and the function of the module that it calls. If tests
# have replaced the clock before this import, clock_is_real() never returns True.
cdef object loop_time = asyncio.BaseEventLoop.time if code_of(asyncio.BaseEventLoop.time, asyncio.base_events) else None
cdef dict loop_module = asyncio.base_events.__dict__
cdef object time_module = time
cdef dict time_functions = time.__dict__
cdef object monotonic = time.monotonic if type(time.monotonic) is BuiltinFunctionType else None


def install_direct_select(loop, callback, serve):
    """Replace ``select`` of the selector of ``loop``. Return the DirectSelect, or None if it cannot be used.

    ``callback``: ``serve()`` is called instead of the handles with this callback. The loop must be an
    asyncio.SelectorEventLoop and the selector an EpollSelector, not of derived classes. The program must not have
    replaced ``select`` of the selector, or ``asyncio.Handle._run``, as monitors of slow callbacks do.
    SLUICEWAY_SELECT=loop turns the DirectSelect off.
    """
    if SELECT_CHOICE == "loop" or type(loop) is not SelectorEventLoop or type(loop._selector) is not EpollSelector:
        return None
    if "select" in loop._selector.__dict__ or code_of(Handle._run, asyncio.events) is None:
        return None
    return DirectSelect(loop, callback, serve)


cdef class DirectSelect:
    """The replacement for ``select`` of one selector, until remove(). A program may store it, and call it later."""

    cdef object loop
    cdef object selector
    cdef object callback
    cdef object serve
    # The table of the selector: descriptors to keys.
    cdef dict keys
    cdef int epfd

    def __cinit__(self, loop, callback, serve):
        self.loop = loop
        self.selector = loop._selector
        self.callback = callback
        self.serve = serve
        self.keys = self.selector._fd_to_key
        self.epfd = self.selector.fileno()
        self.selector.select = self.select

    def remove(self):
        """Restore the original ``select``, unless the program has replaced it."""
        if getattr(self.selector.__dict__.get("select"), "__self__", None) is self:
            del self.selector.select

    def select(self, timeout=None):
        """Wait at most ``timeout`` seconds, None for no limit, and return a list of pairs of key and events.

        Serve the poller, and wait again, as long as no other event and no work of the loop ends the wait."""
        cdef epoll_event events[EVENTS]
        cdef int n, problem, milliseconds = -1
        cdef long long end = 0
        cdef bint serves = False
        first_timer = None
        if timeout is not None:
            if not timeout < LONGEST:
                # Raises the error of a timeout that is infinite or not a number.
                return EpollSelector.select(self.selector, timeout)
            milliseconds = in_milliseconds(timeout)
            if milliseconds:
                end = monotonic_ns() + <long long>(<double>timeout * 1e9)
                first_timer = self.first_timer()
        while True:
            with nogil:
                n = epoll_wait(self.epfd, events, EVENTS, milliseconds)
                problem = errno
            if n < 0:
                if problem != EINTR:
                    return EpollSelector.select(self.selector, timeout)
                # Python calls the signal handler, and the loop computes the rest of the time.
                return []
            # If callbacks wait or the loop is stopping, the loop passes 0: these come before the events.
            if n != 1 or milliseconds == 0:
                return self.found(events, n)
            handle = self.poller_handle(events[0].data.fd)
            serves = handle is not None and (serves or self.loop_waits())
            if not serves:
                return self.found(events, n)
            self.serve_instead_of(handle)
            PyErr_CheckSignals()
            if self.loop_has_work() or self.first_timer() is not first_timer:
                return []
            if timeout is not None:
                if not self.clock_is_real():
                    return []
                milliseconds = in_milliseconds((end - monotonic_ns()) * 1e-9)
                if milliseconds == 0:
                    return []

    cdef bint loop_waits(self) except -1:
        """Return True if the loop has called select() from its run_forever(), and is not in debug mode.

        Other callers, such as nest_asyncio, may need to continue after each event. In debug mode the loop logs handles.
        """
        cdef PyObject* current = <PyObject*>PyEval_GetFrame()
        if current == NULL or self.loop._debug:
            return False
        frame = <object>current
        caller = frame.f_back
        if caller is None:
            # CPython 3.11 returns None with a MemoryError if it cannot allocate the frame object.
            PyErr_Clear()
            return False
        return frame.f_code is run_once_code and caller.f_code is run_forever_code

    cdef bint loop_has_work(self) except -1:
        """Return True if the loop must run: callbacks, stop(), another selector, or many cancelled timers."""
        if self.loop._ready or self.loop._stopping or self.loop._selector is not self.selector:
            return True
        cdef Py_ssize_t timers = PyList_GET_SIZE(self.loop._scheduled)
        return timers > TIMERS and self.loop._timer_cancelled_count * 2 > timers

    cdef bint clock_is_real(self) except -1:
        """Return False if the program has replaced the clock of the loop, as tests do. Then only the loop knows whether a
        timer is due, because the program may have moved the clock."""
        # Not read from loop.__dict__: Python 3.11 and 3.12 then create the dict, and read every attribute of the loop
        # slowly.
        clock = self.loop.time
        return (
            PyMethod_Check(clock)
            and PyMethod_GET_FUNCTION(clock) == <PyObject*>loop_time
            and loop_module.get("time") is time_module
            and time_functions.get("monotonic") is monotonic
        )

    cdef object first_timer(self):
        cdef list timers = self.loop._scheduled
        return timers[0] if timers else None

    cdef object poller_handle(self, int fd):
        """Return the handle that the loop would run for an event of ``fd`` if it is the poller's, else None."""
        key = self.keys.get(fd)
        data = None if key is None else key.data
        # A program may have registered the descriptor with other data.
        if type(data) is tuple and data:
            handle = data[0]
            if type(handle) is Handle and handle._callback is self.callback:
                return handle
        return None

    cdef int serve_instead_of(self, handle) except -1:
        """Call ``serve()``, and treat its exception as asyncio.Handle does."""
        try:
            self.serve()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            message = f"Exception in callback {self.callback!r}"
            self.loop.call_exception_handler({"message": message, "exception": error, "handle": handle})
        return 0

    cdef list found(self, epoll_event* events, int n):
        """Return what select() of EpollSelector returns for these events."""
        cdef list result = []
        cdef int i
        cdef uint32_t ready
        for i in range(n):
            key = self.keys.get(events[i].data.fd)
            if key is not None:
                ready = EVENT_READ if events[i].events & ~<uint32_t>EPOLLOUT else 0
                if events[i].events & ~<uint32_t>EPOLLIN:
                    ready |= EVENT_WRITE
                result.append((key, ready & <uint32_t>key.events))
        return result


cdef int in_milliseconds(double seconds) except -1:
    """Return ``seconds`` in milliseconds, rounded up as by EpollSelector; 0 for a negative number."""
    return 0 if seconds <= 0 else <int>min(ceil(seconds * 1e3), <double>INT_MAX)
