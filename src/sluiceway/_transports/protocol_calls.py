"""Call the methods of a protocol, and pass their exceptions to the loop's exception handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call_protocol(transport: Any, protocol: Any, call: Callable[..., Any], *arguments: Any) -> None:
    """Call ``call``, a method of ``protocol``. Pass an exception to the loop's exception handler, and return."""
    try:
        call(*arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - every exception of the program is reported
        report_error(transport, protocol, f"protocol.{call.__name__}() call failed", error)


def report_error(transport: Any, protocol: Any, message: str, error: BaseException) -> None:
    """Pass ``error``, with ``message``, to the exception handler of the transport's loop."""
    transport._loop.call_exception_handler(
        {"message": message, "exception": error, "transport": transport, "protocol": protocol}
    )
