"""The environment variables of the package, read once, when it is imported, and those that ``ssl`` reads by itself.

SLUICEWAY_PURE=1 asks for the pure core. SLUICEWAY_ENGINE=epoll makes it an error where the epoll engine is missing;
SLUICEWAY_ENGINE=loop leaves every connection to the running loop's own transports.
"""

from __future__ import annotations

import os
from typing import Final, Literal

EngineChoice = Literal["", "epoll", "loop"]


def _engine_choice() -> EngineChoice:
    choice = os.environ.get("SLUICEWAY_ENGINE", "")
    if choice == "":
        return ""
    if choice == "loop":
        return "loop"
    if choice != "epoll":
        raise ImportError(f"SLUICEWAY_ENGINE is epoll or loop, not {choice!r}")
    if PURE:
        raise ImportError("SLUICEWAY_ENGINE=epoll contradicts SLUICEWAY_PURE: the engine needs the compiled core")
    return "epoll"


PURE: Final = os.environ.get("SLUICEWAY_PURE", "") not in ("", "0")
"""True where the pure core was asked for."""

ENGINE_CHOICE: Final[EngineChoice] = _engine_choice()
"""The engine that was asked for; "" for the epoll engine wherever it can be used."""


def key_log_file() -> str | None:
    """SSLKEYLOGFILE, which ``ssl.create_default_context()`` reads at each call."""
    return os.environ.get("SSLKEYLOGFILE")
