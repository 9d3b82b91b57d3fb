"""Servers whose handlers fail, and the report to the loop's exception handler."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import sluiceway

MESSAGE = "Unhandled exception in client_connected_cb"


@contextlib.asynccontextmanager
async def running_server(handle: Callable[..., Any]) -> AsyncIterator[Any]:
    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        yield server


async def assert_connection_closed(peer: Any) -> None:
    """Check that the server closes the connection of ``peer``."""
    with contextlib.suppress(ConnectionResetError):
        assert await peer.in_thread(peer.receive_rest) == b""


def pop_handler_error(loop_errors: list[dict[str, Any]], kind: type[BaseException]) -> dict[str, Any]:
    """Check that the loop's exception handler got one report, of a handler's error; remove and return it."""
    (context,) = loop_errors
    loop_errors.clear()
    assert context["message"] == MESSAGE
    assert isinstance(context["exception"], kind)
    return context
