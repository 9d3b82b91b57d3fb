"""Connection: its transport, the state of both directions, closing, and the futures of wait_closed().

The transport refers to the protocol, the protocol to the Connection, and the Connection to the transport. asyncio has
the same reference cycle, which ``connection_lost()`` breaks. Only the program refers to the reader and the writer. Both
refer to one UnclosedGuard. When the program has dropped both, the guard is freed, and an open connection is closed
(contract X5, docs/explanation/contracts.md).
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import traceback
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from .._constants import CLOSE_TIMEOUT
from .._errors import copy_error
from .._implementation import core
from .._log import logger
from .._net.addresses import describe_address, name_peer
from .._transports.tls.transport import TLSTransport
from .close_timeout import CloseTimeout, pending_bytes
from .unclosed_guard import UnclosedGuard

if TYPE_CHECKING:
    from .._core import ConnectionState
else:
    ConnectionState = core.ConnectionState

# Values of get_extra_info that the loops' TLS transports drop when they close (contract T5).
_TLS_EXTRAS = ("peername", "sockname", "sslcontext", "ssl_object", "peercert", "cipher", "compression")


class ConnectionOwner(Protocol):
    """The methods that a Connection calls on its owner: the ServerConnection of an accepted connection."""

    def connection_ended(self, connection: Connection) -> None:
        """Called when the transport of ``connection`` has ended."""

    def setup_failed(self, connection: Connection, error: BaseException) -> None:
        """Called when ``error`` prevented the call of client_connected_cb. The transport was aborted."""

    def handshake_failed(self, error: OSError) -> None:
        """Called when the TLS handshake of ``start_tls()`` failed with ``error``."""

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """Called when ``task`` runs client_connected_cb. The owner must refer to the task until handler_ended()."""

    def handler_ended(self, task: asyncio.Future[Any]) -> None:
        """Called when ``task`` has ended."""


class Connection(ConnectionState):
    """The state of one connection over any transport, which its protocol and its writer share.

    ``owner``: the ServerConnection of an accepted connection, which is called at its events; None for a client.
    """

    __slots__ = (
        "__weakref__",
        "_close_timeout",
        "_closed_future",
        "_closed_waiters",
        "_discard_logged",
        "_extras",
        "_guard",
        "close_timeout",
        "created_at",
        "loop",
        "owner",
        "protocol_transport",
        "transport",
        "writer_ref",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        close_timeout: float | None = CLOSE_TIMEOUT,
        owner: ConnectionOwner | None = None,
    ) -> None:
        ConnectionState.__init__(self, loop)
        self.loop = loop
        self.transport: Any = None
        # The value of the private attribute _transport of the protocol.
        self.protocol_transport: Any = None
        self.close_timeout = close_timeout
        self.created_at: traceback.StackSummary | None = None
        self.owner = owner
        # The newest writer of this connection.
        self.writer_ref: weakref.ref[Any] | None = None
        self._guard: weakref.ref[UnclosedGuard] | None = None
        # Created on demand, and None on most connections, to save memory.
        self._closed_waiters: list[asyncio.Future[None]] | None = None
        self._closed_future: asyncio.Future[None] | None = None
        self._close_timeout: CloseTimeout | None = None
        self._extras: dict[str, Any] | None = None
        self._discard_logged = False

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def describe(self) -> str:
        """Return the addresses of both ends, for messages: "connection 127.0.0.1:5000 -> 127.0.0.1:80"."""
        try:
            here, there = self.get_extra_info("sockname"), self.get_extra_info("peername")
        except (AttributeError, OSError, ValueError):
            # Mocks, no transport, pipes of rloop, and a socket that the collector has closed on uvloop.
            here = there = None
        if here is None and there is None:
            return f"connection over {type(self.transport).__name__}"
        return f"connection {describe_address(here)} -> {describe_address(there)}"

    # -- the transport ------------------------------------------------------------------------------------------------

    def attach(self, transport: Any) -> None:
        """Set the transport of this connection: its first one, or the TLS transport after start_tls()."""
        self.transport = transport
        self._extras = None
        if isinstance(transport, TLSTransport):
            # It keeps its values after it has closed.
            return
        try:
            ask = transport.get_extra_info
            over_tls = isinstance(ask("sslcontext"), ssl.SSLContext)
        except AttributeError:
            # Mocks, and pipes of rloop, which fail when asked.
            return
        if over_tls:
            self._extras = {name: ask(name) for name in _TLS_EXTRAS}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        # The loops' TLS transports drop their values when they close, and some raise an error then (contract T5).
        if self._extras is not None and name in self._extras:
            return self._extras[name]
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
        return self._extras is not None

    def transport_is_closing(self) -> bool:
        """Return True if the transport is closing or closed, False for one without is_closing(), such as a mock."""
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    # -- closing ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the transport after its buffered data has been sent; start the close timeout. May be called again."""
        ends_already = self.transport_is_closing()
        self.begin_closing(ends_already)
        # A second close() of asyncio's TLS transport would discard its buffered data.
        if not ends_already:
            self.uncork()
            self.transport.close()
        self.bound_close()

    def abort(self) -> None:
        """Close the transport immediately, and discard its unsent data."""
        self.uncork()
        self.transport.abort()

    def close_unreferenced(self) -> None:
        """Close the connection, because the program has dropped the reader and the writer.

        If the garbage collector has also found the transport, it may have closed the socket. Then nothing is done: the
        number of the descriptor may belong to another socket. After the access to the socket, the engine checks before
        each use that the descriptor is still the socket's.
        """
        ask = getattr(self.transport, "get_extra_info", None)
        sock = None if ask is None else ask("socket")
        if sock is None or sock.fileno() >= 0:
            self.close()

    def bound_close(self, seconds: float | None = None) -> None:
        """Start the close timeout, unless all data has been sent or the timeout counts already.

        If the connection is closing and makes no progress for one to two times the timeout, the transport is aborted;
        see CloseTimeout. The timeout is ``close_timeout`` or ``seconds``, whichever is less; None means no timeout. A
        loop's own transport does not report when it starts to close. Therefore the method may be called before that,
        and the time starts when the connection is first found to be closing.
        """
        timeout = self.close_timeout if seconds is None else min(seconds, self.close_timeout or seconds)
        if timeout is None or self.lost or self.transport is None:
            return
        running = self._close_timeout
        if running is not None:
            if running.counts() or (running.running() and not self.ending()):
                return
            running.cancel()
        sending = self.transport
        if self._extras:
            # asyncio's TLS leaves encrypted data in the transport below, which waits for the peer without a limit.
            sending = getattr(getattr(sending, "_ssl_protocol", None), "_transport", None)
        if pending_bytes(sending):
            self._close_timeout = CloseTimeout(self, sending, timeout)

    def ending(self) -> bool:
        """Return True if close() was called, or the transport is closing for another reason."""
        return self.closing or self.transport_is_closing()

    # -- the end ------------------------------------------------------------------------------------------------------

    def own_error(self, error: Exception) -> BaseException:
        """Return the error that ended the transport as the connection keeps it. An OSError names the peer."""
        own = self.flow.own(error)
        if isinstance(own, OSError) and own.args and self.transport is not None:
            ends = self.describe()
            # A failed start_tls() has named the peer already.
            if ends.rpartition(" -> ")[2] not in str(own):
                hint = "; connect a socket before it is passed as sock=" if own.errno == errno.ENOTCONN else ""
                name_peer(own, ends + hint)
        return own

    def lose(self, error: BaseException | None) -> None:
        """Record the end of the transport, with ``error`` or None. Only the first call has an effect.

        It stops the close timeout, completes the futures of closed_waiter() and closed_future(), for which
        wait_closed() waits, and calls the owner, if any.
        """
        if not self.mark_lost(error):
            return
        if self._close_timeout is not None:
            self._close_timeout.cancel()
            self._close_timeout = None
        waiters, self._closed_waiters = self._closed_waiters, None
        for waiter in waiters or ():
            self._resolve(waiter)
        if self._closed_future is not None:
            self._resolve(self._closed_future)
        if self.owner is not None:
            self.owner.connection_ended(self)

    def closed_waiter(self) -> asyncio.Future[None]:
        """Return a new future that completes when the connection ends, for one call of wait_closed()."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        if self.lost:
            self._resolve(waiter)
        else:
            waiting = [other for other in self._closed_waiters or () if not other.done()]
            self._closed_waiters = [*waiting, waiter]
            if self.transport is not None and self.transport_is_closing():
                self.bound_close()
        return waiter

    def closed_future(self) -> asyncio.Future[None]:
        """Return the shared future that completes when the connection ends.

        A subclass of the protocol may complete this future itself. Then the end of the transport is recorded.
        """
        if self._closed_future is None:
            self._closed_future = self.loop.create_future()
            self._closed_future.add_done_callback(self._closed_future_done)
            if self.lost:
                self._resolve(self._closed_future)
        return self._closed_future

    def _closed_future_done(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled():
            self.lose(future.exception())

    def _resolve(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done():
            return
        error = self.close_error()
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(copy_error(error))

    # -- discarded writes ---------------------------------------------------------------------------------------------

    def discarded(self, length: int) -> None:
        if self._discard_logged or not length:
            return
        self._discard_logged = True
        logger.warning(
            "%s is %s: discarded %d bytes; later writes are discarded without a message%s",
            self.describe(),
            "closed" if self.closed_first else "lost",
            length,
            self.creation(),
        )

    def creation(self) -> str:
        """Return where the program created the connection, for the end of a message: empty outside debug mode."""
        if self.created_at is None:
            return ""
        return "; the connection was created at:\n" + "".join(self.created_at.format()).rstrip()

    # -- dropped without close ----------------------------------------------------------------------------------------

    def guard(self) -> UnclosedGuard:
        """Return the guard to which the reader and the writer refer. Create the guard if there is none."""
        guard = self._guard() if self._guard is not None else None
        if guard is None:
            guard = UnclosedGuard(self)
            self._guard = weakref.ref(guard)
        return guard
