"""Let ``loop.start_tls()`` upgrade transports of the package on event loops that accept only their own, such as uvloop.

asyncio's own loop accepts a transport by an attribute, which the transports of the package have.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .._implementation import core
from .tls.transport import TLSTransport


def extend_start_tls(loop: Any) -> None:
    """Make ``loop.start_tls()`` accept transports of the package, unless ``loop`` is asyncio's or has replaced it."""
    own = getattr(type(loop), "start_tls", None)
    if own is not None and not isinstance(loop, asyncio.BaseEventLoop) and loop.start_tls == own.__get__(loop):
        loop.start_tls = _start_tls


# Has no reference to the loop: the loop would refer to itself, and be kept until a garbage collection.
async def _start_tls(transport: Any, *args: Any, **kwargs: Any) -> Any:
    loop: Any = asyncio.get_running_loop()
    ours = isinstance(transport, (core.RawTransportProvider, TLSTransport))
    # asyncio's method calls only public methods of the loop.
    start = asyncio.BaseEventLoop.start_tls if ours else type(loop).start_tls
    return await start(loop, transport, *args, **kwargs)
