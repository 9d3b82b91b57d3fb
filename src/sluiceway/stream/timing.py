"""Deadlines and time limits of a Stream's operations. Those of reads are in ``_core/stream_waits.py``."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from .._constants import RATE_CHECKS
from .._implementation import core

if TYPE_CHECKING:
    from .._core import TimeLimit
else:
    TimeLimit = core.TimeLimit


class TimedStream(Protocol):
    """The methods of a Stream that a Deadline uses."""

    def _describe(self) -> str: ...

    def _describe_output(self) -> str:
        """Return the name of what is written: one of two pipes, or the connection."""

    def _moved_bytes(self) -> tuple[int, int]:
        """Return the number of bytes received, and that of written bytes that the kernel has accepted."""


class Deadline:
    """Limits the time of one block: ``async with stream.deadline(5):``. See :py:meth:`sluiceway.Stream.deadline`."""

    __slots__ = ("__weakref__", "_limit", "_operation", "_seconds", "_stream", "_timeout")

    def __init__(self, stream: TimedStream, seconds: float, operation: str = "deadline") -> None:
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
        self._start(limit)
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

    def _describe(self) -> str:
        return self._stream._describe()

    def _start(self, limit: TimeLimit) -> None:
        limit.start(self._seconds, self._operation)

    def _message(self) -> str:
        what, where = "deadline", self._stream._describe
        if self._operation != "deadline":
            what, where = f"{self._operation}()", self._stream._describe_output
        return f"{what} timed out after {self._seconds:g} s: {where()}"

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        if self._timeout.expired():
            return True
        self._timeout.reschedule(asyncio.get_running_loop().time())
        # The loop cancels the block soon. If an interrupt prevents that, the next call tries it again.
        return False


class RateDeadline(Deadline):
    """A Deadline with a credit of seconds, which bytes renew; see :py:meth:`sluiceway.Stream.deadline`.

    ``_checked_at``: the time of the last check. ``_credit`` and ``_sent``: the seconds left and the bytes sent at this
    time. ``_received``: the greatest number of received bytes at any check. Over TLS, the number of received bytes
    decreases at the end of a record without data.
    """

    __slots__ = ("_checked_at", "_credit", "_min_rate", "_received", "_sent")

    def __init__(self, stream: TimedStream, seconds: float, min_rate: float) -> None:
        super().__init__(stream, seconds)
        self._min_rate = min_rate

    def _start(self, limit: TimeLimit) -> None:
        self._credit = self._seconds
        self._received, self._sent = self._stream._moved_bytes()
        self._checked_at = self._time()
        limit.start(self._interval(), self._operation)

    def _message(self) -> str:
        rate = f"fewer than min_rate={self._min_rate:g} bytes per second"
        return (
            f"deadline timed out: the stream received and sent {rate} for too long "
            f"(seconds={self._seconds:g}): {self._stream._describe()}"
        )

    def _interval(self) -> float:
        """Return the seconds between two checks, which are greater than 0."""
        # The quotient of a tiny number is 0.
        return self._seconds / RATE_CHECKS or self._seconds

    def _time(self) -> float:
        time: float = core.timer_of(asyncio.get_running_loop()).time()
        return time

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        now = self._time()
        received, sent = self._stream._moved_bytes()
        # Over TLS, both may decrease: at the end of a record without data, and when unsent data becomes longer records.
        moved = max(0, received - self._received) + max(0, sent - self._sent)
        credit = self._credit - (now - self._checked_at) + moved / self._min_rate
        if credit <= 0:
            return super()._time_limit_expired(limit)
        # Never more than at the start, so that earlier bytes do not extend a later silence.
        self._credit = min(self._seconds, credit)
        # A part of a record counts once: a peer may send records without data without end.
        self._checked_at, self._received, self._sent = now, max(received, self._received), sent
        limit.start(min(self._credit, self._interval()), self._operation)
        return True


def check_rate(min_rate: object, stream: object) -> None:
    """Raise TypeError or ValueError unless ``min_rate`` is finite and greater than 0. ``stream``: for messages."""
    if not isinstance(min_rate, int | float) or isinstance(min_rate, bool):
        raise TypeError(
            f"deadline(): min_rate must be a number of bytes per second, not {type(min_rate).__name__!r}: {min_rate!r} "
            f"({stream!r})"
        )
    # Not an int that a float cannot hold.
    if not 0 < min_rate <= sys.float_info.max:
        raise ValueError(f"deadline(): min_rate must be greater than 0 and finite, not {min_rate!r} ({stream!r})")
