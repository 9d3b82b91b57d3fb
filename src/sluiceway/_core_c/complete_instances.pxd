cpdef object require_calls(module, tuple exceptions)
