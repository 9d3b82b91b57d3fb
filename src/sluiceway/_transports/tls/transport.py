"""TLSTransport: the transport of a TLS connection, which programs use.

Its lower transport, which carries the records, is the engine's, a loop's own, or another TLS transport. TLSSender and
TLSReceiver of the core encrypt and decrypt. The TLSTransport starts the handshake, connects the upper and the lower
protocol, and handles the events of both sides.
"""

from __future__ import annotations

import asyncio
import contextvars
import ssl
from asyncio import constants, transports
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..._constants import TLS_HANDSHAKE_TIMEOUT, TLS_SHUTDOWN_TIMEOUT
from ..._errors import copy_error, own_close_error
from ..._implementation import core
from ..protocol_calls import abort_if_interrupted, call_protocol, finish_lost_soon, report_error
from .close_notify import CloseSequence
from .handshake import Handshake
from .lower_protocol import LowerProtocol
from .pause_writing import WritePauses, set_limits
from .peer_certificate import peer_certificate
from .program_sslobject import ProgramSSLObject, make_sslobject
from .ssl_protocol import SSLProtocol
from .truncation import report_truncation_late, report_truncation_soon

if TYPE_CHECKING:
    from ..._core import RawTransportProvider, TLSReceiver, TLSSender
else:
    RawTransportProvider = core.RawTransportProvider
    TLSReceiver = core.TLSReceiver
    TLSSender = core.TLSSender


