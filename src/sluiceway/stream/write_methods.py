"""StreamWriting: the methods of Stream that send."""

from __future__ import annotations

from .._core.validation import BytesLike
from .halves import StreamHalves


class StreamWriting(StreamHalves):
    """The methods of Stream that send."""

    __slots__ = ()

    async def send(self, data: BytesLike) -> None:
        """Send ``data``; wait while too much data is buffered.

        After a cancelled call, ``data`` is sent whole.

        Args:
            data (a bytes-like object): the data to send. Later changes of a mutable object have no effect.

        Raises:
            TypeError: ``data`` is not a bytes-like object.
            Exception: the connection was lost with an error, before or during the call.
            ConnectionResetError: the connection ended before the call without an error.
        """
        writer = self.writer
        writer.write(data)
        await writer.drain()
