cpdef object target(reference)
