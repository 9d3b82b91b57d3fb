"""Call the methods of a protocol, and pass their exceptions to the loop's exception handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._implementation import core


def call_protocol(transport: Any, protocol: Any, call: Callable[..., Any], *arguments: Any) -> None:
    """Call ``call``, a method of ``protocol``, with ``arguments``. Pass its exception to the loop's exception handler.

    Only SystemExit and KeyboardInterrupt are raised.
    """
    try:
        call(*arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - every exception of the program is reported
        report_error(transport, protocol, f"protocol.{call.__name__}() call failed", error)


def finish_lost_soon(loop: Any, protocol: Any, error: BaseException | None) -> None:
    """Schedule the rest of ``protocol.connection_lost(error)``, which has raised: a signal handler may have stopped it.

    A protocol of the package then does in the next iteration of the loop what is left, so that everything that waits
    for the end of the connection is woken. For another protocol, the function does nothing.
    """
    if isinstance(protocol, core.ReceiverProvider):
        loop.call_soon(_finish_lost, loop, protocol, error)


def _finish_lost(loop: Any, protocol: Any, error: BaseException | None) -> None:
    try:
        protocol._sluiceway_finish_lost(error)
    except (SystemExit, KeyboardInterrupt):
        finish_lost_soon(loop, protocol, error)
        raise


def report_error(transport: Any, protocol: Any, message: str, error: BaseException) -> None:
    """Pass ``error``, with ``message``, to the exception handler of the transport's loop."""
    transport._loop.call_exception_handler(
        {"message": message, "exception": error, "transport": transport, "protocol": protocol}
    )
