"""ConnectProgress: what one call of ``connect()`` has done so far, and its ConnectError if the call fails."""

from __future__ import annotations

import time

from .._net.addresses import printable
from .._net.attempts import ConnectAttempt
from .connect_error import (
    ConnectError,
    ConnectTimings,
    connect_error,
    describe_failure,
    describe_seconds,
    without_traceback,
)

# The beginnings of the messages if a socket cannot be bound to local=.
_BIND_FAILURES = ("error while attempting to bind on address", "no matching local address")


class ConnectProgress:
    """The parts of one connect, in their order: the resolution, the attempts, the TLS handshake.

    ``resolve`` and ``tls`` are the seconds of these two parts; None until the part has ended. ``peer``: the connected
    address, as messages name it.
    """

    def __init__(self, address: str, local: str | None) -> None:
        self.attempts: list[ConnectAttempt] = []
        self.resolve: float | None = None
        self.tls: float | None = None
        self.peer = ""
        self._address = address
        self._local = local
        self._started = 0.0

    def start(self) -> None:
        """Record when the connect begins. ``timings()`` measures the total time from here."""
        self._started = time.monotonic()

    def timings(self) -> ConnectTimings:
        """Return the timings of the call, which has just ended. Remove the tracebacks of its failed attempts."""
        for attempt in self.attempts:
            if attempt.error is not None:
                without_traceback(attempt.error)
        return ConnectTimings(tuple(self.attempts), self.resolve, self.tls, time.monotonic() - self._started)

    def resolve_error(self, error: OSError, host: str, port: int, prefix: str) -> ConnectError:
        """Return the error of a name that cannot be resolved, because of ``error``.

        ``host`` and ``port``: the name. An ``error`` of the program's resolver, for example, may not contain it.
        ``prefix``: the beginning of the reason: "local=…: " for the name in ``local``, "" for that of the address.
        """
        reason = describe_failure(error)
        if not reason.startswith("cannot resolve"):
            # An error of the program's resolver, or an empty result of getaddrinfo().
            reason = f'cannot resolve "{host}:{port}": {reason}'
        return self._error([f"{prefix}{reason}{_after(self.resolve)}"], [error], [error])

    def attempts_error(self) -> ConnectError:
        """Return the error of a connect whose attempts have all failed."""
        failures = self._failures()
        return self._error(self._failed_attempts(), failures, failures)

    def unix_error(self, error: OSError) -> ConnectError:
        """Return the error of a Unix socket that cannot be connected to, because of ``error``."""
        return self._error([f"{describe_failure(error)}{_after(self.attempts[0].seconds)}"], [error], [error])

    def handshake_error(self, error: OSError) -> ConnectError:
        """Return the error of a failed TLS handshake, or of a connected socket that cannot be used."""
        parts = [*self._failed_attempts(), f"{describe_failure(error)}{_after(self.tls)}"]
        return self._error(parts, [*self._failures(), error], [error])

    def timeout_error(self, seconds: float) -> ConnectError:
        """Return the error of a call that has reached its timeout of ``seconds``."""
        parts, failures = self._failed_attempts(), self._failures()
        pending = None
        if self.tls is not None:
            pending = f"{self.peer}: the TLS handshake is not complete{_after(self.tls)}"
        elif not self.attempts and self.resolve is not None:
            pending = f"the name is not resolved{_after(self.resolve)}"
        if pending is not None:
            parts.append(pending)
            failures.append(TimeoutError(pending))
        reason = TimeoutError(f"timed out after {seconds:g} s")
        return self._error([str(reason), *parts], failures or [reason], [reason])

    def _failures(self) -> list[OSError]:
        return [attempt.error for attempt in self.attempts if attempt.error is not None]

    def _failed_attempts(self) -> list[str]:
        return [
            f"{attempt.address}: {self._reason(attempt.error)}{_after(attempt.seconds)}"
            for attempt in self.attempts
            if attempt.error is not None
        ]

    def _reason(self, error: OSError) -> str:
        reason = describe_failure(error)
        return f"local={self._local!r}: {reason}" if reason.startswith(_BIND_FAILURES) else reason

    def _error(self, parts: list[str], failures: list[OSError], reasons: list[OSError]) -> ConnectError:
        timings = self.timings()
        message = f'cannot connect to "{printable(self._address)}": {"; ".join(parts)}'
        exceptions = tuple(without_traceback(failure) for failure in failures)
        return connect_error(message, self._address, exceptions, timings, tuple(reasons))


def _after(seconds: float | None) -> str:
    return "" if seconds is None else f" ({describe_seconds(seconds)})"
