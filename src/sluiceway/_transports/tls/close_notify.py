"""Closing a TLS connection: our close_notify, the peer's, and the time that it has for it (RFC 8446, 6.1).

TLS ends both directions at once: a peer that has ended its side is answered with close_notify, as in asyncio.
Half-closed connections do not exist here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._core import TLSReceiver, TLSSender
    from ..transport_interface import StreamTransport


class CloseSequence:
    """Closes the transport ``lower`` after both close_notify alerts, at the end of TCP, or when the time is over.

    ``shutdown_timeout``: seconds that the peer has for its close_notify, from when the last byte of ours has been sent.
    """

    __slots__ = ("_loop", "_receiver", "_sender", "_timer", "lower", "lower_ended", "shutdown_timeout")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sender: TLSSender, receiver: TLSReceiver, shutdown_timeout: float
    ) -> None:
        self._loop = loop
        self._sender = sender
        self._receiver = receiver
        self._timer: asyncio.TimerHandle | None = None
        self.lower: StreamTransport | None = None
        self.lower_ended = False
        self.shutdown_timeout = shutdown_timeout

    def start(self) -> None:
        """Send close_notify after everything that was written."""
        assert self.lower is not None
        # What the peer still sends is received and discarded: its close_notify follows it, and so does the end of a
        # renegotiation that our close_notify, and what was written, have to wait for.
        self.lower.resume_reading()
        if self._sender.send_close_notify():
            return
        if self._peer_ended():
            # Nothing more will arrive that could end the renegotiation.
            self.lower.close()
        elif not self._sender.pending_size():
            self._start_timer()

    def close_notify_sent(self) -> None:
        """Our close_notify follows everything that was written."""
        assert self.lower is not None
        if self._peer_ended() or self.lower.is_closing():
            self.lower.close()
            return
        # The peer's time begins when the last byte of ours has been sent: a high-water mark of 0 reports that.
        self.lower.set_write_buffer_limits(high=0)
        if not self.lower.get_write_buffer_size():
            self._start_timer()

    def all_sent(self) -> None:
        """The lower transport has sent everything."""
        # It is closing where the peer's close_notify has arrived, or nothing more can.
        if self.lower is not None and not self.lower.is_closing():
            self._start_timer()

    def peer_ended(self) -> None:
        """The peer's close_notify, or the end of TCP, arrived after our close."""
        self.cancel()
        if self.lower is not None:
            self.lower.close()

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def detach(self) -> None:
        """The lower transport is gone."""
        self.cancel()
        self.lower = None

    def _peer_ended(self) -> bool:
        """Whether nothing more will arrive: close_notify or the end of TCP has."""
        return self._receiver.close_notify_received or self.lower_ended

    def _start_timer(self) -> None:
        if self._timer is None and self.lower is not None:
            self._timer = self._loop.call_later(self.shutdown_timeout, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        if self.lower is not None:
            self.lower.abort()
