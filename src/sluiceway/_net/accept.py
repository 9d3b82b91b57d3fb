"""Accepting, in sluiceway's own hands on every loop (contract L1).

What asyncio does when descriptors run out (one call of the exception handler for each place in the backlog) or with a
large backlog (a blocked loop) cannot be changed from outside, and uvloop drops the queue without a word.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from .._constants import ACCEPT_BATCH, ACCEPT_RETRY_DELAY
from .._log import logger
from .._transports.engine_choice import engine_of
from .._transports.named_task import create_named_task

# accept(2): descriptors of the process (EMFILE) or the system, or memory, have run out; accepting goes on later.
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# accept(2): errors of the connection that was in the queue; the listener is well.
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


class Listener:
    """Accepts from one listening socket, which it owns; ``accepted`` is given each new socket and the peer address."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        backlog: int,
        accepted: Callable[[socket.socket, Any], None],
    ) -> None:
        self.socket = sock
        self._loop = loop
        self._backlog = backlog
        self._accepted = accepted
        self._resume: asyncio.TimerHandle | None = None
        self._short_of_resources = False
        self._acceptor: asyncio.Task[None] | None = None
        self._watching = False
        self._poller: Any = None
        self._kind = (int(sock.family), int(sock.type), sock.proto)

    def start(self) -> None:
        """Listen and accept."""
        self.socket.listen(self._backlog)
        engine = engine_of(self._loop)
        if engine is not None:
            self._poller = engine.poller_of(self._loop)
            self._poller.acquire()
        self._watch()

    def stop(self) -> None:
        """Accept no more, close the socket."""
        if self._poller is not None:
            self._poller.release()
            self._poller = None
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        if self._acceptor is not None:
            # Its wait for the socket ends one turn later; until then the loop knows the descriptor.
            self._acceptor.add_done_callback(lambda _: self.socket.close())
            self._acceptor.cancel()
            self._acceptor = None
        else:
            self._unwatch()
            self.socket.close()

    def _watch(self) -> None:
        self._resume = None
        try:
            self._loop.add_reader(self.socket.fileno(), self._ready)
            self._watching = True
        except NotImplementedError:
            # A loop that waits for completion, not for readiness.
            self._acceptor = create_named_task(self._loop, self._accept_one_by_one(), "sluiceway accept")

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            if self.socket.fileno() >= 0 and not self._loop.is_closed():
                self._loop.remove_reader(self.socket.fileno())

    def _accept(self) -> tuple[socket.socket, Any]:
        if type(self.socket).accept is not socket.socket.accept:
            return self.socket.accept()
        # What socket.accept() does, with the family, type and protocol looked up once, not as enumerations each time.
        fd, address = self.socket._accept()  # type: ignore[attr-defined]
        return socket.socket(*self._kind, fileno=fd), address

    def _ready(self) -> None:
        # A process that shares the socket may have cleared O_NONBLOCK, and accept() has no flag that replaces it.
        self.socket.setblocking(False)
        for _ in range(ACCEPT_BATCH):
            try:
                sock, address = self._accept()
            except (BlockingIOError, InterruptedError):
                self._short_of_resources = False
                return
            except OSError as error:
                if error.errno in _OF_THE_PEER:
                    continue
                self._unwatch()
                self._on_accept_error(error)
                return
            sock.setblocking(False)
            self._accepted(sock, address)
            if not self._watching:
                # Closed by the handler of the connection just accepted.
                return

    async def _accept_one_by_one(self) -> None:
        while True:
            try:
                sock, address = await self._loop.sock_accept(self.socket)
            except OSError as error:
                if error.errno in _OF_THE_PEER:
                    continue
                self._acceptor = None
                self._on_accept_error(error)
                return
            self._short_of_resources = False
            sock.setblocking(False)
            self._accepted(sock, address)

    def _on_accept_error(self, error: OSError) -> None:
        """Accepting has stopped; go on later where there is hope."""
        if error.errno not in _OUT_OF_RESOURCES:
            self._loop.call_exception_handler(
                {"message": "sluiceway stopped accepting: accept() failed", "exception": error, "socket": self.socket}
            )
            return
        if not self._short_of_resources:
            self._short_of_resources = True
            logger.error(
                "accept() on %s is out of resources (%s): accepting pauses and is tried again every %g s; "
                "raise the limit of open files or bound the number of connections",
                self.socket.getsockname(),
                error,
                ACCEPT_RETRY_DELAY,
            )
        self._resume = self._loop.call_later(ACCEPT_RETRY_DELAY, self._watch)
