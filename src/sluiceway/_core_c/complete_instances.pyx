# cython: language_level=3, binding=False
"""Let the classes of a compiled module make instances only by a call, which runs ``__init__``.

The fields of an instance that ``cls.__new__(cls)`` alone has made are None, and compiled code would take None for an
object of the class that the field is declared with: the interpreter would crash.
"""

cdef extern from *:
    """
    /* Static types refuse ``del cls.__new__``. Without the entry, cls.__new__ is that of object, which refuses a class
       that has a tp_new of its own. A call of the class uses tp_new. */
    static inline int sluiceway_refuse_new(PyObject* type) {
    #if PY_VERSION_HEX >= 0x030C0000
        PyObject* names = PyType_GetDict((PyTypeObject*)type);
    #else
        PyObject* names = ((PyTypeObject*)type)->tp_dict;
        Py_XINCREF(names);
    #endif
        int failed = names == NULL || PyDict_DelItemString(names, "__new__") < 0;
        Py_XDECREF(names);
        if (failed)
            return -1;
        PyType_Modified((PyTypeObject*)type);
        return 0;
    }
    """
    int sluiceway_refuse_new(object cls) except -1


cpdef object require_calls(module, tuple exceptions):
    """Let ``cls.__new__`` of each class that ``module`` defines raise TypeError, except for the classes ``exceptions``."""
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and cls.__module__ == module.__name__ and cls not in exceptions:
            if "__new__" in vars(cls):
                sluiceway_refuse_new(cls)
