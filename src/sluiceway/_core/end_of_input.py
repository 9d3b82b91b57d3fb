"""Why a stream ends, and what its reads raise then.

The loss of a connection is not the same as ``set_exception``: a read reports the first after the bytes that arrived
before it (contract R2), the second at once, as in asyncio.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

EofReason: TypeAlias = Literal["clean", "truncated", "reset", "closed"]


class EndOfInput:
    """``reached``: the peer sends no more. ``exception``: what ended the stream with an error.

    ``after_data``: the exception is reported once the buffered bytes have been read. ``truncation``: over TLS, the
    error of a TCP end without close_notify. ``closed_here``: the connection was closed here before the peer ended.
    """

    __slots__ = ("after_data", "closed_here", "exception", "reached", "truncation")

    def __init__(self) -> None:
        self.reached = False
        self.exception: BaseException | None = None
        self.after_data = False
        self.truncation: BaseException | None = None
        self.closed_here = False

    def due(self, buffered: int, enough: bool) -> bool:
        """Whether a read raises the exception now.

        Bytes that arrived before the loss come first, where they are ``enough`` for the read, or where the input had
        ended before: then no others would have come.
        """
        if not self.after_data or not buffered:
            return True
        return not (enough or self.reached)

    def reason(self) -> EofReason | None:
        """See ``StreamReader.eof_reason``."""
        if self.truncation is not None:
            return "truncated"
        if self.closed_here:
            return "closed"
        if self.exception is not None and not (self.reached and self.after_data):
            return "reset"
        return "clean" if self.reached else None
