"""StreamClosing: how a Stream is closed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from .halves import StreamHalves


class StreamClosing(StreamHalves):
    """The methods of Stream that close it, and ``async with``."""

    __slots__ = ()

    async def aclose(self) -> None:
        """Close the stream after the buffered data has been sent, and wait until it is closed.

        If the call is cancelled, the stream continues to close.
        """
        writer = self.writer
        writer.close()
        await writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
