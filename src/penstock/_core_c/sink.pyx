# cython: language_level=3, binding=False
"""What a writer writes to without a detour: the compiled half of a transport, in place of the transport itself.

Only compiled transports have one, so it has no pure twin; the core knows it as ``_ps_sink``.
"""


cdef class Sink:
    """``closing`` is true once nothing that is written will be sent."""

    cpdef object write(self, data):
        """Send ``data``, bytes-like, as soon as the peer takes it."""
        raise NotImplementedError

    cpdef object before_drain(self):
        """Called by every drain before it looks whether there is room."""
        raise NotImplementedError
