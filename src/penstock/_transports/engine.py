"""Whether the engine carries the plain connections of a loop: compiled, on Linux, on any loop with ``add_reader``.

The environment variable PENSTOCK_ENGINE chooses: ``epoll`` for the engine, an error where it is not installed, or
``loop``, the default, for the loop's own transports. Layer 2 asks here and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
from types import ModuleType
from typing import Any, Final

_CHOICES = ("", "epoll", "loop")


def _load() -> Any:
    choice = os.environ.get("PENSTOCK_ENGINE", "")
    if choice not in _CHOICES:
        raise ImportError(f"PENSTOCK_ENGINE is epoll or loop, not {choice!r}")
    if choice != "epoll" or os.environ.get("PENSTOCK_PURE", "") not in ("", "0"):
        return None
    from penstock._engine import facade

    return facade


_facade: Final[ModuleType | None] = _load()

ENGINE: Final = "loop" if _facade is None else "epoll"


def engine_of(loop: asyncio.AbstractEventLoop) -> Any:
    """The engine's module where it can carry connections of ``loop``, else None."""
    return _facade if _facade is not None and _facade.can_serve(loop) else None


def is_engines(transport: Any) -> bool:
    """Whether ``transport`` is the engine's own."""
    return _facade is not None and isinstance(transport, _facade.SocketTransport)
