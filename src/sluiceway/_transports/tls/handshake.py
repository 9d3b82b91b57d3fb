"""How a handshake ended: told once, to the one who waits for it, or to the one who only wants to hear of failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Outcome:
    """``over`` when it has been told. ``on_failure`` is called with the error where there is one."""

    __slots__ = ("_failure", "_on_failure", "_waiter", "over")

    def __init__(self, on_failure: Callable[[BaseException], None] | None = None) -> None:
        self.over = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_failure = on_failure

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Return when it is over; raise the error that it ended with."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if not self.over:
            self._waiter = loop.create_future()
            await self._waiter

    def given_up(self) -> bool:
        """Whether the one who waited was cancelled."""
        return self._waiter is not None and self._waiter.cancelled()

    def tell(self, failure: BaseException | None) -> None:
        """It is over; not the first time, this does nothing."""
        if self.over:
            return
        self.over = True
        waiter = self._waiter
        if waiter is None:
            self._failure = failure
        elif not waiter.done():
            waiter.set_result(None) if failure is None else waiter.set_exception(failure)
        on_failure, self._on_failure = self._on_failure, None
        if failure is not None and on_failure is not None:
            self._failure = None
            on_failure(failure)
