"""Which transports carry the connections of a loop: the epoll engine's or the loop's own.

The engine is used wherever it can be: compiled, on Linux, on any loop with ``add_reader``, with the compiled core.
"""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any, Final, Literal

from .._config import ENGINE_CHOICE
from .._implementation import IMPLEMENTATION, missing_parts, report_missing


def _load() -> Any:
    if IMPLEMENTATION == "pure" and ENGINE_CHOICE == "epoll":
        reason = missing_parts.get("core", "it was not compiled here")
        raise ImportError(f"SLUICEWAY_ENGINE=epoll, but the engine needs the compiled core: {reason}")
    if ENGINE_CHOICE == "loop" or IMPLEMENTATION == "pure":
        return None
    try:
        from .epoll import transport
    except ImportError as error:
        if ENGINE_CHOICE == "epoll":
            raise ImportError(f"SLUICEWAY_ENGINE=epoll, but the engine was not compiled here: {error}") from error
        if sys.platform == "linux":
            report_missing("engine", error, "using the loop's transports, which are slower")
        return None
    return transport


_engine: Final[ModuleType | None] = _load()

ENGINE: Final[Literal["epoll", "loop"]] = "loop" if _engine is None else "epoll"
"""What carries connections where the running loop allows it: "epoll", the package's engine (Linux, compiled, a loop
with ``add_reader``), or "loop", the loop's own transports. SLUICEWAY_ENGINE in the environment, read at import,
chooses."""


def engine_of(loop: asyncio.AbstractEventLoop) -> Any:
    """The engine's module where it can carry connections of ``loop``, else None."""
    return _engine if _engine is not None and _engine.can_serve(loop) else None
