"""Close the open sockets of a poller, watched or not, when its loop is closed."""

from __future__ import annotations

import warnings
from typing import Any

from ..._core_c import RawTransportProvider


class LoopWatch:
    """An argument of the loop's callback for the poller. A closed loop drops it, which ``__del__`` reports."""

    def __init__(self, poller: Any) -> None:
        self.poller = poller

    def __del__(self) -> None:
        self.poller._watch_ended()


def close_sockets(transports: dict[int, Any]) -> None:
    """Close all sockets of the engine, then emit a ResourceWarning for each that the program had not closed.

    ``transports``: weak references to the engine's transports, and to transports of the loop itself. The references are
    weak so that a connection that the program drops is freed. The garbage collector may free it in any thread.
    """
    found = [reference() for reference in list(transports.values())]
    warned = [transport.raw.loop_closed() for transport in found if isinstance(transport, RawTransportProvider)]
    for warning in filter(None, warned):
        warnings.warn(warning, ResourceWarning, stacklevel=1)
