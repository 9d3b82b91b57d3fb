"""WritePauses: when a TLS transport calls pause_writing() and resume_writing() of its protocol."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._core import TLSSender
    from ..transport_interface import StreamTransport


class WritePauses:
    """The write flow control of one TLS transport. ``paused``: True while its protocol's writing is paused."""

    __slots__ = ("paused",)

    def __init__(self) -> None:
        self.paused = False

    def update(self, sender: TLSSender, lower: StreamTransport, closing: bool) -> bool | None:
        """Return True if the protocol must be paused now, False if it must be resumed, and None otherwise.

        The protocol is paused when the lower transport has paused writing, or when the pending plaintext exceeds the
        high-water mark of the lower transport: during a renegotiation, OpenSSL accepts no plaintext until the peer has
        responded. The protocol is not paused before the end of the handshake, nor while the transport is closing. A
        paused protocol is resumed when the lower transport has not paused writing and no plaintext is pending.
        """
        pending = sender.pending_size()
        if self.paused and not sender.lower_paused and not pending:
            self.paused = False
            return False
        if self.paused or closing or not sender.handshake_complete:
            return None
        if sender.lower_paused or pending > lower.get_write_buffer_limits()[1]:
            self.paused = True
            return True
        return None


def set_limits(lower: StreamTransport, high: int | None, low: int | None) -> None:
    """Set the write buffer limits of ``lower``. After ``lower`` has ended, the call may have no effect."""
    # Transports of uvloop raise RuntimeError then.
    with contextlib.suppress(RuntimeError):
        lower.set_write_buffer_limits(high, low)
