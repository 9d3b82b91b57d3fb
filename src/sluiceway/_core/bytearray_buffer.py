"""Received bytes as one bytearray that programs hold too.

``StreamReader._buffer`` is private in asyncio, and yet many programs clear it on STARTTLS, extend it to push bytes
back, or delete from it to skip. After the first access the bytearray *is* the buffer (contract S12), which costs speed
and never bytes. Nothing about its content is remembered between two calls.
"""

from __future__ import annotations

from .chunk_buffer import ChunkBuffer


class BytearrayBuffer(ChunkBuffer):
    """The interface of ChunkBuffer over a bytearray that the program may change at any time."""

    __slots__ = ("data",)

    def __init__(self, data: bytearray) -> None:
        super().__init__()
        self.data = data

    def searched(self, patterns: tuple[bytes, ...]) -> int:
        return 0

    def size(self) -> int:
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
