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
    done: set[asyncio.Task[socket]] = set()
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
            winner = _winner(done)
        return winner
    finally:
        try:
            await _end(running, winner)
        finally:
            # The traceback of an attempt's error reaches this frame when tasks start eagerly: no ring through it.
            del running, done, waiting
            attempt = None


async def _run(attempt: Callable[[], Awaitable[socket]]) -> socket:
    try:
        return await attempt()
    finally:
        del attempt


def _winner(done: set[asyncio.Task[socket]]) -> socket | None:
    """The socket that one of the finished attempts made, any other closed; an error not of the system's is raised."""
    made = [task.result() for task in done if not task.cancelled() and task.exception() is None]
    errors = [task.exception() for task in done if not task.cancelled()]
    unforeseen = [error for error in errors if error is not None and not isinstance(error, OSError)]
    try:
        for sock in made if unforeseen else made[1:]:
            sock.close()
        if unforeseen:
            raise unforeseen[0]
        return made[0] if made else None
    finally:
        # The errors' tracebacks hold this frame: no ring through it.
        del errors, unforeseen


async def _end(running: set[asyncio.Task[socket]], winner: socket | None) -> None:
    """Cancel what still runs, wait for it, and close what it made all the same."""
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
        del running
