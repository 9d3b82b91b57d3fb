cpdef object require_calls(module, tuple safe, tuple bases)
