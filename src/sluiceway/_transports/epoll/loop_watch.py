"""What ends with the loop of a poller: the sockets that are open then, watched or not."""

from __future__ import annotations

import warnings
from typing import Any

from ..._core_c import RawTransportProvider


class LoopWatch:
    """What the loop holds of a poller that it watches: the end of this object reports a loop that was closed."""

    def __init__(self, poller: Any) -> None:
        self.poller = poller

    def __del__(self) -> None:
        self.poller._watch_ended()


def close_sockets(transports: dict[int, Any]) -> None:
    """The loop is closed: close each socket of the engine, then warn of those that the program had not closed.

    ``transports``: weak references, also to transports of the loop itself. The references are weak because a
    connection that the program drops is freed, and the collector does that in any thread.
    """
    found = [reference() for reference in list(transports.values())]
    warned = [transport.raw.loop_closed() for transport in found if isinstance(transport, RawTransportProvider)]
    for warning in filter(None, warned):
        warnings.warn(warning, ResourceWarning, stacklevel=1)
