"""A connection: the transport, its state, how it ends, and what is reported to waiters and to the owner then.

The transport refers to the protocol, the protocol to the connection, the connection to the transport: that reference
cycle is asyncio's, and ends with ``connection_lost``. Only the program refers to reader and writer. Both refer to one
UnclosedGuard; when the last of them is dropped, the guard ends, and a connection that is open is closed (contract X5).
"""

from __future__ import annotations

import asyncio
import ssl
import traceback
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from .._constants import CLOSE_TIMEOUT
from .._implementation import core
from .._log import logger
from .._net.addresses import describe_address
from .._transports.tls.transport import TLSTransport
from .close_timeout import CloseTimeout, pending_bytes
from .unclosed_guard import UnclosedGuard

if TYPE_CHECKING:
    from .._core import ConnectionState
else:
    ConnectionState = core.ConnectionState

# What get_extra_info answers, and a TLS transport forgets (contract T5).
_TLS_EXTRAS = ("peername", "sockname", "sslcontext", "ssl_object", "peercert", "cipher", "compression")


class ConnectionOwner(Protocol):
    """What keeps account of accepted connections: a server."""

    def connection_ended(self, connection: Connection) -> None:
        """The transport of ``connection`` is gone."""

    def setup_failed(self, connection: Connection, error: BaseException) -> None:
        """The handler of ``connection`` could not be started because of ``error``; the transport is aborted."""

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """``task`` runs the handler of one of the connections; keep it until handler_ended."""

    def handler_ended(self, task: asyncio.Future[Any]) -> None:
        """``task`` is done."""


class Connection(ConnectionState):
    """Owner of a connection's state, whatever transport carries it."""

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
        self.close_timeout = close_timeout
        self.created_at: traceback.StackSummary | None = None
        self.owner = owner
        # The last writer that was made for this connection.
        self.writer_ref: weakref.ref[Any] | None = None
        self._guard: weakref.ref[UnclosedGuard] | None = None
        # None for nearly all of the time: waiters of the end, what bounds it, and what asyncio's TLS is asked.
        self._closed_waiters: list[asyncio.Future[None]] | None = None
        self._closed_future: asyncio.Future[None] | None = None
        self._close_timeout: CloseTimeout | None = None
        self._extras: dict[str, Any] | None = None
        self._discard_logged = False

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def describe(self) -> str:
        """Both ends, as a log line names them."""
        here = describe_address(self.get_extra_info("sockname"))
        there = describe_address(self.get_extra_info("peername"))
        return f"connection {here} -> {there}"

    # -- the transport ------------------------------------------------------------------------------------------------

    def attach(self, transport: Any) -> None:
        """``transport`` carries this connection from now on: at first, and after an upgrade to TLS."""
        self.transport = transport
        self._extras = None
        ask = getattr(transport, "get_extra_info", None)
        if isinstance(transport, TLSTransport):
            # It remembers by itself.
            return
        if ask is not None and isinstance(ask("sslcontext"), ssl.SSLContext):
            self._extras = {name: ask(name) for name in _TLS_EXTRAS}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        # The loops' TLS transports forget what they knew as soon as they end, and some fail when asked (contract T5).
        if self._extras is not None and name in self._extras:
            return self._extras[name]
        try:
            return self.transport.get_extra_info(name, default)
        except (AttributeError, OSError, ValueError):
            # ValueError: uvloop asks the descriptor that it has closed for the name.
            if self.transport_is_closing():
                return default
            raise

    def over_loop_tls(self) -> bool:
        """Whether the transport is one of the loop's own TLS."""
        return self._extras is not None

    def transport_is_closing(self) -> bool:
        """Whether the transport is closing; mocks and minimal transports of programs that do not know are open."""
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    # -- closing ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Send what is buffered, then close. May be called again."""
        ends_already = self.transport_is_closing()
        self.begin_closing(ends_already)
        # A second close() of asyncio's TLS transport drops its content, and a lost one has been closed already.
        if not ends_already:
            self.transport.close()
        self.bound_close()

    def bound_close(self, seconds: float | None = None) -> None:
        """Bound the time in which the transport makes no progress while it is closing (contract X1).

        The time is the close timeout, or ``seconds`` where that is less. May be called before the transport closes.
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
            # What asyncio's TLS has encrypted waits in the transport below, and may wait there without end.
            sending = getattr(getattr(sending, "_ssl_protocol", None), "_transport", None)
        if pending_bytes(sending):
            self._close_timeout = CloseTimeout(self, sending, timeout)

    def ending(self) -> bool:
        """Whether the connection closes, from whichever side."""
        return self.closing or self.transport_is_closing()

    # -- the end ------------------------------------------------------------------------------------------------------

    def lose(self, error: BaseException | None) -> None:
        """The transport is gone, with ``error`` or without: every waiter and the owner learn it, once."""
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
        """A future of the caller's own that ends with the connection; cancelling it affects no other."""
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
        """One future of the end for subclasses that resolve it themselves; that counts as the loss."""
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
            waiter.set_exception(error)

    # -- discarded writes ---------------------------------------------------------------------------------------------

    def discarded(self, length: int) -> None:
        if self._discard_logged or not length:
            return
        self._discard_logged = True
        made = ""
        if self.created_at is not None:
            made = "; the connection was made at:\n" + "".join(self.created_at.format()).rstrip()
        logger.warning(
            "%s: %d bytes written after it was %s were dropped, and so will be all that follow%s",
            self.describe(),
            length,
            "closed" if self.closed_first else "lost",
            made,
        )

    # -- dropped without close ----------------------------------------------------------------------------------------

    def guard(self) -> UnclosedGuard:
        """The guard of the current reader and writer."""
        guard = self._guard() if self._guard is not None else None
        if guard is None:
            guard = UnclosedGuard(self)
            self._guard = weakref.ref(guard)
        return guard
