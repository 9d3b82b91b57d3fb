"""Connection: its transport, the state of both directions, closing, and the futures of wait_closed().

The transport refers to the protocol, the protocol to the Connection, and the Connection to the transport. asyncio has
the same reference cycle, which ``connection_lost()`` breaks. None of the three refers to the reader or the writer, with
two exceptions. The protocol of an accepted connection refers to the reader until the handler is called, and then to the
handler's task. While a task waits in a read, in drain() or in wait_closed(), the Connection refers to the future of
this wait, and so to the task (``waiting_read``, ``flow.waiters``, ``_closed_waiters``).

The reader and the writer refer to one UnclosedGuard. When the program has dropped both, the guard is freed, and an open
connection is closed (contract X5, docs/explanation/contracts.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import inspect
import ssl
import traceback
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .._constants import CLOSE_TIMEOUT
from .._errors import copy_error
from .._implementation import core
from .._log import logger
from .._net.addresses import describe_address, name_peer
from .._transports.tls.transport import TLSTransport
from .close_info import CloseReason
from .close_timeout import CloseTimeout, pending_bytes
from .connection_record import ConnectionRecord
from .idle_timeout import IdleTimeout
from .linger import Linger
from .unclosed_guard import UnclosedGuard

if TYPE_CHECKING:
    from .._core import ClosingState, ReadOperations
else:
    ClosingState = core.ClosingState
    ReadOperations = core.ReadOperations

# Values of get_extra_info that the loops' TLS transports drop when they close (contract T5).
_TLS_EXTRAS = ("peername", "sockname", "sslcontext", "ssl_object", "peercert", "cipher", "compression")


def waits_for_close(error: BaseException | None) -> bool:
    """Return True if ``async with`` waits for the close at the end of a block that raised ``error``, or nothing (None).

    ``async with`` does not wait after a TimeoutError, because the wait could exceed the time limit of the block, nor
    after an error that does not derive from Exception, such as CancelledError and KeyboardInterrupt.
    """
    return error is None or (isinstance(error, Exception) and not isinstance(error, TimeoutError))


def is_pipe(transport: Any) -> bool:
    """Return True if ``transport`` carries one direction only: that of a pipe, or of a terminal or file."""
    if isinstance(transport, core.RawTransportProvider):
        return False
    try:
        return transport.get_extra_info("pipe") is not None
    except (AttributeError, OSError, ValueError):
        # Mocks, no transport, and pipes of rloop.
        return False


def has_ended(transport: Any) -> bool:
    """Return True if ``transport`` is one of asyncio's without TLS, and has ended. Its abort() may then raise.

    Needed only while the transport has another protocol, that of the program or of a start_tls(): otherwise the
    connection notices the end itself.
    """
    try:
        return type(transport).__module__.startswith("asyncio.") and transport.get_protocol() is None
    except AttributeError:
        # asyncio's TLS transport after a second close().
        return False


def _describe_function(function: Any) -> str:
    """Return the name of ``function``, with its file and line if it is written in Python."""
    try:
        found = inspect.unwrap(function)
        while isinstance(found, functools.partial):
            found = inspect.unwrap(found.func)
        code = getattr(found, "__code__", None)
        name = getattr(found, "__qualname__", None) or repr(found)
        return name if code is None else f'{name}, File "{code.co_filename}", line {code.co_firstlineno}'
    except Exception:  # noqa: BLE001 - an object that forwards each attribute may raise anything
        return object.__repr__(function)


class ConnectionOwner(Protocol):
    """The methods that a Connection calls on its owner: the ServerConnection of an accepted connection.

    ``address``: the address of the peer.
    """

    address: Any

    def connection_ended(self, connection: Connection) -> None:
        """Called when the transport of ``connection`` has ended."""

    def watch(self, transport: Any, connection: Connection) -> None:
        """Called when ``transport`` may end without a call of connection_ended() for ``connection``."""

    def watch_again(self, transport: Any, connection: Connection) -> None:
        """Called before ``connection``, which the program has dropped, closes ``transport``, which takes time.

        The garbage collector may have cleared weak references to both.
        """

    def setup_failed(self, connection: Connection, error: BaseException) -> None:
        """Called when ``error`` prevented the call of client_connected_cb. The transport was aborted."""

    def handshake_failed(self, error: OSError) -> None:
        """Called when the TLS handshake of ``start_tls()`` failed with ``error``, and close() was not called."""

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """Called with the ``task`` of client_connected_cb. The owner must refer to the task until handler_ended()."""

    def handler_ended(self, task: asyncio.Future[Any]) -> None:
        """Called when ``task`` has ended."""


class Connection(ClosingState):
    """The state of one connection over any transport. Its protocol and its writer's Sender refer to this object."""

    record: ConnectionRecord | None

    __slots__ = ("__weakref__", "_discard_logged", "created_at")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        close_timeout: float | None = CLOSE_TIMEOUT,
        owner: ConnectionOwner | None = None,
    ) -> None:
        ClosingState.__init__(self, loop, close_timeout, owner)
        # In debug mode, the stack of the call that opened the connection, or the handler that it was accepted for.
        self.created_at: traceback.StackSummary | Callable[..., object] | None = None
        self._discard_logged = False

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def describe(self) -> str:
        """Return "connection 127.0.0.1:5000 -> 127.0.0.1:80" or the name of the pipe or transport, for messages."""
        try:
            here, there, pipe = map(self.get_extra_info, ("sockname", "peername", "pipe"))
        except (AttributeError, OSError, ValueError):
            # Mocks, no transport, pipes of rloop, and a socket that the collector has closed on uvloop.
            here = there = pipe = None
        if here is None and there is None:
            name = getattr(pipe, "name", None)
            return f"connection over {type(self.transport).__name__}" if name is None else f"pipe {name}"
        if not here and not there:
            # A pair of sockets.
            return "connection between two unnamed sockets"
        return f"connection {describe_address(here)} -> {describe_address(there)}"

    # -- the transport ------------------------------------------------------------------------------------------------

    def values_of_loop_tls(self) -> dict[str, Any] | None:
        try:
            ask = self.transport.get_extra_info
            over_tls = isinstance(ask("sslcontext"), ssl.SSLContext)
        except AttributeError:
            # Mocks, and pipes of rloop, which fail when asked.
            return None
        if over_tls:
            return {name: ask(name) for name in _TLS_EXTRAS}
        if type(self.transport).__name__ == "UnixTransport":
            # After the close, uvloop's transport knows only the addresses that were read before (contract T5).
            for name in ("sockname", "peername"):
                # AttributeError, ValueError: it was closed before it got a writer.
                with contextlib.suppress(AttributeError, OSError, ValueError):
                    ask(name)
        return None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        # The loops' TLS transports drop their values when they close, and some raise an error then (contract T5).
        values = self._loop_tls_values
        if values is not None and name in values:
            return values[name]
        if name == "socket":
            self.share_transport()
        try:
            return self.transport.get_extra_info(name, default)
        except (AttributeError, OSError, ValueError):
            # ValueError: uvloop queries a descriptor that it has closed.
            if self.transport_is_closing():
                return default
            raise

    def over_loop_tls(self) -> bool:
        """Return True if the transport is a TLS transport of the event loop, not of sluiceway."""
        return self._loop_tls_values is not None

    def lost_reading_pipe(self) -> bool:
        """Return True if the reader's pipe has ended, and the transport, which must be a pipe, is open.

        The transport is then the pipe of the newest writer. Only a program that shares one protocol between pipes has
        both.
        """
        own = self.protocol_transport
        if own is self.transport or not is_pipe(own):
            return False
        # Otherwise the pipe of an older writer has ended, which ends all writers, as in asyncio.
        return own.is_closing() is True and not self.ending()

    # -- closing ------------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Close the transport, which must not be None, immediately, and discard its unsent data."""
        self.uncork()
        if not has_ended(self.transport):
            self.transport.abort()

    def may_be_collected(self) -> bool:
        """Return True if the garbage collector may have found this connection, and its close waits for the peer.

        Called in a finalizer. The loop does not refer to a transport whose reading is paused. Over TLS, the close
        receives the peer's close_notify alert: it would watch a descriptor that a later finalizer of the same
        collection, that of the socket, closes. The number would then stay in the selector.
        """
        transport = self.transport
        if not isinstance(transport, TLSTransport):
            return False
        with contextlib.suppress(AttributeError, NotImplementedError):
            if transport.is_reading():
                return False
        if self.owner is not None:
            # Now, because the loop removes what the collector has found from the server first.
            self.owner.watch_again(transport, self)
        return True

    def close_unreferenced(self) -> None:
        """Close the connection, which the program has dropped without close().

        The program has dropped the reader and the writer. If there is no reader, or its input has ended, the program
        may have dropped the writer alone.

        A garbage collector that has found the transport as well may have closed the socket already. In this case, do
        not use the descriptor, because its number may belong to another socket.
        """
        if self.closing or self.lost:
            return
        transport = self.transport
        ask = getattr(transport, "get_extra_info", None)
        sock = None if ask is None else ask("socket")
        # After a call of fileno(), the engine checks before each use that the descriptor is still that of the socket.
        # Not ``>= 0``, which a mock refuses.
        if sock is None or sock.fileno() != -1:
            self.close()
            return
        while isinstance(transport, TLSTransport):
            transport = transport.lower
        if isinstance(transport, core.RawTransportProvider):
            self.abort()
        else:
            # asyncio's transports would use the number.
            self.lose(None)

    def start_close_timeout(self, seconds: float | None) -> None:
        timeout = self.close_timeout if seconds is None else min(seconds, self.close_timeout or seconds)
        if timeout is None:
            return
        running = self._close_timer
        if running is not None:
            if running.counts() or (running.running() and not self.ending()):
                return
            running.cancel()
            self._close_timer = None
        sending = self.transport
        if self._loop_tls_values is not None:
            # asyncio's TLS leaves encrypted data in the transport below, which waits for the peer without a limit.
            sending = getattr(getattr(sending, "_ssl_protocol", None), "_transport", None)
        if pending_bytes(sending):
            self._close_timer = CloseTimeout(self, sending, timeout)

    def close_timeout_ended(self, timeout: CloseTimeout) -> None:
        """Drop ``timeout``, which makes no further count."""
        if self._close_timer is timeout:
            self._close_timer = None

    def ending(self) -> bool:
        """Return True if close() was called, or the transport is closing for another reason."""
        return self.closing or self.transport_is_closing()

    def close_lingering(self, seconds: float) -> None:
        """Send what is buffered, end the writing direction, discard what arrives for at most ``seconds``, and close.

        The time starts when all data has been sent. Over sluiceway's TLS, where every close discards what arrives until
        the peer's close_notify alert, ``seconds`` replaces the shutdown timeout. A pipe, a transport that cannot end
        one direction alone, and a connection whose peer has ended its direction are closed as by close().
        """
        transport = self.transport
        if isinstance(transport, TLSTransport):
            transport.set_shutdown_timeout(seconds)
        elif self.ending() or self.lost or transport.get_extra_info("pipe") is not None:
            pass
        elif transport.can_write_eof():
            receiver = self.receiver_ref and self.receiver_ref()
            if receiver is None or not receiver.eof_reached:
                self.begin_closing(False)
                self.share_transport()
                record = self.keep_record()
                record.closing(transport)
                linger = Linger(self, seconds)
                linger.start()
                # Not before: if an exception of a signal handler stops the start, close() must close the transport.
                record.linger_ref = weakref.ref(linger)
                self.bound_close()
                return
        if not self.closing:
            self.close()

    def finish_close(self) -> None:
        """Close the transport at the end of a lingering close."""
        self.transport.close()

    def abort_because(self, reason: CloseReason) -> None:
        """Abort the connection, unless it is lost. ``reason`` is for the CloseInfo."""
        if not self.lost and self.transport is not None:
            self.uncork()
            self.record_abort(reason)
            self.abort()

    # -- what a Stream records ----------------------------------------------------------------------------------------

    def keep_record(self) -> ConnectionRecord:
        """Return the record of this connection. The first call creates it."""
        if self.record is None:
            self.record = ConnectionRecord()
            if not self.lost:
                self.record.watch_abort(self.transport)
        return self.record

    def record_abort(self, reason: CloseReason) -> None:
        if self.record is not None:
            self.record.aborting(self.transport, reason)

    def progress(self) -> tuple[int, int, int]:
        """Return three numbers of bytes: received data, received TLS overhead, and sent data that the kernel accepted.

        The overhead consists of the handshake and of an incomplete record, and is 0 without sluiceway's TLS. A complete
        record without plaintext adds to neither of the first two numbers: a peer can send such records without end. The
        first number is 0 after the program has dropped the reader, and the third after it has dropped the writer.
        """
        writer = self.writer_ref() if self.writer_ref is not None else None
        written = 0 if writer is None else writer._sluiceway.written - self.unsent_size()
        record = self.record
        transport = self.transport if record is None or record.upgrade is None else record.upgrade
        overhead = transport.overhead_size() if isinstance(transport, TLSTransport) else 0
        receiver = self.receiver_ref() if self.receiver_ref is not None else None
        return 0 if receiver is None else receiver.received, overhead, written

    def unsent_size(self) -> int:
        """Pass corked data to the transport. Return how many bytes the kernel has not accepted; 0 if it is unknown."""
        self.uncork()
        return pending_bytes(self.transport)

    def set_idle_timeout(self, seconds: float | None) -> None:
        """Abort the connection when it has been idle for ``seconds``; None for never. The time starts now."""
        record = self.keep_record()
        if record.idle_timeout is not None:
            record.idle_timeout.stop()
        record.idle_timeout = None
        if seconds is not None and not self.lost:
            record.idle_timeout = IdleTimeout(self, core.timer_of(self.loop), seconds)

    def end_idle(self, seconds: float) -> None:
        """Abort the connection, which was idle for ``seconds``. Its reads and sends raise TimeoutError."""
        receiver = self.receiver_ref() if self.receiver_ref is not None else None
        if receiver is not None:
            receiver.idle = True
        error = TimeoutError(f"idle_timeout: no byte was received or sent for {seconds:g} s: {self.describe()}")
        self.abort_with(error, "idle timeout")

    def abort_with(self, error: Exception, reason: CloseReason) -> None:
        """Abort the connection. Its reads and sends raise ``error``."""
        self.keep_record().error = error
        self.abort_because(reason)

    def send_error(self) -> BaseException:
        """Return the error of a send on a connection that has ended, is closed or was aborted.

        If the program closed the connection first, return a ConnectionResetError. Otherwise, return the error with
        which the connection ended or for which it was aborted. If there is none, return a BrokenPipeError for a pipe
        whose reader has closed it, else a ConnectionResetError.
        """
        lost = self.error
        if lost is None and self.record is not None and self.record.error is not None:
            # The transport was aborted, and has not reported its end yet.
            lost = self.own_error(self.record.error)
        if lost is not None and not self.closed_first:
            return copy_error(lost)
        error: ConnectionError
        if not self.closed_first and getattr(self.transport, "reader_closed", False) is True:
            error = BrokenPipeError(f"the reader of the pipe has closed it ({self.describe()})")
        else:
            error = ConnectionResetError(self.loss())
        self.flow.mark(error)
        return error

    # -- the end ------------------------------------------------------------------------------------------------------

    def end_error(self, error: Exception | None) -> BaseException | None:
        """Return the error that reads and sends raise after the end of the connection, or None.

        This is ``error``, which the transport has reported, or None for a clean end. But if the package itself has
        aborted the connection with an error, such as that of the idle timeout, it is that error.
        """
        if self.record is not None and self.record.error is not None:
            # The transport was aborted because of it. A TLS handshake reports the abort as a reset.
            error = self.record.error
        return None if error is None else self.own_error(error)

    def own_error(self, error: Exception) -> BaseException:
        """Return ``error`` or a copy, with the mark of this connection; see WriteFlowControl.own.

        Add the result of describe() to the message of an OSError that does not name the peer.
        """
        own = self.flow.own(error)
        if isinstance(own, OSError) and own.args and self.transport is not None:
            ends = self.describe()
            # A failed start_tls() has named the peer already. Not str(): a method of the program's class may raise.
            if ends.rpartition(" -> ")[2] not in OSError.__str__(own):
                hint = "; connect a socket before it is passed as sock=" if own.errno == errno.ENOTCONN else ""
                name_peer(own, ends + hint)
        return own

    # -- discarded writes ---------------------------------------------------------------------------------------------

    def discarded(self, length: int) -> None:
        if self._discard_logged or not length:
            return
        self._discard_logged = True
        logger.warning(
            "%s is %s: discarded %s; later writes are discarded without a message%s",
            self.describe(),
            "closed" if self.closed_first else "lost",
            "1 byte" if length == 1 else f"{length} bytes",
            self.creation(),
        )

    def creation(self) -> str:
        """Return the place in the program that opened the connection, or the handler that it was accepted for.

        The text is the end of a message. It is empty outside debug mode.
        """
        created_at = self.created_at
        if created_at is None:
            return ""
        if isinstance(created_at, traceback.StackSummary):
            return "; the connection was created at:\n" + "".join(created_at.format()).rstrip()
        return f"; the connection was accepted for the handler {_describe_function(created_at)}"

    # -- dropped without close ----------------------------------------------------------------------------------------

    def guard(self, reader: Any) -> UnclosedGuard:
        """Return the guard of this connection for a new writer with ``reader``, or for ``reader`` alone.

        Create the guard if there is none yet. The caller must refer to it: a guard that is freed closes the connection.
        """
        receiver = self.receiver_ref() if self.receiver_ref is not None else None
        guard: UnclosedGuard | None = None if receiver is None else receiver.guard
        if guard is None and self.writer_ref is not None:
            writer = self.writer_ref()
            guard = None if writer is None else writer._sluiceway.guard
        if guard is None and receiver is None and issubclass(type(reader), ReadOperations):
            # A subclass of the protocol passes the bytes to this reader itself.
            guard = reader._sluiceway.guard
        if guard is None or guard.connection is not self:
            guard = UnclosedGuard(self)
        return guard
