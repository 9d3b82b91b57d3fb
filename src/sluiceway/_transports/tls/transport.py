"""TLS over an open connection, the same over every transport: the engine's, a loop's own, another of these.

The bytes are the core's affair (``TLSCore``). Here are the handshake and the farewell in time, the transport that
programs see, and the protocol that the transport below feeds.
"""

from __future__ import annotations

import asyncio
import contextvars
import ssl
from asyncio import constants
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..._constants import TLS_HANDSHAKE_TIMEOUT, TLS_SHUTDOWN_TIMEOUT
from ..._implementation import core
from ..protocol_calls import complain, tell
from .flow_control import Sending
from .handshake import Outcome
from .lower_protocol import Ciphertext, deliver, direct_reader
from .peer_certificate import peer_certificate

if TYPE_CHECKING:
    from ..._core import TLSCore
else:
    TLSCore = core.TLSCore


class TLSTransport(Sending):
    """A TLS connection over another transport. ``loop.start_tls`` and ``loop.sendfile`` of asyncio's loop take it."""

    __slots__ = (
        "__weakref__",
        "_addresses",
        "_below_eof",
        "_call_made",
        "_ciphertext",
        "_context",
        "_error",
        "_handshake_timeout",
        "_lost_told",
        "_outcome",
        "_run",
        "_shutdown_timeout",
        "_strict_eof",
        "_timer",
    )

    # Marks of asyncio's own transports, for the functions of the loop.
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK
    _has_ps_sink = True

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        strict_eof: bool = False,
        call_connection_made: bool = True,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._loop = loop
        self._context = context
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        sslobject = context.wrap_bio(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=None if server_side else server_hostname or None,
        )
        self._ps_sink: TLSCore = TLSCore(sslobject, incoming, outgoing, self)
        self._ciphertext = Ciphertext(self, self._ps_sink, loop)
        self._handshake_timeout = TLS_HANDSHAKE_TIMEOUT if ssl_handshake_timeout is None else ssl_handshake_timeout
        self._shutdown_timeout = TLS_SHUTDOWN_TIMEOUT if ssl_shutdown_timeout is None else ssl_shutdown_timeout
        self._strict_eof = strict_eof
        self._call_made = call_connection_made
        self._outcome = Outcome(on_failure)
        # Where the connection was accepted or opened, for a handler that begins when the handshake is done.
        self._run: Any = contextvars.copy_context().run
        self._below: Any = None
        self._addresses: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        self._closing = False
        self._below_eof = False
        self._upper_paused = False
        self._lost_told = False
        self.set_protocol(protocol)

    def __repr__(self) -> str:
        state = "closing " if self.is_closing() else ""
        return f"<{type(self).__name__} {state}over {self._below!r}>"

    # -- the handshake ------------------------------------------------------------------------------------------------

    @property
    def ciphertext(self) -> Ciphertext:
        """The protocol for the transport below."""
        return self._ciphertext

    async def made(self) -> None:
        """Wait for the end of the handshake. Cancelled, or when that fails, the connection is given up."""
        try:
            await self._outcome.wait(self._loop)
        except BaseException:
            if not self._closing:
                self.abort()
            raise

    def give_up(self) -> None:
        """Abort, and tell nobody: the transport below was not to be had."""
        self.abort()
        self._ciphertext.give_up()
        self._ps_sink.let_go()

    def over(self, transport: Any, early: bytes = b"") -> None:
        """Begin on a transport that is connected already. ``early`` had come before."""
        # What is still to be told of the transport's room is told to this.
        self._ps_sink.clogged = self._upper_paused = getattr(self._protocol, "_paused", False) is True
        transport.set_protocol(self._ciphertext)
        self._begin(transport)
        if early and not self._closing:
            self._ps_sink.take(early)
        transport.resume_reading()

    def _begin(self, below: Any) -> None:
        self._below = below
        for name in ("peername", "sockname"):
            # Some transports forget them with the connection (contract T5).
            self._addresses[name] = below.get_extra_info(name)
        sink = getattr(below, "_ps_sink", None)
        self._ps_sink.set_carrier(below if sink is None else sink)
        self._adopt_reader()
        self._timer = self._loop.call_later(self._handshake_timeout, self._handshake_timed_out)
        self._ps_sink.begin()

    def _handshake_timed_out(self) -> None:
        self._timer = None
        self.failed(
            ConnectionAbortedError(
                f"SSL handshake is taking longer than {self._handshake_timeout:g} seconds: aborting the connection"
            )
        )

    def handshake_done(self) -> None:
        """Called by the core, before any plaintext."""
        self._cancel_timer()
        if self._outcome.given_up():
            self.abort()
            return
        try:
            if self._call_made:
                self._run(tell, self, self._protocol, self._protocol.connection_made, self)
        finally:
            self._outcome.tell(None)
            del self._run

    def failed(self, error: BaseException) -> None:
        """Called by the core: the handshake failed, or what arrives is not what the peer sent."""
        if self._closing and self._ps_sink.open:
            # What the peer does after our close is nobody's concern any more.
            self.abort()
            return
        self._cancel_timer()
        if self._error is None:
            self._error = error
        self._closing = True
        self._ps_sink.closing = True
        # The alert that says why leaves first, if it can.
        self._ps_sink.uncork()
        self._outcome.tell(error)
        if self._below.get_write_buffer_size():
            self._below.abort()
        else:
            self._below.close()

    # -- what arrives -------------------------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        self._adopt_reader()

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def _adopt_reader(self) -> None:
        """Feed the reader without a detour through the protocol, where nobody has overridden that."""
        reference = direct_reader(self._protocol)
        if reference is not None and self._below is not None:
            adopt = getattr(self._ps_sink.carrier, "adopt", None)
            if adopt is not None:
                adopt(reference())
        self._ps_sink.set_reader(reference)

    def deliver(self, data: bytes) -> None:
        """Called by the core with plaintext for a protocol that has to see it itself."""
        try:
            deliver(self._protocol, data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a program raises
            complain(self, self._protocol, "Fatal error: the protocol failed to take what arrived", error)
            self.failed(error)

    def peer_ended(self) -> None:
        """Called by the core: the peer's close_notify came."""
        if self._closing:
            self._cancel_timer()
            self._below.close()
        else:
            self._tell_end()

    def _cut_short(self) -> None:
        """The peer's TCP has ended without its close_notify (contract T3, RFC 8446, 6.1)."""
        error = ssl.SSLEOFError(
            ssl.SSL_ERROR_EOF, "the peer ended TCP without TLS's close_notify: what it sent may be cut short"
        )
        note = getattr(self._protocol, "_ps_cut_short", None)
        if note is not None:
            note(error)
        if self._strict_eof:
            self.failed(error)
        else:
            self._tell_end()

    def _tell_end(self) -> None:
        tell(self, self._protocol, self._protocol.eof_received)
        # As in asyncio, where TLS knows no half-closed connections.
        self.close()

    def _below_ended(self) -> bool:
        """TCP has ended. True: this closes the transport below."""
        self._below_eof = True
        if not self._ps_sink.open:
            self.failed(ConnectionResetError("the peer closed the connection during the TLS handshake"))
        elif self._closing:
            self._below.close()
        else:
            self._cut_short()
        return True

    def pause_reading(self) -> None:
        if not self._closing:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        if not self._closing:
            self._below.resume_reading()

    def is_reading(self) -> bool:
        return not self._closing and bool(self._below.is_reading())

    # -- the end ------------------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._closing or self._below is None or bool(self._below.is_closing())

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if not self._ps_sink.open:
            self.abort()
            return
        # What the peer still sends is read, if only to be dropped: its farewell is behind it, and the end of a
        # renegotiation that ours, and what was written, have to wait for.
        self._below.resume_reading()
        if self._ps_sink.say_goodbye():
            return
        if self._ps_sink.ended or self._below_eof:
            # Nothing more will come that could end the renegotiation.
            self._below.close()
        elif not self._ps_sink.held_up():
            self._await_farewell()

    def goodbye_said(self) -> None:
        """Called by the core: our close_notify is behind everything that was written."""
        if self._ps_sink.ended or self._below_eof or self._below.is_closing():
            self._below.close()
            return
        # The peer's farewell has its time from when the last byte of ours has left: a high-water mark of nothing tells
        # when that is.
        self._below.set_write_buffer_limits(high=0)
        if not self._below.get_write_buffer_size():
            self._await_farewell()

    def _below_resumed(self) -> None:
        super()._below_resumed()
        # Where the peer has said its farewell already, or nothing more can come, the transport below is closing.
        if self._closing and not self._below.is_closing():
            self._await_farewell()

    def _await_farewell(self) -> None:
        if self._timer is None and not self._lost_told:
            self._timer = self._loop.call_later(self._shutdown_timeout, self._farewell_timed_out)

    def _farewell_timed_out(self) -> None:
        self._timer = None
        self._below.abort()

    def abort(self) -> None:
        self._closing = True
        self._ps_sink.closing = True
        self._cancel_timer()
        if self._below is not None:
            self._below.abort()

    def _force_close(self, error: BaseException | None) -> None:
        if self._error is None:
            self._error = error
        self.abort()

    def _lost(self, error: BaseException | None) -> None:
        """Called when the transport below is gone."""
        self._cancel_timer()
        self._closing = True
        self._lost_told = True
        error = self._error or error
        opened = self._ps_sink.open
        self._ps_sink.let_go()
        protocol = self._protocol
        self._protocol = None
        if not self._outcome.over:
            self._outcome.tell(error or ConnectionResetError("the connection was lost during the TLS handshake"))
        elif protocol is not None and (opened or not self._call_made):
            protocol.connection_lost(error)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what is known ------------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        sslobject = self._ps_sink.sslobject
        if name == "ssl_object":
            return sslobject
        if name == "sslcontext":
            return self._context
        if name in ("peercert", "cipher", "compression"):
            if not self._ps_sink.open:
                return default
            return peer_certificate(sslobject) if name == "peercert" else getattr(sslobject, name)()
        if name in self._addresses:
            return self._addresses[name]
        return default if self._below is None else self._below.get_extra_info(name, default)
