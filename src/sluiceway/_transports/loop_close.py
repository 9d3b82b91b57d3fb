"""Close the transports of asyncio's loops that are open when their loop is closed."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

from .tls.transport import TLSTransport


def close_after_loop(transport: Any) -> None:
    """Close the socket of ``transport``, whose loop is closed, with a ResourceWarning if it was open.

    asyncio leaves it to the garbage collector, because transport and protocol refer to each other. uvloop closes its
    own transports, and the engine closes its sockets.
    """
    lower = transport.lower if isinstance(transport, TLSTransport) else transport
    try:
        lost = lower._call_connection_lost
        if lower._sock is None:
            return
    except AttributeError:
        # Not one of asyncio's socket transports.
        return
    if not lower.is_closing():
        warnings.warn(f"unclosed transport {lower!r}", ResourceWarning, stacklevel=2, source=lower)
    # Closes the socket whatever the protocol raises. RuntimeError: a waiting task cannot be scheduled any more.
    with contextlib.suppress(RuntimeError):
        lost(None)
