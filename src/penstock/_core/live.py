"""Received bytes as one bytearray that outsiders hold too.

``StreamReader._buffer`` is private in asyncio and yet touched by half the world: cleared on STARTTLS, extended to push
back, cut to skip. From the first touch on the bytearray *is* the buffer (contract S12); it costs speed, never bytes.
Nothing about its content may be remembered between two calls.
"""

from __future__ import annotations


class LiveBuffer:
    """The same interface as ChunkBuffer over a bytearray that may change behind our back."""

    __slots__ = ("data", "searched_for")

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self.searched_for: tuple[bytes, ...] | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def waste(self) -> int:
        return 0

    def excess(self) -> int:
        return 0

    @property
    def searched(self) -> int:
        return 0

    @searched.setter
    def searched(self, value: int) -> None:
        pass

    def append(self, data: bytes) -> None:
        self.data += data

    def compact(self) -> None:
        pass

    def clear(self) -> None:
        self.data.clear()

    def take(self, n: int) -> bytes:
        with memoryview(self.data) as view:
            result = bytes(view[:n])
        del self.data[:n]
        return result

    def take_all(self) -> bytes:
        result = bytes(self.data)
        self.data.clear()
        return result

    def matches(self, pattern: bytes, at: int) -> bool:
        return self.data.startswith(pattern, at)

    def find(self, pattern: bytes, start: int) -> int:
        return self.data.find(pattern, start)
