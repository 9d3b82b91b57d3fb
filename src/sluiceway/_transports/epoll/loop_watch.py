"""Close the open sockets of the engine when their event loop is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..._core_c import RawTransportProvider
from ..loop_close import connection_of, warn_unclosed
from .direct_select import install_direct_select


class LoopWatch:
    """Calls ``poller._watch_ended()`` when the loop stops watching the epoll descriptor, or is closed.

    Only the loop's handle for this descriptor refers to the object, so both are freed together. ``select``: the
    DirectSelect that the loop's selector has until then; None if it cannot have one, see install_direct_select().
    """

    # __del__() finds these if an exception of a signal handler prevents __init__().
    poller: Any = None
    select: Any = None

    def __init__(self, poller: Any, loop: asyncio.AbstractEventLoop, callback: Callable[..., object]) -> None:
        self.poller = poller
        self.select = install_direct_select(loop, callback, poller._serve)

    def __del__(self) -> None:
        if self.select is not None:
            self.select.remove()
        if self.poller is not None:
            self.poller._watch_ended()


def close_sockets(transports: dict[int, Any], sockets: Iterable[Any]) -> None:
    """Close all sockets of the engine, then emit a ResourceWarning for each that the program had not closed.

    ``transports``: weak references to transports by descriptor. On asyncio's loops this is the loop's own table, whose
    other transports are skipped. Another thread may free a transport, and so change the dict, at any time. ``sockets``:
    StreamSockets whose transport may be missing there.
    """
    found: list[Any] = [reference() for reference in list(transports.values())]
    found += [socket.transport for socket in sockets]
    warn_unclosed([_loop_closed(transport) for transport in found if isinstance(transport, RawTransportProvider)])


def _loop_closed(transport: Any) -> str | None:
    # The socket has no addresses after it is closed.
    connection = connection_of(transport)
    unclosed = transport.raw.loop_closed()
    return None if unclosed is None else f"{unclosed}{connection}"
