"""Call the methods of a protocol, and pass their exceptions to the loop's exception handler."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._implementation import core

_CALLS = 3


def call_protocol(transport: Any, protocol: Any, call: Callable[..., Any], *arguments: Any) -> BaseException | None:
    """Call ``call``, a method of ``protocol``, with ``arguments``. Pass its exception to the loop's exception handler.

    Return the exception, or None. Only SystemExit and KeyboardInterrupt are raised.
    """
    try:
        call(*arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - every exception of the program is reported
        report_error(transport, protocol, f"protocol.{call.__name__}() call failed", error)
        return error
    return None


def schedule_repeatedly(schedule: Callable[..., object], call: Callable[..., object], *arguments: Any) -> None:
    """Call ``schedule(call, *arguments)`` three times. ``schedule``: ``call_soon`` of a loop, or a similar method.

    An exception, such as that of a signal handler, may end a call of ``call`` before it has done anything; the next one
    then does the work. A call after a complete one must have no effect.
    """
    for _ in range(_CALLS):
        schedule(call, *arguments)


def abort_if_interrupted(method: Callable[..., None]) -> Callable[..., None]:
    """Decorate ``method``, which ends its transport. If it raises, the loop calls _abort() of the transport soon.

    A signal handler may have raised. The transport may be closing already, so that no later call would end it.
    """

    @functools.wraps(method)
    def call(transport: Any, *arguments: Any) -> None:
        try:
            method(transport, *arguments)
        except BaseException:
            schedule_repeatedly(transport._loop.call_soon, transport._abort)
            raise

    return call


def finish_lost_soon(loop: Any, protocol: Any, error: BaseException | None) -> None:
    """Schedule the completion of a call ``protocol.connection_lost(error)`` that has raised an exception.

    A signal handler may have raised it, so the call may be incomplete. In the next iteration of the loop, a protocol of
    the package does what the call has not done, and wakes all waiters for the end of the connection. For another
    protocol, the function does nothing.
    """
    if isinstance(protocol, core.ReceiverProvider):
        schedule_repeatedly(loop.call_soon, protocol._sluiceway_finish_lost, error)


def report_error(transport: Any, protocol: Any, message: str, error: BaseException) -> None:
    """Pass ``error``, with ``message``, to the exception handler of the loop ``transport._loop``."""
    transport._loop.call_exception_handler(
        {"message": message, "exception": error, "transport": transport, "protocol": protocol}
    )
