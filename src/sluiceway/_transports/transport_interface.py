"""What a transport offers to the layers above it; asyncio's names.

Received bytes go to a receiver, and a writer sends through a raw transport. Both interfaces are in
``_core/receive_interface.py``, because compiled code calls them.
"""

from __future__ import annotations

from typing import Any, Protocol


class StreamTransport(Protocol):
    """A connected byte stream: the engine's socket, TLS over another transport, or a loop's own transport."""

    def set_protocol(self, protocol: Any) -> None:
        """Call ``protocol`` from now on, and give it the bytes that arrive."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known under ``name``, such as peername, sockname or socket."""

    def pause_reading(self) -> None:
        """Receive nothing more until resume_reading()."""

    def resume_reading(self) -> None:
        """Receive again."""

    def is_reading(self) -> bool:
        """Whether bytes are received."""

    def write(self, data: Any) -> None:
        """Send ``data``, bytes-like, as soon as the peer takes it."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken yet."""

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low-water and the high-water mark, in bytes."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Call pause_writing() above ``high`` bytes, resume_writing() at ``low`` bytes."""

    def is_closing(self) -> bool:
        """Whether the transport is closing or closed."""

    def close(self) -> None:
        """Send what is buffered, then close."""

    def abort(self) -> None:
        """Close at once; what is buffered is discarded."""
