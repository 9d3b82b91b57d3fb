"""Received bytes as one bytearray that outsiders hold too.

``StreamReader._buffer`` is private in asyncio and yet touched by half the world: cleared on STARTTLS, extended to push
back, cut to skip. From the first touch on the bytearray *is* the buffer (contract S12); it costs speed, never bytes.
Nothing about its content may be remembered between two calls.
"""

from __future__ import annotations

from .chunk_buffer import ChunkBuffer


class LiveBuffer(ChunkBuffer):
    """The same interface as ChunkBuffer over a bytearray that may change behind our back."""

    __slots__ = ("data",)

    def __init__(self, data: bytearray) -> None:
        super().__init__()
        self.data = data

    def searched(self, patterns: tuple[bytes, ...]) -> int:
        return 0

    def held(self) -> int:
        return len(self.data)

    def excess(self) -> int:
        return 0

    def append(self, data: bytes) -> int:
        self.data += data
        return len(self.data)

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
