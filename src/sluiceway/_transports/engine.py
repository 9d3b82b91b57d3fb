"""Whether the engine carries the connections of a loop: compiled, on Linux, on any loop with ``add_reader``.

It does wherever it can. The environment variable SLUICEWAY_ENGINE chooses: ``epoll`` makes it an error where the engine
cannot be had, ``loop`` leaves every connection to the loop's own transports. The engine goes with the compiled core
only, so SLUICEWAY_PURE=1 leaves it out too. Layer 2 asks here and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
from types import ModuleType
from typing import Any, Final, Literal

_CHOICES = ("", "epoll", "loop")


def _load() -> Any:
    choice = os.environ.get("SLUICEWAY_ENGINE", "")
    if choice not in _CHOICES:
        raise ImportError(f"SLUICEWAY_ENGINE is epoll or loop, not {choice!r}")
    if choice == "loop":
        return None
    if os.environ.get("SLUICEWAY_PURE", "") not in ("", "0"):
        if choice == "epoll":
            raise ImportError("SLUICEWAY_ENGINE=epoll contradicts SLUICEWAY_PURE: the engine has no pure twin")
        return None
    try:
        from sluiceway._engine import facade
    except ImportError as error:
        if choice == "epoll":
            raise ImportError(f"SLUICEWAY_ENGINE=epoll, but the engine was not compiled here: {error}") from error
        return None
    return facade


_facade: Final[ModuleType | None] = _load()

ENGINE: Final[Literal["epoll", "loop"]] = "loop" if _facade is None else "epoll"
"""What connections ride on where the running loop allows: "epoll", sluiceway's engine (Linux, compiled, a loop with
``add_reader``), or "loop", the loop's own transports.
SLUICEWAY_ENGINE in the environment, read at import, chooses."""


def engine_of(loop: asyncio.AbstractEventLoop) -> Any:
    """The engine's module where it can carry connections of ``loop``, else None."""
    return _facade if _facade is not None and _facade.can_serve(loop) else None
