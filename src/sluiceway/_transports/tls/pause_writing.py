"""When a TLS transport pauses and resumes the protocol that writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._core import TLSSender
    from ..transport_interface import StreamTransport


class WritePauses:
    """``paused``: ``pause_writing()`` of the protocol was called last, not ``resume_writing()``."""

    __slots__ = ("paused",)

    def __init__(self) -> None:
        self.paused = False

    def update(self, sender: TLSSender, lower: StreamTransport, closing: bool) -> bool | None:
        """True where the protocol is to pause now, False where it is to resume, None where nothing changes.

        It pauses while the lower transport does, and where more plaintext waits than the high-water mark allows: in a
        renegotiation OpenSSL takes none before the peer has answered.
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
