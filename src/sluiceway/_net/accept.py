"""Accepting, in sluiceway's own hands on every loop (contract L1).

What asyncio does when descriptors run out (one call of the exception handler for each place in the backlog) or with a
large backlog (a blocked loop) cannot be changed from outside, and uvloop drops the queue without a word.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from .._constants import ACCEPT_BATCH, ACCEPT_RETRY_DELAY
from .._log import logger
from .._transports.engine_choice import engine_of
from .._transports.named_task import create_named_task
from .addresses import describe_address

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


Accepted = Callable[[socket.socket, Any, str], None]
"""Given each accepted socket, the address of the peer, and the name of the listening socket. If it raises, the socket
is closed and the error reported."""


class Listener:
    """Accepts from one listening socket, which it owns.

    It does not refer to what it calls: only the loop does, while the socket is watched. So a server that the program
    drops goes on until its loop is closed, and is freed then without the garbage collector.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, backlog: int) -> None:
        self.socket = sock
        self._loop = loop
        self._backlog = backlog
        self._name = ""
        self._stopped = False
        self._short_of_resources = False
        self._acceptor: asyncio.Task[None] | None = None
        self._watching = False
        self._poller: Any = None
        self._kind = (int(sock.family), int(sock.type), sock.proto)

    def start(self, accepted: Accepted) -> None:
        """Listen, and give each connection to ``accepted``."""
        self.socket.listen(self._backlog)
        self._name = describe_address(self.socket.getsockname())
        engine = engine_of(self._loop)
        if engine is not None:
            self._poller = engine.poller_of(self._loop)
            self._poller.acquire()
        self._watch(accepted)

    def stop(self) -> None:
        """Accept no more, close the socket."""
        self._stopped = True
        if self._poller is not None:
            self._poller.release()
            self._poller = None
        if self._acceptor is not None:
            # Its wait for the socket ends one turn later; until then the loop knows the descriptor.
            self._acceptor.add_done_callback(lambda _: self.socket.close())
            self._acceptor.cancel()
            self._acceptor = None
        else:
            self._unwatch()
            self.socket.close()

    def _watch(self, accepted: Accepted) -> None:
        if self._stopped:
            return
        try:
            self._loop.add_reader(self.socket.fileno(), self._ready, accepted)
            self._watching = True
        except NotImplementedError:
            # A loop that waits for completion, not for readiness.
            self._acceptor = create_named_task(self._loop, self._accept_one_by_one(accepted), "sluiceway accept")

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
        try:
            return socket.socket(*self._kind, fileno=fd), address
        except BaseException:
            os.close(fd)
            raise

    def _ready(self, accepted: Accepted) -> None:
        # A process that shares the socket may have cleared O_NONBLOCK, and accept() has no flag that replaces it.
        self.socket.setblocking(False)
        for _ in range(ACCEPT_BATCH):
            try:
                sock, address = self._accept()
            except (BlockingIOError, InterruptedError):
                self._short_of_resources = False
                return
            except (OSError, MemoryError) as error:
                if _of_the_peer(error):
                    continue
                self._unwatch()
                self._on_accept_error(error, accepted)
                return
            try:
                sock.setblocking(False)
                accepted(sock, address, self._name)
            except BaseException as error:  # noqa: BLE001 - an interrupt is raised again
                self._on_setup_error(error, sock, address)
            if not self._watching:
                # Closed by the handler of the connection just accepted.
                return

    async def _accept_one_by_one(self, accepted: Accepted) -> None:
        while True:
            try:
                sock, address = await self._loop.sock_accept(self.socket)
            except (OSError, MemoryError) as error:
                if _of_the_peer(error):
                    continue
                self._acceptor = None
                self._on_accept_error(error, accepted)
                return
            self._short_of_resources = False
            try:
                sock.setblocking(False)
                accepted(sock, address, self._name)
            except BaseException as error:  # noqa: BLE001 - an interrupt is raised again
                self._on_setup_error(error, sock, address)

    def _on_setup_error(self, error: BaseException, sock: socket.socket, address: Any) -> None:
        sock.close()
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        report_setup_error(self._loop, error, address, self._name)

    def _on_accept_error(self, error: OSError | MemoryError, accepted: Accepted) -> None:
        """Accepting has stopped; go on later where there is hope."""
        if isinstance(error, OSError) and error.errno not in _OUT_OF_RESOURCES:
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
        # A handle that is kept here would refer to ``accepted``: the timer is not cancelled, _watch() sees the stop.
        self._loop.call_later(ACCEPT_RETRY_DELAY, self._watch, accepted)


def _of_the_peer(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _OF_THE_PEER


def report_setup_error(loop: asyncio.AbstractEventLoop, error: BaseException, address: Any, listener: str) -> None:
    """Report why a connection from ``address``, accepted on ``listener``, could not be set up."""
    loop.call_exception_handler(
        {
            "message": "Error on transport creation for incoming connection "
            f"from {describe_address(address)} to {listener}",
            "exception": error,
        }
    )
