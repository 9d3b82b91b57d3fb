"""Flow control of the writing side: who waits until the transport takes more, and what ends that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class FlowCore:
    """What ``drain`` waits for. Each waiting task has a future of its own, so a cancelled one cancels nobody else."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._paused = False
        self._connection_lost = False
        # Made when somebody waits at first: most connections never have one who does.
        self._drain_waiters: list[asyncio.Future[None]] | None = None
        self._ps_mark: object = None

    @property
    def _ps_error_mark(self) -> object:
        """Marks the errors that this connection raised, without a reference from the error to the connection."""
        if self._ps_mark is None:
            self._ps_mark = object()
        return self._ps_mark

    def pause_writing(self) -> None:
        """Called by the transport when its buffer is over the high-water mark."""
        assert not self._paused, "pause_writing() called twice by the transport"
        self._paused = True

    def resume_writing(self) -> None:
        """Called by the transport when its buffer is at the low-water mark again."""
        assert self._paused, "resume_writing() called by a transport that had not paused"
        self._paused = False
        for waiter in self._drain_waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _ps_end_flow(self, error: BaseException | None) -> None:
        """The connection is gone: nobody waits for room any longer."""
        self._connection_lost = True
        for waiter in self._drain_waiters or ():
            if not waiter.done():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(error)

    async def _drain_helper(self) -> None:
        if self._connection_lost:
            error = ConnectionResetError("Connection lost")
            error._sluiceway_mark = self._ps_error_mark  # type: ignore[attr-defined]
            raise error
        if not self._paused:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        if self._drain_waiters is None:
            self._drain_waiters = []
        waiters = self._drain_waiters
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)
