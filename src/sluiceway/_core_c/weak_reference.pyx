# cython: language_level=3, binding=False
"""target(): the object to which a weak reference refers, without a Python call. See ``_core/weak_reference.py``."""

cdef extern from *:
    """
    /* Returns a strong reference, because any Python code may free the object. PyWeakref_GetObject returns a borrowed
       reference, and was removed from the headers of CPython 3.15. */
    static inline PyObject* sluiceway_weak_target(PyObject* reference) {
    #if PY_VERSION_HEX >= 0x030D0000
        PyObject* target;
        if (PyWeakref_GetRef(reference, &target) < 0)
            return NULL;
        if (target == NULL)
            Py_RETURN_NONE;
        return target;
    #else
        PyObject* target = PyWeakref_GetObject(reference);
        Py_XINCREF(target);
        return target;
    #endif
    }
    """
    object sluiceway_weak_target(object reference)


cpdef object target(reference):
    return sluiceway_weak_target(reference)
