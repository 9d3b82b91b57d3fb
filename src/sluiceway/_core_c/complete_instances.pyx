# cython: language_level=3, binding=False
"""Let the classes of a compiled module make instances only by a call of the class itself, which runs ``__init__``.

The fields of an instance that ``cls.__new__(cls)`` alone has made are None. Compiled code would use None as an object
of the class that the field is declared with, and the interpreter would crash. A class derived in Python could leave out
``__init__`` as well. So a class can be derived from only if its fields are safe, or if the package itself does so.
"""

cdef extern from *:
    """
    /* Removes __new__ from the dict of a static type, for which Python has no ``del cls.__new__``. Then cls.__new__ is
       that of object, which raises TypeError for a class that has a tp_new of its own. A call of the class uses tp_new.
    */
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

    static inline void sluiceway_refuse_derived(PyObject* type) {
        ((PyTypeObject*)type)->tp_flags &= ~Py_TPFLAGS_BASETYPE;
        PyType_Modified((PyTypeObject*)type);
    }
    """
    int sluiceway_refuse_new(object cls) except -1
    void sluiceway_refuse_derived(object cls)


cpdef object require_calls(module, tuple safe, tuple bases):
    """Let ``cls.__new__`` of each class that ``module`` defines raise TypeError, and let no class be derived from it.

    ``safe``: classes to which neither applies. ``bases``: classes that can be derived from."""
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and cls.__module__ == module.__name__ and cls not in safe:
            if "__new__" in vars(cls):
                sluiceway_refuse_new(cls)
            if cls not in bases:
                sluiceway_refuse_derived(cls)
