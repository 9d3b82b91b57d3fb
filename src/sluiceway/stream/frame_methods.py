"""StreamFraming: the method of Stream that sends a frame. ``StreamReading.frames`` is its counterpart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._implementation import core
from ..framing.prefix import length_prefix
from .write_methods import StreamWriting

if TYPE_CHECKING:
    from .._core.validation import BytesLike


class StreamFraming(StreamWriting):
    """The method of Stream that sends a frame."""

    __slots__ = ()

    async def send_frame(
        self,
        data: BytesLike,
        *,
        length_bytes: Literal[1, 2, 4, 8] = 4,
        byteorder: Literal["big", "little"] = "big",
        timeout: float | None = None,
    ) -> None:
        """Send ``data`` after its length, and wait while too much data is buffered. ``frames()`` reads such frames.

        A frame is never cut: if the call is cancelled or times out, the frame is still sent whole. One exception: a
        call that was still waiting for ``sendfile()`` or ``start_tls()`` of another task sends nothing.

        Args:
            data (a bytes-like object): the frame. Later changes of a mutable object have no effect.
            length_bytes (int): the size of the length prefix in bytes: 1, 2, 4 or 8. It is not counted in the length.
            byteorder (str): the order of the bytes of the prefix: ``"big"``, as in network protocols, or ``"little"``.
            timeout (float or None): the seconds that the call may wait.

        Raises:
            TypeError: ``data`` is not a bytes-like object.
            ValueError: the length does not fit in the prefix, or a keyword has a value that is not listed above.
                Nothing is sent.
            Exception: another error of ``send()``, such as the TimeoutError of ``timeout``.
        """
        checked = data if type(data) is bytes else core.as_bytes(data, "send_frame", self)
        prefix = length_prefix(len(checked), length_bytes, byteorder, self)
        if timeout is not None:
            core.as_seconds(timeout, "send_frame(): timeout", self)
        writer = self._open_writer("send_frame")
        sender = writer._sluiceway
        if sender.connection.record.send_lock is not None:
            await self._send_in_turn(prefix + checked, timeout, "send_frame")
            return
        writer.write(prefix + checked)
        if not sender.has_room():
            await self._wait_in_time(writer, timeout, "send_frame")
