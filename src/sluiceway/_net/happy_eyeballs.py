"""Parallel attempts to connect, each started some time after the previous one (RFC 8305, section 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from socket import socket


async def race(attempts: Iterable[Callable[[], Awaitable[socket]]], delay: float) -> socket | None:
    """Return the socket of the first attempt that succeeds, or None if every attempt raises OSError.

    The next attempt starts ``delay`` seconds after the previous one, or as soon as a running attempt fails. After the
    first success, the other attempts are cancelled and awaited. If one of them still returns a socket, the
    socket is closed. Cancelling the call cancels all attempts. If an attempt raises another exception than OSError, the
    other attempts are cancelled, and the exception is raised.
    """
    waiting = iter(attempts)
    running: set[asyncio.Task[socket | None]] = set()
    done: set[asyncio.Task[socket | None]] = set()
    winner: socket | None = None
    try:
        while winner is None:
            attempt = next(waiting, None)
            if attempt is not None:
                running.add(asyncio.ensure_future(_run(attempt)))
            elif not running:
                return None
            done, running = await asyncio.wait(
                running, timeout=None if attempt is None else delay, return_when=asyncio.FIRST_COMPLETED
            )
            winner = _winner(done)
        return winner
    finally:
        # Breaks a reference cycle: a task of an attempt keeps its error, whose traceback refers to this frame.
        del done
        await _end(running, winner)


async def _run(attempt: Callable[[], Awaitable[socket]]) -> socket | None:
    """Return the socket of ``attempt``, or None if the attempt raises OSError, which it records itself.

    If the task stored the error, the traceback of the error would refer to the task: a reference cycle.
    """
    try:
        return await attempt()
    except OSError:
        return None
    finally:
        del attempt


def _winner(done: set[asyncio.Task[socket | None]]) -> socket | None:
    """Return one of the sockets that the attempts ``done`` have connected, or None. Close the others.

    If an attempt has raised another exception than OSError, close all sockets and raise the exception.
    """
    ended = [task for task in done if not task.cancelled()]
    made = [sock for sock in (task.result() for task in ended if task.exception() is None) if sock is not None]
    unforeseen = [task for task in ended if task.exception() is not None]
    for sock in made if unforeseen else made[1:]:
        sock.close()
    if unforeseen:
        try:
            unforeseen[0].result()
        finally:
            # See race().
            del done, ended, unforeseen
    return made[0] if made else None


async def _end(running: set[asyncio.Task[socket | None]], winner: socket | None) -> None:
    """Cancel the running attempts, wait for them, and close the sockets that they return.

    If the call is cancelled, ``winner`` is closed too, because race() cannot return it.
    """
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