class TLSTransport(RawTransportProvider, transports._FlowControlMixin, transports.Transport):
    """The asyncio.Transport of a TLS connection over another transport. The LowerProtocol refers to this object.

    ``loop.start_tls`` and ``loop.sendfile`` of asyncio's loop accept this transport.
    """

    __slots__ = (
        "__weakref__",
        "_addresses",
        "_answers_blocked",
        "_call_made",
        "_close",
        "_closing",
        "_context",
        "_discarded",
        "_error",
        "_handshake",
        "_lower",
        "_lower_protocol",
        "_protocol",
        "_reading_paused",
        "_receiver",
        "_run",
        "_write_pauses",
        "raw",
        "strict_eof",
    )

    # Private attributes of asyncio's own transports, which loop.start_tls() and loop.sendfile() check.
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        strict_eof: bool = False,
        call_connection_made: bool = True,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._loop = loop
        self._context = context
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        sslobject = make_sslobject(context, incoming, outgoing, server_side, server_hostname, session)
        self.raw: TLSSender = TLSSender(sslobject, outgoing, self)
        self._receiver: TLSReceiver = TLSReceiver(sslobject, incoming, self.raw, self)
        self._receiver.reads_any_length = isinstance(sslobject, ProgramSSLObject)
        self._lower_protocol = LowerProtocol(self, self._receiver, loop)
        self._lower: Any = None
        self._addresses: dict[str, Any] = {}
        self._handshake = Handshake(
            loop, TLS_HANDSHAKE_TIMEOUT if ssl_handshake_timeout is None else ssl_handshake_timeout, on_failure
        )
        self._call_made = call_connection_made
        # The context of the accept or connect, in which the handler runs after the handshake.
        self._run: Any = contextvars.copy_context().run
        self._write_pauses = WritePauses()
        # The two reasons to pause reading of the lower transport.
        self._reading_paused = self._answers_blocked = False
        self._close = CloseSequence(
            loop,
            self.raw,
            self._receiver,
            TLS_SHUTDOWN_TIMEOUT if ssl_shutdown_timeout is None else ssl_shutdown_timeout,
        )
        self._closing = False
        self._discarded = 0
        self._error: BaseException | None = None
        self.strict_eof = strict_eof
        self.set_protocol(protocol)

    def __repr__(self) -> str:
        state = "closing " if self.is_closing() else ""
        return f"<{type(self).__name__} {state}over {self._lower!r}>"

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        self._receiver.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # -- the handshake ------------------------------------------------------------------------------------------------

    @property
    def lower(self) -> Any:
        """The lower transport, which carries the records, also after its end. None before it is connected."""
        return self._lower

    @property
    def lower_protocol(self) -> LowerProtocol:
        """The protocol that the lower transport must have."""
        return self._lower_protocol

    async def wait_for_handshake(self) -> None:
        """Wait for the end of the handshake. If it fails, raise its error. If the call is cancelled, call abort()."""
        try:
            await self._handshake.wait()
        except BaseException:
            if not self._closing:
                self.abort()
            raise

    def discard(self) -> None:
        """Called when the lower transport was not created completely. Abort it, but call no method of the protocol."""
        self.abort()
        self._lower_protocol.detach()
        self._detach()

    def start_on(self, lower: Any, received: bytes, ended: bool) -> None:
        """Start the handshake over the connected transport ``lower``.

        ``received``: bytes that have arrived already. ``ended``: True if the peer has ended its direction after these
        bytes; ``lower`` does not report that end again.
        """
        # From now on, the lower transport reports its flow control to this object. The protocol may be paused already.
        self.raw.lower_paused = self._write_pauses.paused = getattr(self._protocol, "_paused", False) is True
        self._lower_protocol.take_over(lower)
        self.lower_made(lower)
        if received and not self._closing and self._receiver.feed(received):
            self._receiver.wake()
        lower.resume_reading()
        if ended and not self._closing:
            self.lower_eof()

    def lower_made(self, lower: Any) -> None:
        self._lower = self._close.lower = lower
        for name in ("peername", "sockname"):
            # Some transports drop the addresses when the connection ends (contract T5).
            self._addresses[name] = lower.get_extra_info(name)
        self.raw.set_lower(lower)
        self._handshake.start_timer(self.failed)
        self._receiver.begin_handshake()

    def handshake_completed(self) -> None:
        """Called by the TLSReceiver after the handshake, before it delivers plaintext.

        Call connection_made(), unless ``call_connection_made`` is False. If wait_for_handshake() was cancelled, abort
        instead.
        """
        self._handshake.stop_timer()
        if self._handshake.wait_cancelled():
            self.abort()
            return
        run = self._run
        del self._run
        if not self._handshake.is_awaited():
            # First: connection_made() may run the loop nested, in which the connection may end. If a signal handler
            # raises, the receiver calls failed(). Only a waiting coroutine must raise its error.
            self._handshake.report(None)
        if self._call_made:
            run(self._protocol.connection_made, self)
        self._handshake.report(None)

    def wakes_after_handshake(self) -> bool:
        """Return True if wait_for_handshake() was woken after a complete handshake, and has not continued yet."""
        handshake = self._handshake
        return self.raw.handshake_complete and handshake.ended and handshake.is_awaited() and self._loop.is_running()

    # -- failures -----------------------------------------------------------------------------------------------------

    @abort_if_interrupted
    def failed(self, error: BaseException) -> None:
        """End the connection with ``error``, such as a failed handshake or an invalid record.

        After close() or abort() of an established connection, abort it, and do not report ``error``.
        """
        if self._closing and self.raw.handshake_complete:
            self.abort()
            return
        self._cancel_timers()
        if self._error is None:
            self._error = error
        self._closing = True
        self.raw.closing = self.raw.discarding = True
        # Sends the alert with the reason first, if the kernel accepts it.
        self.raw.uncork()
        # As in asyncio, the socket is closed before the coroutine raises. start_tls() first adds the peer to error.
        if not self._call_made:
            self._handshake.report(error)
        try:
            if self._close.abandon():
                self._report_closing(self._close.shutdown_timeout)
        finally:
            self._handshake.report(error)

    def protocol_failed(self, error: BaseException) -> None:
        """Report that the protocol raised ``error`` for received data, and end the connection with ``error``."""
        report_error(self, self._protocol, "Fatal error: the protocol raised an exception for received data", error)
        self.failed(error)

    # -- end of file --------------------------------------------------------------------------------------------------

    def close_notify_arrived(self) -> None:
        """Called by the TLSReceiver at the peer's close_notify alert. Close this side, or complete the close."""
        if self._closing:
            self._close.peer_ended()
        else:
            self.input_ended()

    def discarded_maximum(self) -> None:
        """Called by the TLSReceiver when too much has arrived after close(). Close without the peer's alert."""
        self._close.peer_ended()

    def lower_eof(self) -> bool:
        self._close.lower_ended = True
        if not self.raw.handshake_complete:
            self.failed(ConnectionResetError("the peer closed the connection during the TLS handshake"))
        elif self._closing:
            self._close.peer_ended()
        else:
            report_truncation_soon(self)
        return True

    def reports_end(self) -> bool:
        """Return False if the peer's end of TCP must not be reported to the protocol now; see truncation.py."""
        return not (self._closing or self._reading_paused)

    def input_ended(self) -> None:
        """Report the end of input to the protocol, and close this side: as in asyncio, TLS cannot be half-closed."""
        if (error := call_protocol(self, self._protocol, self._protocol.eof_received)) is not None:
            self.failed(error)
        else:
            self._start_closing(self._close.shutdown_timeout)

    # -- reading ------------------------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        if not self._closing:
            self._reading_paused = True
            self._lower.pause_reading()

    def resume_reading(self) -> None:
        if not self._closing:
            self._reading_paused = False
            if not self._answers_blocked:
                self._lower.resume_reading()
            if self._close.lower_ended:
                report_truncation_soon(self)

    def answers_blocked(self) -> None:
        """Called by the TLSSender when too many responses of OpenSSL, such as to key updates, wait to be sent.

        Stop receiving until the lower transport resumes writing.
        """
        self._answers_blocked = True
        self._lower.pause_reading()

    def is_reading(self) -> bool:
        # After the end of TCP, uvloop's transport does not read. A program may pause and resume before the report.
        return self.reports_end() and (self._close.lower_ended or bool(self._lower.is_reading()))

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        self.raw.write(core.as_bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.raw.write(core.joined(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        raise NotImplementedError("write_eof(): TLS connections cannot be half-closed; close() ends both directions")

    @property
    def _protocol_paused(self) -> bool:
        return self._write_pauses.paused

    @property
    def _closed(self) -> bool:
        return self._closing

    @property
    def _ssl_protocol(self) -> SSLProtocol:
        return SSLProtocol(self)

    def update_flow_control(self) -> None:
        """Call pause_writing() or resume_writing() of the protocol if WritePauses.update() requires it."""
        if self.raw.busy and not self.raw.lower_paused:
            # The TLSSender sends what code has written meanwhile, and does not always call this method then.
            self._loop.call_soon(self.update_flow_control)
            return
        pause = self._write_pauses.update(self.raw, self._lower, self._closing)
        if pause is not None and (protocol := self._protocol) is not None:
            call_protocol(self, protocol, protocol.pause_writing if pause else protocol.resume_writing)

    def lower_paused(self) -> None:
        self.raw.pause()
        self.update_flow_control()

    def lower_resumed(self) -> None:
        self.raw.lower_paused = False
        self.raw.flush(False)
        self.update_flow_control()
        if self._answers_blocked:
            self._answers_blocked = False
            if self._closing or not self._reading_paused:
                self._lower.resume_reading()
        if self._closing:
            self._close.lower_resumed()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        # Corked plaintext would count against the new limits, but no event would report that it has been sent.
        self.raw.uncork()
        set_limits(self._lower, high, low)
        # Plaintext that waits for a renegotiation may exceed the new high-water mark.
        self.update_flow_control()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        limits: tuple[int, int] = self._lower.get_write_buffer_limits()
        return limits

    def get_write_buffer_size(self) -> int:
        return int(self._lower.get_write_buffer_size()) + self.raw.pending_size()

    # -- closing ------------------------------------------------------------------------------------------------------

    def discarded_size(self) -> int:
        return self._discarded

    def close_notify_received(self) -> bool:
        """Return True if the peer's close_notify alert has arrived."""
        return self._receiver.close_notify_received

    def overhead_size(self) -> int:
        """Return how many bytes of handshakes and incomplete records have arrived, for this TLS and any TLS below."""
        below = self._lower.overhead_size() if isinstance(self._lower, TLSTransport) else 0
        return below + self._receiver.overhead_size()

    def set_shutdown_timeout(self, seconds: float) -> None:
        """Wait for the peer's close_notify alert at most this long after all written data has been sent."""
        self._close.shutdown_timeout = seconds

    def is_closing(self) -> bool:
        return self._closing or self._lower is None or bool(self._lower.is_closing())

    def close(self) -> None:
        self._start_closing(None)

    def _start_closing(self, seconds: float | None) -> None:
        if self._closing:
            return
        self._closing = True
        # As in asyncio, a closed loop sends no alert: after a fork, another process may use the connection.
        if not self.raw.handshake_complete or self._loop.is_closed():
            self.abort()
            return
        try:
            self._close.start()
        except BaseException:
            # A signal handler has raised: close_notify may not have been sent, and nothing would start the close again.
            self.abort()
            raise
        self._report_closing(seconds)

    def _report_closing(self, seconds: float | None) -> None:
        """Start the close timeout of a protocol of the package if data is unsent. ``seconds``: its maximum, or None."""
        if isinstance(self._protocol, core.ProtocolOperations) and self.get_write_buffer_size():
            self._protocol._sluiceway_closing(seconds)

    def close_notify_sent(self) -> None:
        """Called by the TLSSender when this side's close_notify alert was written to the lower transport."""
        self._close.close_notify_sent()

    def _abort(self) -> None:
        if not self._closing:
            # Without corking, the data would have been sent before abort() (contract W9).
            self.raw.uncork()
        self._closing = True
        self.raw.closing = self.raw.discarding = True
        self._cancel_timers()
        # abort() of asyncio's transports may raise after their end.
        if self.raw.lower is not None:
            if not isinstance(self._lower, RawTransportProvider):
                # A transport of the loop does not report what it drops.
                self._discarded = self.get_write_buffer_size()
            self.raw.lower.abort()

    abort = abort_if_interrupted(_abort)

    def _force_close(self, error: BaseException | None) -> None:
        self._error = self._error or error
        self.abort()

    def lower_lost(self, error: BaseException | None) -> None:
        if self._close.lower_ended and not self._closing:
            report_truncation_late(self)
        self._closing = True
        # A signal handler may raise at any place. Then the method is called again, and must find the same values.
        below = self._lower.discarded_size() if isinstance(self._lower, RawTransportProvider) else -1
        lost, below = self._close.reported_loss(error, below)
        error = self._error = self._error or lost
        handshake_complete = self.raw.handshake_complete
        if below >= 0:
            self._discarded = max(self._discarded, self._close.discarded_data(below) + self.raw.pending_size())
        elif not self._discarded:
            self._discarded = -1
        self._detach()
        protocol = self._protocol
        if not isinstance(protocol, core.ReceiverProvider):
            self._protocol = None
        try:
            if not self._handshake.ended:
                self._handshake.report(error or own_close_error())
            elif protocol is not None and (handshake_complete or not self._call_made):
                if error is not None and not handshake_complete:
                    # Avoids a reference cycle: start_tls() raises the error, whose traceback refers to the stream.
                    error = copy_error(error)
                self._report_lost(protocol, error)
        except BaseException:
            if not self._loop.is_running():
                # The loop was closed, and does not call this method again.
                self._protocol = self._error = None
            raise
        self._protocol = self._error = None

    def _report_lost(self, protocol: Any, error: BaseException | None) -> None:
        try:
            protocol.connection_lost(error)
        except BaseException:
            # A method that the program has overridden is not called again.
            self._protocol = None
            if self._loop.is_running():
                finish_lost_soon(self._loop, protocol, error)
            raise

    def _detach(self) -> None:
        self._cancel_timers()
        self._close.detach()
        self.raw.detach()
        self._receiver.detach()

    def _cancel_timers(self) -> None:
        self._handshake.stop_timer()
        self._close.cancel()

    # -- information --------------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        sslobject = self.raw.sslobject
        if isinstance(sslobject, ProgramSSLObject):
            sslobject = sslobject.wrapped
        if name == "ssl_object":
            return sslobject
        if name == "sslcontext":
            return self._context
        if name in ("peercert", "cipher", "compression"):
            if not self.raw.handshake_complete:
                return default
            return peer_certificate(sslobject) if name == "peercert" else getattr(sslobject, name)()
        if name in self._addresses:
            return self._addresses[name]
        return default if self._lower is None else self._lower.get_extra_info(name, default)
