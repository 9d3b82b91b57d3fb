"""Several attempts at the same thing, each given a head start before the next (RFC 8305, section 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from socket import socket


async def race(attempts: Iterable[Callable[[], Awaitable[socket]]], delay: float) -> socket | None:
    """The socket of the first attempt that succeeds; None where all raised OSError.

    An attempt begins ``delay`` seconds after the one before it, or as soon as one fails. When one has succeeded the
    others are cancelled and waited for, and a socket that one of them made all the same is closed. Cancelling the race
    cancels all of them.
    """
    waiting = iter(attempts)
    running: set[asyncio.Task[socket]] = set()
    winner: socket | None = None
    more = True
    try:
        while winner is None:
            attempt = next(waiting, None) if more else None
            if attempt is None:
                more = False
                if not running:
                    return None
            else:
                running.add(asyncio.ensure_future(_run(attempt)))
            done, running = await asyncio.wait(
                running, timeout=delay if more else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                made = _socket_of(task)
                if winner is None:
                    winner = made
                elif made is not None:
                    made.close()
        return winner
    finally:
        await _end(running, winner)


async def _run(attempt: Callable[[], Awaitable[socket]]) -> socket:
    return await attempt()


def _socket_of(task: asyncio.Task[socket]) -> socket | None:
    """What a finished attempt made; an error that is not the system's is raised."""
    if task.cancelled():
        return None
    error = task.exception()
    if error is None:
        return task.result()
    try:
        if not isinstance(error, OSError):
            raise error
    finally:
        # The error's traceback holds this frame: no ring through it.
        del error
    return None


async def _end(running: set[asyncio.Task[socket]], winner: socket | None) -> None:
    if not running:
        return
    for task in running:
        task.cancel()
    try:
        await asyncio.wait(running)
    except BaseException:
        if winner is not None:
            winner.close()
        raise
    finally:
        for task in running:
            if task.done() and not task.cancelled() and task.exception() is None:
                task.result().close()
