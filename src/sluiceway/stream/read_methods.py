"""StreamReading: the methods of Stream that read."""

from __future__ import annotations

from .halves import StreamHalves


class StreamReading(StreamHalves):
    """The methods of Stream that read."""

    __slots__ = ()

    async def read(self, max_bytes: int) -> bytes:
        """Read what has arrived, at least one byte and at most ``max_bytes``.

        A cancelled call takes nothing from the stream.

        Returns:
            The bytes. ``b""`` at the end of the stream.

        Raises:
            ValueError: ``max_bytes`` is not greater than 0.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the error of a lost connection, after the bytes received before the loss have been read.
        """
        if max_bytes <= 0:
            raise ValueError(f"{self!r}.read(): max_bytes must be greater than 0, not {max_bytes!r}")
        return await self.reader.read(max_bytes)

    async def read_exactly(self, n: int) -> bytes:
        """Read exactly ``n`` bytes.

        A cancelled call takes nothing from the stream.

        Raises:
            IncompleteReadError: the stream ended before ``n`` bytes. ``partial`` has the bytes before the end, which
                are removed from the stream.
            ValueError: ``n`` is negative.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the error of a lost connection, if fewer than ``n`` bytes were received before the loss.
        """
        return await self.reader.readexactly(n)

    async def read_line(self) -> bytes:
        """Read a line, including its ``\\n``.

        A cancelled call takes nothing from the stream.

        Returns:
            The line. At the end of the stream, the rest without a newline, or ``b""``.

        Raises:
            ValueError: the line is longer than the limit of the reader.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the error of a lost connection, if no complete line was received before the loss.
        """
        return await self.reader.readline()
