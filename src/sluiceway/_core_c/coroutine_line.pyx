# cython: language_level=3, binding=False
"""The line number of a compiled coroutine on CPython 3.11, for ``Task.print_stack`` and the repr of a task."""

cdef extern from *:
    """
    /* On CPython 3.11, f_lineno is None for a frame that has not reached the RESUME instruction. The code of a compiled
       coroutine has no instructions, so Task.print_stack raises TypeError. */
    #if PY_VERSION_HEX < 0x030C0000
    #define sluiceway_show_line(code) (((PyCodeObject*)(code))->_co_firsttraceable = 0)
    #else
    #define sluiceway_show_line(code) ((void)(code))
    #endif
    """
    void sluiceway_show_line(object code)


cpdef object show_line(code):
    """Change ``code``, a code object of Cython, so that its frames report the line of the function's definition."""
    sluiceway_show_line(code)
