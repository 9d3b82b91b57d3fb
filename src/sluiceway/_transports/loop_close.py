"""Close the transports of an asyncio event loop that are open when the loop is closed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from .._log import logger
from .tls.transport import TLSTransport
from .upper_connection import upper_connection


def close_after_loop(transport: Any) -> str | None:
    """Call connection_lost() of the protocol, and close the socket of ``transport``, whose loop was closed.

    Return a description for warn_unclosed() if the program had not closed the transport, else None. asyncio itself
    leaves the socket open until the garbage collector frees the transport. uvloop closes its own transports,
    and the engine closes its sockets; for these, the function does nothing and returns None.
    """
    lower = transport.lower if isinstance(transport, TLSTransport) else transport
    try:
        lost, losses = lower._call_connection_lost, lower._conn_lost
        if lower._sock is None:
            return None
    except AttributeError:
        # Not one of asyncio's socket transports.
        return None
    unclosed = None if lower.is_closing() else f"transport {lower!r}{connection_of(lower)}"
    # As abort() sets them: without a loop, later calls of the transport's methods would raise an AttributeError.
    lower._closing, lower._conn_lost = True, losses + 1
    try:
        # Closes the socket whatever the protocol raises.
        lost(None)
    except RuntimeError:
        # A waiting task cannot be scheduled any more.
        pass
    except Exception:  # noqa: BLE001 - whatever a program's protocol raises
        logger.exception("connection_lost() raised an exception when the loop was closed")
    return unclosed


def connection_of(transport: Any) -> str:
    """Return a comma and the addresses of both ends for a message; "" if ``transport`` has no stream of sluiceway."""
    connection = upper_connection(transport)
    # It has no transport before the end of a TLS handshake.
    return "" if connection is None or connection.transport is None else f", {connection.describe()}"


def warn_unclosed(transports: Iterable[str | None]) -> None:
    """Emit a ResourceWarning for each description of a transport that was open when its loop was closed."""
    for transport in filter(None, transports):
        warnings.warn(
            f"unclosed {transport}: its event loop was closed; before that, close the connection and await "
            "wait_closed()",
            ResourceWarning,
            stacklevel=2,
        )
