"""IdleTimeout: abort a connection on which no byte was received or sent for some time."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

from .._constants import IDLE_CHECKS
from .._implementation import core

if TYPE_CHECKING:
    from .._core import CoarseTimer, TimeLimit
else:
    CoarseTimer, TimeLimit = core.CoarseTimer, core.TimeLimit


class IdleConnection(Protocol):
    """The attribute and the methods of a Connection that IdleTimeout uses."""

    lost: bool

    def progress(self) -> tuple[int, int, int]:
        """See Connection.progress()."""

    def end_idle(self, seconds: float) -> None:
        """Abort the connection, because it was idle for ``seconds``."""


class IdleTimeout:
    """Aborts a connection after ``seconds`` without a new byte.

    It checks every ``seconds`` / IDLE_CHECKS whether there are new bytes, and aborts the connection after IDLE_CHECKS
    checks in a row without a new byte. The abort is late by up to ``seconds`` / IDLE_CHECKS, because the last byte may
    arrive just after a check, and by up to TIMEOUT_RESOLUTION for each check.

    The ConnectionRecord must refer to this object: a freed IdleTimeout aborts nothing, because the timer refers to it
    weakly. This object refers weakly to the connection, which refers to the record. Otherwise only the garbage
    collector would free the three after the end.
    """

    __slots__ = ("__weakref__", "_arrived", "_connection_ref", "_idle_checks", "_limit", "_sent", "seconds")

    def __init__(self, connection: IdleConnection, timer: CoarseTimer, seconds: float) -> None:
        self.seconds = seconds
        self._connection_ref = weakref.ref(connection)
        self._idle_checks = 0
        *self._arrived, self._sent = connection.progress()
        self._limit = TimeLimit(timer, self)
        self._start()

    def _start(self) -> None:
        # The quotient of a tiny number is 0, which is no time limit.
        self._limit.start(self.seconds / IDLE_CHECKS or self.seconds, "idle timeout")

    def stop(self) -> None:
        self._limit.stop()

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        connection = self._connection_ref()
        if connection is None or connection.lost:
            return True
        *arrived, sent = connection.progress()
        # Incomplete records count only while they become longer: a peer may send empty records without end. Over TLS,
        # ``sent`` decreases when unsent data becomes longer records, and when answers to key updates are unsent.
        idle = arrived <= self._arrived and sent <= self._sent
        self._idle_checks = self._idle_checks + 1 if idle else 0
        self._arrived, self._sent = max(arrived, self._arrived), sent
        if self._idle_checks >= IDLE_CHECKS:
            connection.end_idle(self.seconds)
        else:
            self._start()
        return True
