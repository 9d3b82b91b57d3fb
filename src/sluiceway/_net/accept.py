"""The accept loop of a server, which is the same on every event loop (contract L1, docs/explanation/contracts.md).

When descriptors run out, asyncio's accept loop calls the exception handler once for each place in the backlog, and
blocks the event loop if the backlog is large. uvloop drops the waiting connections without a message. Neither behaviour
can be configured.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import weakref
from collections.abc import Callable
from typing import Any

from .._constants import ACCEPT_BATCH, ACCEPT_RETRY_DELAY
from .._log import logger
from .._transports.engine_choice import engine_of
from .._transports.named_task import create_named_task
from .accept_socket import SocketSource
from .addresses import describe_address, name_peer

# The process (EMFILE) or the system has no descriptor or memory left. Accepting is retried later.
OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# epoll_ctl(2): the system has no memory, or the user no watch, left. Watching is tried again later.
_CANNOT_WATCH = OUT_OF_RESOURCES | {errno.ENOSPC}
# accept(2): the waiting connection has failed. The listening socket can accept further connections.
_OF_THE_PEER = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ENETDOWN",
        "ENETUNREACH",
        "ENONET",
        "ENOPROTOOPT",
        "EPERM",
        "EPROTO",
    )
    if hasattr(errno, name)
)
# accept(2): the listening socket cannot accept any more. As in asyncio, any other error, such as a reset that accept()
# of a socket class of the program lets out, does not stop the server.
_OF_THE_LISTENING_SOCKET = frozenset({errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})


Accepted = Callable[[Any, Any, str], None]
"""Called with an accepted socket, the address of the peer, and the address of the listening socket as text. If the
callback raises, it has closed the socket, and the listener reports the error. On the engine, the socket is an
AcceptedSocket."""


class Listener:
    """Accepts connections from one listening socket, and closes the socket in stop().

    While the loop watches the socket, only the loop refers to the callback ``accepted``. So a server to which the
    program has no reference runs until its loop is closed, and is then freed without a garbage collection.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, backlog: int) -> None:
        self.socket = sock
        self._loop = loop
        self._backlog = backlog
        self._name = ""
        self._started = self._stopped = False
        self._short_of_resources = False
        # Set while descriptors have run out: the callback, to which only the timer of the next attempt refers.
        self.paused: weakref.ref[Accepted] | None = None
        self._retry_scheduled = False
        self._acceptor: asyncio.Task[None] | None = None
        self._watching = False
        self._poller: Any = None
        # The engine's own source returns sockets that are non-blocking already.
        self._source: Any = SocketSource(sock)
        self._sets_nonblocking = True

    def start(self, accepted: Accepted) -> None:
        """Start to listen and to accept. ``accepted`` is called for each connection. A second call has no effect.

        Raise OSError, with the address in the message, if the system refuses to listen.
        """
        if self._started:
            return
        try:
            self.socket.listen(self._backlog)
        except OSError as error:
            name_peer(error, describe_address(self.socket.getsockname()))
            raise
        self._name = describe_address(self.socket.getsockname())
        engine = engine_of(self._loop)
        if engine is not None and self._poller is None:
            poller = engine.poller_of(self._loop)
            poller.acquire()
            # Set only now: stop() releases what was acquired.
            self._poller = poller
            source = engine.accept_source(self.socket)
            if source is not None:
                self._source = source
                self._sets_nonblocking = False
        self._watch(accepted)
        # Last: after an exception of a signal handler, the next call does the rest.
        self._started = True

    def describe(self) -> str:
        """Return the address of the listening socket, for messages; "no address" before start()."""
        return self._name or "no address"

    def stop(self) -> None:
        """Stop accepting and close the listening socket. After an exception, a second call does the rest."""
        self._stopped = True
        self._source.close()
        if self._poller is not None:
            poller, self._poller = self._poller, None
            poller.release()
        if self._acceptor is not None:
            # The loop uses the descriptor until the cancelled task ends, one iteration later.
            self._acceptor.add_done_callback(lambda _: self.socket.close())
            self._acceptor.cancel()
            self._acceptor = None
        else:
            self._unwatch()
            self.socket.close()

    def descriptor_freed(self) -> None:
        """Called when a connection has ended, which frees a descriptor and memory.

        If accepting is paused because these had run out, accept again in the next iteration of the loop.
        """
        accepted = self.paused() if self.paused is not None else None
        self.paused = None
        if accepted is not None and not self._loop.is_closed():
            self._loop.call_soon(self._watch_again, accepted)

    def _retry(self, accepted: Accepted) -> None:
        self._retry_scheduled = False
        self._watch_again(accepted)

    def _watch_again(self, accepted: Accepted) -> None:
        """Watch the socket after a pause. If the loop cannot watch it because resources have run out, try later."""
        try:
            self._watch(accepted)
        except (OSError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno not in _CANNOT_WATCH:
                raise
            self._retry_later(accepted)

    def _watch(self, accepted: Accepted) -> None:
        if self._stopped or self._watching or self._acceptor is not None:
            return
        self.paused = None
        # First: after an exception of a signal handler, _unwatch() removes what add_reader() may have added. If the
        # socket is closed while uvloop watches it, uvloop ends the process.
        self._watching = True
        try:
            self._loop.add_reader(self.socket.fileno(), self._ready, accepted)
        except NotImplementedError:
            self._watching = False
            # The loop has completion events (a proactor) and no add_reader().
            acceptor = create_named_task(self._loop, self._accept_in_task(accepted), "sluiceway accept")
            # The first call of accept() of an eager task may have failed.
            if not acceptor.done():
                self._acceptor = acceptor
        except BaseException:
            try:
                self._unwatch()
            except RuntimeError:
                # asyncio refuses both calls: the loop has a transport with this descriptor.
                self._watching = False
            raise

    def _unwatch(self) -> None:
        if self._watching:
            if self.socket.fileno() >= 0 and not self._loop.is_closed():
                self._loop.remove_reader(self.socket.fileno())
            # Last: a signal handler may raise before.
            self._watching = False

    def _ready(self, accepted: Accepted) -> None:
        if self._poller is None:
            self._accept_batch(accepted)
        else:
            # A handler that is a plain function may run a nested loop, which calls this handle again.
            self._poller.call_outside_handle(self._accept_batch, accepted)

    def _accept_batch(self, accepted: Accepted) -> None:
        # Another process that shares the socket may clear O_NONBLOCK, and accept() has no MSG_DONTWAIT flag.
        self.socket.setblocking(False)
        for _ in range(ACCEPT_BATCH):
            try:
                sock, address = self._source.accept()
            except BaseException as error:
                failed = self._source.call_failed()
                if failed and isinstance(error, (BlockingIOError, InterruptedError)):
                    self._short_of_resources = False
                    return
                # A signal handler, which may run within the call too, or a program's accept() has raised any other.
                if not isinstance(error, MemoryError) and not (
                    failed and isinstance(error, OSError) and error.errno is not None
                ):
                    raise
                if _of_the_peer(error):
                    continue
                if not _pauses_or_stops(error):
                    raise
                self._unwatch()
                self._on_accept_error(error, accepted)
                return
            try:
                if self._sets_nonblocking:
                    _make_nonblocking(sock)
                accepted(sock, address, self._name)
            except BaseException as error:
                # Closes a socket that the callback has not taken, because an interrupt came before.
                del sock
                if isinstance(error, (SystemExit, KeyboardInterrupt)):
                    raise
                report_setup_error(self._loop, error, address, self._name)
            if not self._watching:
                # The callback has closed the listener.
                return

    async def _accept_in_task(self, accepted: Accepted) -> None:
        try:
            await self._accept_one_by_one(accepted)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException:
            # A signal handler has raised it, or it concerns one connection. The loop reports it, and the server accepts
            # again later.
            self._acceptor = None
            self._retry_later(accepted)
            raise

    async def _accept_one_by_one(self, accepted: Accepted) -> None:
        while True:
            try:
                sock, address = await self._loop.sock_accept(self.socket)
            except (OSError, MemoryError) as error:
                if isinstance(error, OSError) and error.errno is None:
                    # A signal handler has raised it, such as a TimeoutError.
                    raise
                if _of_the_peer(error):
                    continue
                if not _pauses_or_stops(error):
                    raise
                self._acceptor = None
                self._on_accept_error(error, accepted)
                return
            self._short_of_resources = False
            try:
                _make_nonblocking(sock)
                accepted(sock, address, self._name)
            except BaseException as error:
                # Closes a socket that the callback has not taken, because an interrupt came before.
                del sock
                if isinstance(error, (SystemExit, KeyboardInterrupt)):
                    raise
                report_setup_error(self._loop, error, address, self._name)

    def _on_accept_error(self, error: OSError | MemoryError, accepted: Accepted) -> None:
        """Report an error of accept(). Accept again later if descriptors or memory have run out, else never again."""
        if isinstance(error, OSError) and error.errno not in OUT_OF_RESOURCES:
            self._loop.call_exception_handler(
                {
                    "message": f"accept() on {self._name} failed: no more connections are accepted on this socket; "
                    "close the server and start a new one",
                    "exception": error,
                    "socket": self.socket,
                }
            )
            return
        # First: the log may raise, for example because no descriptor is left for its file.
        self._retry_later(accepted)
        if not self._short_of_resources:
            self._short_of_resources = True
            logger.error(
                "accept() on %s failed: %s; retrying every %g s; %s",
                self._name,
                error,
                ACCEPT_RETRY_DELAY,
                _advice(error),
            )

    def _retry_later(self, accepted: Accepted) -> None:
        self.paused = weakref.ref(accepted)
        if not self._retry_scheduled:
            # stop() does not cancel this timer, because its handle would refer to ``accepted``. _watch() checks
            # _stopped.
            self._loop.call_later(ACCEPT_RETRY_DELAY, self._retry, accepted)
            self._retry_scheduled = True


def _make_nonblocking(sock: socket.socket) -> None:
    try:
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise


def _advice(error: OSError | MemoryError) -> str:
    """Return what to do after accept() has run out of descriptors or memory, for the log record."""
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EMFILE:
        return "raise this process's limit on open files (ulimit -n) or limit the number of connections"
    if code == errno.ENFILE:
        return "raise the system's limit on open files (sysctl fs.file-max) or limit the number of connections"
    return "free memory or limit the number of connections"


def _of_the_peer(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _OF_THE_PEER


def _pauses_or_stops(error: BaseException) -> bool:
    return not isinstance(error, OSError) or error.errno in OUT_OF_RESOURCES | _OF_THE_LISTENING_SOCKET


def report_setup_error(loop: asyncio.AbstractEventLoop, error: BaseException, address: Any, listener: str) -> None:
    """Report to the loop's exception handler that an accepted connection could not be set up.

    Args:
        loop: the event loop of the server.
        error: the reason.
        address: the address of the peer.
        listener: the address of the listening socket, as text.
    """
    loop.call_exception_handler(
        {
            "message": "Error on transport creation for incoming connection "
            f"from {describe_address(address)} to {listener}",
            "exception": error,
        }
    )
