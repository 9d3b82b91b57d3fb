"""The log of a server's failed TLS handshakes: each failure is counted, and the number of log records is bounded."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from .._constants import HANDSHAKE_LOG_INTERVAL, HANDSHAKE_LOG_LINES
from .._net.addresses import describe_address, printable


class HandshakeLog:
    """Counts the failed TLS handshakes of a server, and decides which of them are logged.

    An interval lasts HANDSHAKE_LOG_INTERVAL seconds; the first failure after an interval starts the next one. Within an
    interval, failures of one peer for one reason are logged once, and at most HANDSHAKE_LOG_LINES failures are logged.
    The next line that is logged contains the number of failures that were not.

    A peer is an IP address without its port, or the address of a Unix socket, which is empty for most clients.
    ``failures`` is the number of all failures.
    """

    __slots__ = ("_interval_end", "_logged", "_loop", "_suppressed", "failures")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.failures = 0
        self._loop = loop
        self._logged: set[tuple[str, str]] = set()
        self._interval_end = 0.0
        self._suppressed = 0

    def record(self, error: OSError, address: Any, listener: str) -> str | None:
        """Count a failure of the peer at ``address``. Return the line to log, or None if nothing must be logged.

        ``listener``: the address of the listening socket, as text.
        """
        self.failures += 1
        now = self._loop.time()
        if now >= self._interval_end:
            self._interval_end = now + HANDSHAKE_LOG_INTERVAL
            self._logged.clear()
        reason = failure_reason(error)
        key = (str(address[0] if isinstance(address, tuple) else address), reason)
        if key in self._logged or len(self._logged) >= HANDSHAKE_LOG_LINES:
            self._suppressed += 1
            return None
        self._logged.add(key)
        line = f"TLS handshake with {describe_address(address)} on {listener} failed: {reason}"
        if self._suppressed:
            failures = "failure was" if self._suppressed == 1 else "failures were"
            line += f"; {self._suppressed} earlier {failures} not logged"
            self._suppressed = 0
        return line


def failure_reason(error: OSError) -> str:
    """Return the reason for a failed handshake as text, without the address of the peer."""
    # An error that a program's SSLObject or SSLContext has raised may have none of the attributes.
    message, reason = (getattr(error, name, None) for name in ("verify_message", "reason"))
    if isinstance(error, ssl.SSLCertVerificationError) and isinstance(message, str):
        return f"certificate verify failed: {message}"
    if isinstance(error, ssl.SSLError) and isinstance(reason, str):
        return reason.replace("_", " ").lower()
    only = error.args[0] if len(error.args) == 1 else error
    return printable(str(error.strerror or only)) or type(error).__name__
