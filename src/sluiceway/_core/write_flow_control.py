"""WriteFlowControl: the tasks that wait in drain(), and what wakes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import copy_error

if TYPE_CHECKING:
    import asyncio


class WriteFlowControl:
    """The flow control of one connection's writing side.

    Each call of drain() waits for a future of its own, so that cancelling one call affects no other.

    - ``paused``: True while the transport has paused writing. ``pauses``: how often it did.
    - ``lost``: True after the connection has ended.
    - ``error_mark``: an object that mark() stores on each error of this connection, to recognize the error later. The
      object does not refer to the connection.
    """

    __slots__ = ("error_mark", "loop", "lost", "paused", "pauses", "waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.paused: bool = False
        self.pauses = 0
        self.lost: bool = False
        # A dict as an ordered set with removal in O(1). Created on demand: most connections never wait.
        self.waiters: dict[asyncio.Future[None], None] | None = None
        self.error_mark: object = None

    def pause(self) -> None:
        """Make drain() wait, because the transport's buffer exceeds the high-water mark. ``paused`` must be False."""
        assert not self.paused, "pause_writing() called twice by the transport"
        self.paused = True
        self.pauses += 1

    def resume(self) -> None:
        """Wake the waiting drain() calls, because the transport's buffer has shrunk to the low-water mark.

        ``paused`` must be True.
        """
        assert self.paused, "resume_writing() called by a transport that has not called pause_writing()"
        self.paused = False
        # A copy: in a loop that a finalizer runs nested, waits may begin and end.
        for waiter in list(self.waiters or ()):
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: BaseException | None) -> None:
        """Wake the calls of drain(), because the connection has ended.

        Each call raises a copy of ``error``, or returns if ``error`` is None.
        """
        self.lost = True
        for waiter in list(self.waiters or ()):
            if not waiter.done():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(copy_error(error))

    def mark(self, error: BaseException) -> None:
        """Mark ``error`` as an error of this connection."""
        if self.error_mark is None:
            self.error_mark = object()
        error._sluiceway_mark = self.error_mark  # type: ignore[attr-defined]

    def own(self, error: BaseException) -> BaseException:
        """Mark ``error`` as an error of this connection, and return it for this connection to store.

        If ``error`` has a traceback or the mark of a connection, return a marked copy without a traceback: a protocol
        may have raised it, or it may be the error of another connection.
        """
        if error.__traceback__ is not None or "_sluiceway_mark" in error.__dict__:
            error = copy_error(error)
        self.mark(error)
        return error

    def raised(self, error: BaseException) -> bool:
        """Return True if ``error`` has the mark of this connection."""
        try:
            return error._sluiceway_mark is self.error_mark  # type: ignore[attr-defined]
        except AttributeError:
            return False

    async def wait(self, connection: Any) -> None:
        """Wait while the transport has paused writing. Raise ConnectionResetError if ``connection`` has ended already.

        If the connection ends during the wait, raise a copy of the error passed to end(), or return if it was None.
        """
        if self.lost:
            error = ConnectionResetError(connection.loss())
            self.mark(error)
            try:
                raise error
            finally:
                # Breaks a reference cycle: the traceback of the error refers to this frame.
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
            # Breaks a reference cycle: the future keeps its error, whose traceback refers to this frame.
            del waiter
