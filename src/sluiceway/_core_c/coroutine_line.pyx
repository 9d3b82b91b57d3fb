# cython: language_level=3, binding=False
"""The line of a compiled coroutine on CPython 3.11, for ``Task.print_stack`` and the repr of a task."""

cdef extern from *:
    """
    /* CPython 3.11 shows no line for a frame that has not reached the RESUME instruction of its code. The code of a
       compiled coroutine has no instructions, so its f_lineno is None, and Task.print_stack raises TypeError. */
    #if PY_VERSION_HEX < 0x030C0000
    #define sluiceway_show_line(code) (((PyCodeObject*)(code))->_co_firsttraceable = 0)
    #else
    #define sluiceway_show_line(code) ((void)(code))
    #endif
    """
    void sluiceway_show_line(object code)


cpdef object show_line(code):
    """Let frames of ``code``, which Cython has made, have the line of the function's definition."""
    sluiceway_show_line(code)
