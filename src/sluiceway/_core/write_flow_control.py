"""Flow control of the writing side: which tasks wait until the transport takes more, and what ends that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class WriteFlowControl:
    """What ``drain`` waits for. Each waiting task has a future of its own, so a cancelled wait affects itself only.

    ``paused``: the transport takes no more for now. ``lost``: the connection is gone. ``error_mark``: marks the errors
    that this connection raises, without a reference from the error to the connection.
    """

    __slots__ = ("error_mark", "loop", "lost", "paused", "waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.paused: bool = False
        self.lost: bool = False
        # In order, each removed in constant time. Created by the first wait: on most connections there is none.
        self.waiters: dict[asyncio.Future[None], None] | None = None
        self.error_mark: object = None

    def pause(self) -> None:
        """The transport's buffer is above the high-water mark."""
        assert not self.paused, "pause_writing() called twice by the transport"
        self.paused = True

    def resume(self) -> None:
        """The transport's buffer is at the low-water mark again."""
        assert self.paused, "resume_writing() called by a transport that had not paused"
        self.paused = False
        for waiter in self.waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: BaseException | None) -> None:
        """The connection is gone: every wait ends, with ``error`` if there is one."""
        self.lost = True
        for waiter in self.waiters or ():
            if not waiter.done():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(error)

    def mark(self, error: BaseException) -> None:
        """Mark ``error`` as raised by this connection."""
        if self.error_mark is None:
            self.error_mark = object()
        error._sluiceway_mark = self.error_mark  # type: ignore[attr-defined]

    def raised(self, error: BaseException) -> bool:
        """Whether this connection raised ``error``."""
        try:
            return error._sluiceway_mark is self.error_mark  # type: ignore[attr-defined]
        except AttributeError:
            return False

    async def wait(self) -> None:
        """Wait until the transport takes more. ConnectionResetError if the connection is gone."""
        if self.lost:
            error = ConnectionResetError("Connection lost")
            self.mark(error)
            try:
                raise error
            finally:
                # Its traceback refers to this frame: no reference cycle.
                del error
        if not self.paused:
            return
        waiter: asyncio.Future[None] = self.loop.create_future()
        if self.waiters is None:
            self.waiters = {}
        waiters = self.waiters
        waiters[waiter] = None
        try:
            await waiter
        finally:
            del waiters[waiter]
