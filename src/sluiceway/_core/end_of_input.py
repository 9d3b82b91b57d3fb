"""Why a stream has ended, and the error that its reads raise.

``set_exception()`` fails the next read immediately, as in asyncio. A lost connection is reported only after the
buffered data has been read (contract R2).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from .._errors import copy_error

EofReason: TypeAlias = Literal["clean", "truncated", "reset", "closed"]


class EndOfInput:
    """How a stream has ended.

    - ``reached``: end of file was received.
    - ``exception``: the error that ended the stream, or None.
    - ``after_data``: the exception is raised only after the buffered data has been read.
    - ``truncation``: over TLS, the error of a TCP connection that ended without a close_notify alert, or None.
    - ``closed_here``: this side closed the connection before the peer ended its direction.
    """

    __slots__ = ("after_data", "closed_here", "exception", "reached", "truncation")

    def __init__(self) -> None:
        self.reached = False
        self.exception: BaseException | None = None
        self.after_data = False
        self.truncation: BaseException | None = None
        self.closed_here = False

    def error(self) -> BaseException:
        """Return the exception for a read: the object passed to ``set_exception``, or a copy of the error of a loss."""
        assert self.exception is not None
        return copy_error(self.exception) if self.after_data else self.exception

    def due(self, buffered: int, enough: bool) -> bool:
        """Return True if a read must raise the exception now.

        Data that was received before the loss of the connection is returned first in two cases: the data is ``enough``
        for the read, or end of file was received before the loss, so the data is complete.
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
