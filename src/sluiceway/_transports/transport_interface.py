"""The interface of a transport to the layers above it, with asyncio's names.

A transport delivers received bytes to a receiver, and a writer sends data with a raw transport. Both interfaces are in
the core (``receive_interface.py``, ``raw_transport.py``), because compiled code calls them.
"""

from __future__ import annotations

from typing import Any, Protocol


class StreamTransport(Protocol):
    """A connected byte stream: the engine's socket, TLS over another transport, or a loop's own transport."""

    def set_protocol(self, protocol: Any) -> None:
        """Use ``protocol`` for later events and received bytes."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the value for ``name``, such as "peername", "sockname" or "socket", or ``default``."""

    def pause_reading(self) -> None:
        """Stop receiving until resume_reading() is called."""

    def resume_reading(self) -> None:
        """Continue to receive."""

    def is_reading(self) -> bool:
        """Return True if the transport receives data."""

    def write(self, data: Any) -> None:
        """Send the bytes-like object ``data`` now, or buffer it until the kernel accepts it."""

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the kernel has not accepted."""

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low-water and the high-water mark, in bytes."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks: pause_writing() is called above ``high`` bytes, resume_writing() at ``low`` bytes."""

    def is_closing(self) -> bool:
        """Return True if the transport is closing or closed."""

    def close(self) -> None:
        """Close the transport after the buffered data has been sent."""

    def abort(self) -> None:
        """Close the transport immediately and discard buffered data."""
