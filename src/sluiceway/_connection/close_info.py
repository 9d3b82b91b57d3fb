"""CloseInfo: how the connection of a Stream was closed."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

CloseReason: TypeAlias = Literal["closed", "aborted", "timeout", "close timeout", "idle timeout", "reset"]


@dataclasses.dataclass(frozen=True, slots=True)
class CloseInfo:
    """How a connection was closed. ``await stream.aclose()`` returns it.

    Attributes:
        flushed (bool): True if the kernel accepted every byte that was sent. That does not mean that the peer has
            received the bytes; only an answer of the peer shows that.
        unsent_bytes (int): the number of bytes that the kernel did not accept, and that were discarded. Over TLS, the
            encrypted size of those that were encrypted already. The event loop's own transports do not report the
            number after a reset. ``flushed`` is then False, and ``unsent_bytes`` is what was unsent when the close
            began, or 0 if the reset came first.
        close_notify_received (bool or None): over TLS, True if the peer's close_notify alert arrived, so that what was
            received is complete. None without TLS, and on TLS transports of the event loop.
        reason (str): what ended the connection.

            - ``"closed"``: one side closed it, without an error. Over TLS, the peer's alert may be missing; see
              ``close_notify_received``.
            - ``"timeout"``: the ``timeout=`` of ``aclose()`` passed, and the connection was aborted.
            - ``"close timeout"``: neither the kernel nor the peer accepted data for one to two times ``close_timeout``,
              and the connection was aborted.
            - ``"idle timeout"``: no byte was received or sent for ``idle_timeout`` seconds, and the connection was
              aborted.
            - ``"reset"``: the connection was lost with an error.
            - ``"aborted"``: the program called ``abort()`` of the Stream. Or its ``start_tls()`` was cancelled, or
              exceeded its ``timeout=``, during the handshake. Or unsent bytes were discarded for a reason that is not
              in this list, such as ``abort()`` of the transport, or over TLS an invalid record during the close.
    """

    flushed: bool
    unsent_bytes: int
    close_notify_received: bool | None
    reason: CloseReason
