"""The choice between the epoll engine and the loop's own transports.

The engine is used on Linux with the compiled core, on every event loop that has ``add_reader`` and accepts new
attributes. SLUICEWAY_ENGINE=loop turns it off.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.selector_events import BaseSelectorEventLoop
from types import ModuleType
from typing import Any, Final, Literal

from .._config import ENGINE_CHOICE
from .._implementation import IMPLEMENTATION, missing_parts, report_missing
from .program_socket import overrides_transfer

_REMEDY = "unset SLUICEWAY_ENGINE, or install sluiceway again with a C compiler"


def _load() -> Any:
    if IMPLEMENTATION == "pure" and ENGINE_CHOICE == "epoll":
        reason = missing_parts.get("core", "it was not compiled here")
        raise ImportError(
            f"SLUICEWAY_ENGINE=epoll needs the compiled core, which cannot be imported: {reason}; {_REMEDY}"
        )
    if ENGINE_CHOICE == "loop" or IMPLEMENTATION == "pure":
        return None
    try:
        from .epoll import transport
    except ImportError as error:
        if ENGINE_CHOICE == "epoll":
            raise ImportError(f"SLUICEWAY_ENGINE=epoll: cannot import the engine: {error}; {_REMEDY}") from error
        if sys.platform == "linux":
            report_missing("engine", error, "using the loop's transports, which are slower")
        return None
    return transport


_engine: Final[ModuleType | None] = _load()

ENGINE: Final[Literal["epoll", "loop"]] = "loop" if _engine is None else "epoll"
"""The transports that carry connections: "epoll" for the package's engine, "loop" for the event loop's own transports.

The engine needs Linux, the compiled core, and a loop with ``add_reader`` that accepts new attributes. Another loop uses
its own transports, even if the value is "epoll". The environment variable SLUICEWAY_ENGINE selects one when the package
is imported."""


def engine_of(loop: asyncio.AbstractEventLoop) -> Any:
    """Return the module ``epoll.transport`` if the engine can carry connections of ``loop``, else None.

    The first call for ``loop`` tests this. If no descriptor is left for the engine, the call raises OSError, and the
    next call tests again. After a complete test, no call raises. If no descriptor is left at a later time, attach() of
    the returned module raises OSError.
    """
    return _engine if _engine is not None and _engine.can_serve(loop) else None


def engine_for(loop: asyncio.AbstractEventLoop, sock: Any) -> Any:
    """Return engine_of(loop) for the socket object ``sock``.

    Return None if its class overrides a method that moves bytes, and ``loop`` has transports of asyncio, which call it.
    """
    if isinstance(loop, BaseSelectorEventLoop) and overrides_transfer(sock):
        return None
    return engine_of(loop)
