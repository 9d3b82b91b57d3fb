"""Sending over TLS: what a program calls, and how it is held up when neither the transport below nor OpenSSL, which may
have to hear from the peer first, takes more."""

from __future__ import annotations

from asyncio import transports
from typing import TYPE_CHECKING, Any

from ..._implementation import core
from ..protocol_calls import tell

if TYPE_CHECKING:
    from ..._core import TLSCore


class Sending(transports._FlowControlMixin, transports.Transport):
    """The writing half of a TLSTransport, which sets everything here."""

    __slots__ = ("_below", "_closing", "_protocol", "_ps_sink", "_upper_paused")

    _below: Any
    _closing: bool
    _protocol: Any
    _ps_sink: TLSCore
    _upper_paused: bool

    def write(self, data: Any) -> None:
        self._ps_sink.write(core.as_bytes(data, "write"))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        raise NotImplementedError("TLS ends both directions at once: close() says goodbye")

    @property
    def _protocol_paused(self) -> bool:
        return self._upper_paused

    def _below_paused(self) -> None:
        self._ps_sink.clogged = True
        self.pace()

    def pace(self) -> None:
        """Have the protocol write no more than can leave. Called by the core too: when more has to wait for the peer,
        and when nothing has to any more."""
        waits = self._ps_sink.held_up()
        clogged = self._ps_sink.clogged
        if self._upper_paused and not clogged and not waits:
            self._upper_paused = False
            tell(self, self._protocol, self._protocol.resume_writing)
        elif (
            not (self._upper_paused or self._closing)
            and self._ps_sink.open
            and (clogged or waits > self._below.get_write_buffer_limits()[1])
        ):
            self._upper_paused = True
            tell(self, self._protocol, self._protocol.pause_writing)

    def _below_resumed(self) -> None:
        self._ps_sink.clogged = False
        self._ps_sink.go_on(False)
        self.pace()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        limits: tuple[int, int] = self._below.get_write_buffer_limits()
        return limits

    def get_write_buffer_size(self) -> int:
        return int(self._below.get_write_buffer_size()) + self._ps_sink.held_up()
