"""Flow control of TLS: when the transport pauses and resumes its protocol's writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._core import TLSSender
    from ..transport_interface import StreamTransport


class WritePauses:
    """The write flow control of one TLS transport. ``paused``: the protocol's writing is paused."""

    __slots__ = ("paused",)

    def __init__(self) -> None:
        self.paused = False

    def update(self, sender: TLSSender, lower: StreamTransport, closing: bool) -> bool | None:
        """Return True to pause the protocol now, False to resume it, and None for no change.

        The protocol is paused while the lower transport is paused, or while the pending plaintext exceeds the
        high-water mark. During a renegotiation, OpenSSL accepts no plaintext until the peer has responded.
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
