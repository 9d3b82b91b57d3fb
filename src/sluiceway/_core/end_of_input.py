"""EndOfInput: why a stream has ended, and which error its reads raise.

As in asyncio, the waiting read and every later read raise the exception of ``set_exception()`` at once. The error of a
lost connection is raised only by a read for which the buffered data is not enough, and this read takes nothing
(contract R2, docs/explanation/contracts.md). If end of file came before the loss, no read raises the error.

The functions make the errors of a connection that is aborted because an interrupt, such as KeyboardInterrupt, may have
lost data.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from .._errors import copy_error
from .read_flow_control import ReadFlowControl

EofReason: TypeAlias = Literal["clean", "truncated", "reset", "idle timeout", "closed"]


class EndOfInput(ReadFlowControl):
    """The part of a Receiver that records how its stream has ended.

    - ``eof_reached``: True after end of file, or after the connection has ended without an error.
    - ``exception``: the error that ended the stream, or None.
    - ``after_data``: True if ``exception`` is raised only by a read for which the buffered data is not enough.
    - ``truncation``: over TLS, the error for an input that ended without a close_notify alert, or None.
    - ``idle``: True if the connection was aborted, because no byte was received or sent for the idle timeout.
    - ``closed_here``: True if this side closed the connection, without an error, before the peer ended its direction.
    """

    __slots__ = ("after_data", "closed_here", "eof_reached", "exception", "idle", "truncation")

    def __init__(self, limit: int) -> None:
        ReadFlowControl.__init__(self, limit)
        self.eof_reached = False
        self.exception: BaseException | None = None
        self.after_data = False
        self.truncation: BaseException | None = None
        self.closed_here = False
        self.idle = False

    def end_error(self) -> BaseException:
        """Return what a read raises: the object passed to set_exception(), or a copy of a lost connection's error.

        ``exception`` must not be None.
        """
        assert self.exception is not None
        return copy_error(self.exception) if self.after_data else self.exception

    def error_due(self, buffered: int, enough: bool) -> bool:
        """Return True if a read must raise ``exception`` now, while ``buffered`` bytes are unread.

        ``exception`` must not be None. The error of set_exception() must be raised. The error of a lost connection must
        be raised if no byte is unread, or if the unread bytes are not ``enough`` for the read. If end of file was
        received before the loss, that error must not be raised: the input is complete, and only sends have failed.
        """
        if not self.after_data:
            return True
        return not (self.eof_reached or (buffered and enough))

    def eof_reason(self) -> EofReason | None:
        """Return the value of ``StreamReader.eof_reason``."""
        if self.truncation is not None:
            return "truncated"
        if self.closed_here:
            return "closed"
        if self.exception is not None and not (self.eof_reached and self.after_data):
            return "idle timeout" if self.idle else "reset"
        return "clean" if self.eof_reached else None


def received_data_lost(interrupt: BaseException) -> ConnectionAbortedError:
    """Return the error of a connection that is aborted because ``interrupt`` may have lost received data.

    ``interrupt`` is KeyboardInterrupt or SystemExit, or over TLS any exception of a signal handler other than OSError
    and ValueError. The function is in the core, so that it can be compiled: no signal handler runs in compiled code.
    """
    return ConnectionAbortedError(f"aborted: {type(interrupt).__name__} may have lost received data")


def written_data_lost(interrupt: BaseException) -> ConnectionAbortedError:
    """Return the error of a connection that is aborted because ``interrupt`` may have lost written data."""
    return ConnectionAbortedError(f"aborted: {type(interrupt).__name__} may have lost written data")
