"""A connection: the transport, its state, how it ends, and who is to hear of that.

The transport holds the protocol, the protocol holds the connection, the connection holds the transport: that ring is
asyncio's, and ends with ``connection_lost``. Reader and writer are held by their users alone. Both hold one Lifeline;
when the last of them is dropped, the lifeline ends, and the connection that nobody closed is closed (contract X5).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import traceback
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from .._constants import CLOSE_TIMEOUT
from .._implementation import core
from .._log import logger
from .._net.addresses import describe_address
from .._transports.tls.transport import TLSTransport

if TYPE_CHECKING:
    from .._core import ConnectionState
else:
    ConnectionState = core.ConnectionState

# What can be asked with get_extra_info and is gone with a TLS transport (contract T5).
_TLS_EXTRAS = ("peername", "sockname", "sslcontext", "ssl_object", "peercert", "cipher", "compression")


class ConnectionOwner(Protocol):
    """Who keeps account of accepted connections: a server."""

    def connection_ended(self, connection: Connection) -> None:
        """The transport of ``connection`` is gone."""

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """``task`` runs the handler of one of the connections; to be kept until handler_ended."""

    def handler_ended(self, task: asyncio.Future[Any]) -> None:
        """``task`` is done."""


class Lifeline:
    """Held by the reader and the writer of a connection; its end is the end of both."""

    __slots__ = ("__weakref__", "_connection")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __del__(self) -> None:
        self._connection.abandoned(self)


class Connection(ConnectionState):
    """Owner of a connection's state, whatever transport carries it."""

    __slots__ = (
        "__weakref__",
        "_below",
        "_closed_future",
        "_closed_waiters",
        "_discard_told",
        "_extras",
        "_flush_watch",
        "_lifeline",
        "_unflushed",
        "close_timeout",
        "created_at",
        "loop",
        "owner",
        "transport",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        close_timeout: float | None = CLOSE_TIMEOUT,
        owner: ConnectionOwner | None = None,
    ) -> None:
        super().__init__()
        self.loop = loop
        self.transport: Any = None
        self.close_timeout = close_timeout
        self.created_at: traceback.StackSummary | None = None
        self.owner = owner
        self._lifeline: weakref.ref[Lifeline] | None = None
        # Of those who wait, for nearly all of the time nobody; the same goes for what TLS is asked.
        self._closed_waiters: list[asyncio.Future[None]] | None = None
        self._closed_future: asyncio.Future[None] | None = None
        self._flush_watch: asyncio.TimerHandle | None = None
        self._unflushed = 0
        self._below: Any = None
        self._extras: dict[str, Any] | None = None
        self._discard_told = False

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def describe(self) -> str:
        """Both ends, as a log line names them."""
        here = describe_address(self.get_extra_info("sockname"))
        there = describe_address(self.get_extra_info("peername"))
        return f"connection {here} -> {there}"

    # -- the transport ----------------------------------------------------------------------------------------------

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
        # TLS transports forget what they knew as soon as they end, and some fail when asked (contract T5).
        if self._extras is not None and name in self._extras:
            return self._extras[name]
        try:
            return self.transport.get_extra_info(name, default)
        except (AttributeError, OSError, ValueError):
            # ValueError: uvloop asks the descriptor that it has closed for the name.
            if self.transport_is_closing():
                return default
            raise

    def transport_is_closing(self) -> bool:
        """Whether the transport says so; those that cannot say, mocks and minimal ones of programs, are open."""
        try:
            return self.transport.is_closing() is True
        except (AttributeError, NotImplementedError):
            return False

    # -- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Send what is buffered, then close. May be called again."""
        ended_before = self.transport_is_closing()
        self.begin_closing(ended_before)
        if self._extras:
            # What asyncio's TLS has encrypted waits in the transport below, and may wait there for ever.
            self._below = getattr(getattr(self.transport, "_ssl_protocol", None), "_transport", None)
        # A second close() of asyncio's TLS transport takes its inside away, and a lost one has been closed already.
        if not ended_before:
            self.transport.close()
        self.watch_flush()

    def watch_flush(self) -> None:
        """Bound the time in which a closing transport may make no progress (contract X1)."""
        if self.lost or self._flush_watch is not None or self.close_timeout is None:
            return
        pending = self._pending_bytes()
        if pending:
            self._unflushed = pending
            self._flush_watch = self.loop.call_later(self.close_timeout, self._check_flush)

    def _check_flush(self) -> None:
        self._flush_watch = None
        pending = self._pending_bytes()
        if self.lost or not pending:
            return
        if pending < self._unflushed:
            self.watch_flush()
            return
        logger.warning(
            "%s: closed, but the peer took nothing for %g s; aborted with %d bytes unsent",
            self.describe(),
            self.close_timeout,
            pending,
        )
        (self._below or self.transport).abort()

    def _pending_bytes(self) -> int:
        """The bytes that the kernel has not taken; 0 over uvloop's TLS, which hides them and ends by itself."""
        transport = self._below if self._extras else self.transport
        try:
            pending = transport.get_write_buffer_size()
        except (AttributeError, NotImplementedError):
            return 0
        return pending if isinstance(pending, int) else 0

    def lose(self, error: BaseException | None) -> None:
        """The transport is gone, with ``error`` or without: everybody who waits for that is told, once."""
        if not self.mark_lost(error):
            return
        self._below = None
        if self._flush_watch is not None:
            self._flush_watch.cancel()
            self._flush_watch = None
        waiters, self._closed_waiters = self._closed_waiters, None
        for waiter in waiters or ():
            self._tell(waiter)
        if self._closed_future is not None:
            self._tell(self._closed_future)
        if self.owner is not None:
            self.owner.connection_ended(self)

    def closed_waiter(self) -> asyncio.Future[None]:
        """A future of the caller's own that ends with the connection; cancelling it cancels nobody else."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        if self.lost:
            self._tell(waiter)
        else:
            waiting = [other for other in self._closed_waiters or () if not other.done()]
            self._closed_waiters = [*waiting, waiter]
            if self.transport is not None and self.transport_is_closing():
                self.watch_flush()
        return waiter

    def closed_future(self) -> asyncio.Future[None]:
        """One future of the end for those who resolve it themselves; that counts as the loss."""
        if self._closed_future is None:
            self._closed_future = self.loop.create_future()
            self._closed_future.add_done_callback(self._closed_by_hand)
            if self.lost:
                self._tell(self._closed_future)
        return self._closed_future

    def _closed_by_hand(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled():
            self.lose(future.exception())

    def _tell(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done():
            return
        error = self.verdict()
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)

    # -- writing to nobody ------------------------------------------------------------------------------------------

    def discarded(self, length: int) -> None:
        if self._discard_told or not length:
            return
        self._discard_told = True
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

    # -- being forgotten --------------------------------------------------------------------------------------------

    def lifeline(self) -> Lifeline:
        """The lifeline of the current reader and writer."""
        line = self._lifeline() if self._lifeline is not None else None
        if line is None:
            line = Lifeline(self)
            self._lifeline = weakref.ref(line)
        return line

    def abandoned(self, source: object) -> None:
        """Nobody can close this connection any more: close it, and say so if it was open."""
        if self.closing or self.lost or self.transport is None or self.transport_is_closing():
            return
        if self.loop.is_closed():
            warnings.warn("loop is closed", ResourceWarning, stacklevel=3, source=source)
            return
        description = f"unclosed <StreamWriter transport={self.transport!r}>"
        # The collector runs in whatever thread it likes; transports belong to the thread of their loop.
        if self.loop.is_running() and asyncio._get_running_loop() is not self.loop:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.close)
        else:
            self.close()
        warnings.warn(description, ResourceWarning, stacklevel=3, source=source)
