"""Calling a protocol. Its errors are its own: the loop's exception handler hears of them, and the transport goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def tell(transport: Any, protocol: Any, call: Callable[..., Any], *arguments: Any) -> None:
    """Call a method of ``protocol`` for ``transport``."""
    try:
        call(*arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a program raises
        complain(transport, protocol, f"protocol.{call.__name__}() call failed", error)


def complain(transport: Any, protocol: Any, message: str, error: BaseException) -> None:
    """Hand ``error`` to the handler of the transport's loop."""
    transport._loop.call_exception_handler(
        {"message": message, "exception": error, "transport": transport, "protocol": protocol}
    )
