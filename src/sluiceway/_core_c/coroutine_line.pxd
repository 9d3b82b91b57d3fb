cpdef object show_line(code)
