"""Deadlines and time limits of a Stream's operations. Those of reads are in ``_core/stream_waits.py``."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from .._implementation import core

if TYPE_CHECKING:
    from .._core import TimeLimit
else:
    TimeLimit = core.TimeLimit


class Described(Protocol):
    """The method of a Stream that the messages of timeouts use."""

    def _describe(self) -> str: ...


class Deadline:
    """Limits the time of a block: ``async with stream.deadline(5):``. See :py:meth:`sluiceway.Stream.deadline`."""

    __slots__ = ("__weakref__", "_limit", "_operation", "_seconds", "_stream", "_timeout")

    def __init__(self, stream: Described, seconds: float, operation: str = "deadline") -> None:
        self._stream = stream
        self._seconds = seconds
        self._operation = operation
        self._limit: TimeLimit | None = None
        # asyncio's class cancels the block, and distinguishes this from a cancellation by another task. Its own timer,
        # which is exact and costs as much as a read, is not used.
        self._timeout = asyncio.timeout(None)

    def __repr__(self) -> str:
        return f"<Deadline {self._seconds:g} s: {self._stream._describe()}>"

    def expired(self) -> bool:
        """Return True if the time has passed, and the block was cancelled."""
        return self._timeout.expired()

    async def __aenter__(self) -> Self:
        if self._limit is not None:
            raise RuntimeError("a Deadline limits one block; call deadline() for each block")
        limit = self._limit = TimeLimit(core.timer_of(asyncio.get_running_loop()), self)
        await self._timeout.__aenter__()
        limit.start(self._seconds, self._operation)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._limit is not None:
            self._limit.stop()
        try:
            await self._timeout.__aexit__(exc_type, exc, traceback)
        except TimeoutError as error:
            raise TimeoutError(self._message()) from error.__cause__

    def _message(self) -> str:
        what = "deadline" if self._operation == "deadline" else f"{self._operation}()"
        return f"{what} timed out after {self._seconds:g} s: {self._stream._describe()}"

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        self._timeout.reschedule(asyncio.get_running_loop().time())
        return True
