"""Close the open sockets of the engine when their event loop is closed."""

from __future__ import annotations

import warnings
from typing import Any

from ..._core_c import RawTransportProvider


class LoopWatch:
    """Calls ``poller._watch_ended()`` when the loop's callback, which alone refers to this object, is freed."""

    def __init__(self, poller: Any) -> None:
        self.poller = poller

    def __del__(self) -> None:
        self.poller._watch_ended()


def close_sockets(transports: dict[int, Any]) -> None:
    """Close all sockets of the engine, then emit a ResourceWarning for each that the program had not closed.

    ``transports``: weak references to transports by descriptor, those of the engine and those of the loop itself. The
    references are weak, so that a connection that the program drops is freed, possibly in another thread.
    """
    found = [reference() for reference in list(transports.values())]
    warned = [transport.raw.loop_closed() for transport in found if isinstance(transport, RawTransportProvider)]
    for warning in filter(None, warned):
        warnings.warn(warning, ResourceWarning, stacklevel=1)
