"""Servers whose handlers fail, and what the loop's exception handler is told of that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import sluiceway

MESSAGE = "Unhandled exception in client_connected_cb"


@contextlib.asynccontextmanager
async def serving(handle: Callable[..., Any]) -> AsyncIterator[Any]:
    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        yield server


async def ended(wire: Any) -> None:
    """The server has closed this connection."""
    with contextlib.suppress(ConnectionResetError):
        assert await wire.in_thread(wire.receive_rest) == b""


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def only_report(loop_errors: list[dict[str, Any]], kind: type[BaseException]) -> dict[str, Any]:
    """Check that the loop's exception handler was told once, of a handler's error, and forget it."""
    (context,) = loop_errors
    loop_errors.clear()
    assert context["message"] == MESSAGE
    assert isinstance(context["exception"], kind)
    return context
