"""The environment variables of the package, which are read once, when the package is imported.

- ``SLUICEWAY_PURE=1``, or any other value than ``0`` and an empty one, selects the pure Python core.
- ``SLUICEWAY_ENGINE=epoll`` makes the import of the package fail if the epoll engine is not available.
- ``SLUICEWAY_ENGINE=loop`` uses the running loop's own transports for every connection.
- ``SLUICEWAY_SELECT=loop`` keeps the engine from replacing the ``select()`` of asyncio's loops by its own.

An empty value counts as none. Any other value of SLUICEWAY_ENGINE and SLUICEWAY_SELECT raises ImportError.
The functions read variables that the module ``ssl`` or OpenSSL uses as well, at each call.
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
        raise ImportError(f"SLUICEWAY_ENGINE must be 'epoll', 'loop' or empty, not {choice!r}")
    if PURE:
        raise ImportError("SLUICEWAY_ENGINE=epoll needs the compiled core, which SLUICEWAY_PURE disables; unset one")
    return "epoll"


def _select_choice() -> Literal["", "loop"]:
    choice = os.environ.get("SLUICEWAY_SELECT", "")
    if choice == "":
        return ""
    if choice == "loop":
        return "loop"
    raise ImportError(f"SLUICEWAY_SELECT must be 'loop' or empty, not {choice!r}")


PURE: Final = os.environ.get("SLUICEWAY_PURE", "") not in ("", "0")
"""True if SLUICEWAY_PURE selects the pure core."""

ENGINE_CHOICE: Final[EngineChoice] = _engine_choice()
"""The value of SLUICEWAY_ENGINE. "" means the epoll engine where it is available, else the loop's transports."""


SELECT_CHOICE: Final = _select_choice()
"""The value of SLUICEWAY_SELECT. "" means that the engine serves sockets in the ``select()`` of asyncio's loops."""


def key_log_file() -> str | None:
    """Return the present value of SSLKEYLOGFILE, or None. Each ``ssl.create_default_context()`` reads it as well."""
    return os.environ.get("SSLKEYLOGFILE")


def certificate_directories(variable: str, default: str) -> list[str]:
    """Return the present directories of trusted certificates, which ``variable``, usually SSL_CERT_DIR, lists.

    ``default``: the list if the variable is not set.
    """
    return os.environ.get(variable, default).split(os.pathsep)
