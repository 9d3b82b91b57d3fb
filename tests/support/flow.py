"""Old name of ``support.fake_transports``, for tests/core/ until its imports are renamed."""

from support.fake_transports import CountingTransport, UnpausableTransport

__all__ = ["CountingTransport", "UnpausableTransport"]
