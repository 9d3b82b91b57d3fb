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
    running: set[asyncio.Task[socket | None]] = set()
    done: set[asyncio.Task[socket | None]] = set()
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
        await _end(running, winner)


async def _run(attempt: Callable[[], Awaitable[socket]]) -> socket | None:
    """What the attempt made, or None. Its error is its own affair: kept by the task it would form a ring, through the
    frames below it where tasks start eagerly."""
    try:
        return await attempt()
    except OSError:
        return None
    finally:
        del attempt


def _winner(done: set[asyncio.Task[socket | None]]) -> socket | None:
    """The socket that one of the finished attempts made, any other closed; an error not of the system's is raised."""
    ended = [task for task in done if not task.cancelled()]
    made = [sock for sock in (task.result() for task in ended if task.exception() is None) if sock is not None]
    unforeseen = [task for task in ended if task.exception() is not None]
    for sock in made if unforeseen else made[1:]:
        sock.close()
    if unforeseen:
        unforeseen[0].result()
    return made[0] if made else None


async def _end(running: set[asyncio.Task[socket | None]], winner: socket | None) -> None:
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
                made = task.result()
                if made is not None:
                    made.close()
