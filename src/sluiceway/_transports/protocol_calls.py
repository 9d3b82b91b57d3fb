"""Call a protocol for a transport. Its exceptions go to the loop's exception handler, and the transport goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call_protocol(transport: Any, protocol: Any, call: Callable[..., Any], *arguments: Any) -> None:
    """Call a method of ``protocol`` for ``transport``."""
    try:
        call(*arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a program raises
        report_error(transport, protocol, f"protocol.{call.__name__}() call failed", error)


def report_error(transport: Any, protocol: Any, message: str, error: BaseException) -> None:
    """Give ``error`` to the exception handler of the transport's loop."""
    transport._loop.call_exception_handler(
        {"message": message, "exception": error, "transport": transport, "protocol": protocol}
    )
