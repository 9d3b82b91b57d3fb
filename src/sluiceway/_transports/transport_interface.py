"""StreamTransport: the methods of a transport that higher layers call, with asyncio's names.

The data of most connections takes another way: a transport passes received bytes to a ReceiveInterface, and a writer
sends data with a RawTransport where the transport has one. Both classes are in the core, because compiled code calls
them.
"""

from __future__ import annotations

from typing import Any, Protocol


class StreamTransport(Protocol):
    """A connected byte stream: the engine's socket, TLS over another transport, or a loop's own transport."""

    def set_protocol(self, protocol: Any) -> None:
        """Pass later events and received bytes to ``protocol``."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the value for ``name``, such as "peername", "sockname" or "socket", or ``default``."""

    def pause_reading(self) -> None:
        """Stop receiving until resume_reading() is called."""

    def resume_reading(self) -> None:
        """Receive again after pause_reading()."""

    def is_reading(self) -> bool:
        """Return True if the transport receives data: it is neither paused nor closing."""

    def write(self, data: Any) -> None:
        """Send the bytes-like object ``data``. What the kernel does not accept now is buffered and sent later."""

    def get_write_buffer_size(self) -> int:
        """Return how many written bytes the kernel has not accepted yet."""

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low-water and the high-water mark, in bytes."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the sizes of the buffered data at which the transport pauses and resumes the writing of its protocol.

        The transport calls pause_writing() when more than ``high`` bytes are buffered, and then resume_writing() when
        at most ``low`` are left. ``high`` defaults to 4 * ``low`` or 64 KiB, and ``low`` to a quarter of ``high``.
        """

    def is_closing(self) -> bool:
        """Return True if the transport is closing or closed."""

    def close(self) -> None:
        """Close the transport after the buffered data has been sent."""

    def abort(self) -> None:
        """Close the transport immediately, and discard its unsent data."""
