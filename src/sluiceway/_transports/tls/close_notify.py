"""CloseSequence: the close_notify alerts of both sides, and the shutdown timeout (RFC 8446, section 6.1).

As in asyncio, TLS ends both directions together: a close_notify of the peer is answered with a close_notify. TLS
connections cannot be half-closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..._implementation import core

if TYPE_CHECKING:
    from ..._core import RawTransportProvider, TLSReceiver, TLSSender
    from ..transport_interface import StreamTransport
else:
    RawTransportProvider = core.RawTransportProvider


class CloseSequence:
    """Closes the lower transport after both close_notify alerts, or when the input of the lower transport has ended.

    It also closes the lower transport when the peer has sent more than LINGER_MAXIMUM bytes after the close. After the
    shutdown timeout, it aborts the lower transport.

    - ``lower``: the transport that carries the records; None before it is connected and after it has ended.
    - ``lower_ended``: True after the peer has ended its direction of the lower transport.
    - ``shutdown_timeout``: the seconds that the peer has for its close_notify alert, after all data has been sent.
    """

    __slots__ = ("_loop", "_only_alert", "_receiver", "_sender", "_timer", "lower", "lower_ended", "shutdown_timeout")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sender: TLSSender, receiver: TLSReceiver, shutdown_timeout: float
    ) -> None:
        self._loop = loop
        self._sender = sender
        self._receiver = receiver
        self._timer: asyncio.TimerHandle | None = None
        self.lower: StreamTransport | None = None
        self.lower_ended = False
        # The peer had ended its direction, and only this side's alert was left to send, when the close began.
        self._only_alert = False
        self.shutdown_timeout = shutdown_timeout

    def start(self) -> None:
        """Begin the close: resume reading for the peer's alert, and send this side's alert after the pending data."""
        assert self.lower is not None
        # Data of the peer is received and discarded, because its close_notify follows. So does the end of a
        # renegotiation, for which the pending data and the own close_notify must wait.
        self.lower.resume_reading()
        if self._peer_ended() and not self.lower.is_closing():
            self._only_alert = not self.lower.get_write_buffer_size() + self._sender.pending_size()
        if self._sender.send_close_notify() or self.lower is None:
            # Sent, or the connection has ended in a loop that a finalizer runs nested.
            return
        # While the TLSSender is busy, as in a finalizer, it sends the data and the alert later.
        if self._peer_ended() and not self._sender.busy:
            # The renegotiation cannot end, because the peer sends nothing more.
            self._close_lower(self.lower)
        else:
            self._start_timer_when_sent()

    def close_notify_sent(self) -> None:
        """Called when this side's alert was written to the lower transport.

        Close the lower transport if the peer has ended its direction. Otherwise wait for the peer's alert.
        """
        assert self.lower is not None
        if self._peer_ended() or self.lower.is_closing():
            self._close_lower(self.lower)
            return
        self._start_timer_when_sent()

    def lower_resumed(self) -> None:
        """Called when the lower transport resumes writing after start().

        Start the shutdown timeout if all data has been sent, and the lower transport is not closing.
        """
        # The lower transport is closing already if the peer has ended its direction.
        if self.lower is not None and not self.lower.is_closing():
            self._start_timer_when_sent()

    def peer_ended(self) -> None:
        """Called during the close: the peer has sent its alert or too much data, or has ended its direction.

        Close the lower transport.
        """
        self.cancel()
        if self.lower is not None:
            self._close_lower(self.lower)

    def abandon(self) -> bool:
        """Close the lower transport without a close_notify alert, or abort it if it has unsent data.

        Return True if it was closed, and False if it was aborted or there is none.
        """
        lower = self.lower
        if lower is None:
            return False
        if lower.get_write_buffer_size():
            lower.abort()
            return False
        self._close_lower(lower)
        return True

    def cancel(self) -> None:
        """Stop the shutdown timeout."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def detach(self) -> None:
        """Called when the lower transport has ended. Stop the shutdown timeout, and forget the lower transport."""
        self.cancel()
        self.lower = None

    def reported_loss(self, error: BaseException | None, discarded: int) -> tuple[BaseException | None, int]:
        """Return None and 0 if the lower transport can have lost only this side's alert, else both arguments.

        ``error``: the error with which the lower transport ended, or None. ``discarded``: how many bytes it discarded;
        -1 if the number is unknown.

        The loss of the alert is not reported: asyncio sends no alert after the end of input, and so reports no loss.
        A Unix socket refuses the alert with a BrokenPipeError if the peer has closed the connection.
        """
        only_alert = self._only_alert and (self.lower_ended or isinstance(error, BrokenPipeError))
        return (None, 0) if only_alert else (error, discarded)

    def discarded_data(self, size: int) -> int:
        """Return ``size``, the number of bytes that the lower transport has discarded.

        Return 0 if these bytes belong to the alert, which was sent last.
        """
        return 0 if size <= self._sender.alert_size else size

    def _close_lower(self, lower: StreamTransport) -> None:
        # Not a second time if it is a transport of the loop: later calls of asyncio's TLS transport would raise.
        if isinstance(lower, RawTransportProvider) or not lower.is_closing():
            lower.close()

    def _peer_ended(self) -> bool:
        """Return True if the peer sends nothing more: it has sent its close_notify alert, or ended its direction."""
        return self._receiver.close_notify_received or self.lower_ended

    def _start_timer_when_sent(self) -> None:
        assert self.lower is not None
        # With this high-water mark, the lower transport resumes writing when it has sent all data.
        self.lower.set_write_buffer_limits(high=0)
        # Plaintext that waits for a renegotiation is sent later, and then the alert.
        if self._timer is None and not self.lower.get_write_buffer_size() and not self._sender.pending_size():
            self._timer = self._loop.call_later(self.shutdown_timeout, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        if self.lower is not None:
            self.lower.abort()
