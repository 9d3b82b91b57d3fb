"""The transport of a trial connection, which exchanges one line over a pair of sockets, on each event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Callable
from typing import Any

import sluiceway
from sluiceway.cli.doctor.findings import Finding, Section

# Seconds. The trial usually takes a few milliseconds.
_PATIENCE = 5.0

_LINE = b"sluiceway doctor\n"


def loops() -> Section:
    """Return the section about the trial connections, on asyncio's loop and, if uvloop is installed, on uvloop's."""
    findings = [_trial("asyncio", None)]
    try:
        uvloop: Any = importlib.import_module("uvloop")
    except ImportError:
        pass
    else:
        findings.append(_trial("uvloop", uvloop.new_event_loop))
    return Section("loops", "Loops", findings)


def _trial(name: str, factory: Callable[[], asyncio.AbstractEventLoop] | None) -> Finding:
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            loop, carrier, ours = runner.run(_transport_in_use())
    except (OSError, asyncio.IncompleteReadError) as error:
        failure = str(error) or type(error).__name__
        return Finding(name, name, {"carried_by": None, "failure": failure}, f"cannot open a connection: {failure}")
    value = {"loop": loop, "carried_by": carrier, "engine": ours}
    words = "sluiceway's engine" if ours else f"the loop's {carrier.rpartition('.')[2]}"
    return Finding(name, name, value, f"{loop}; connections use {words}")


async def _transport_in_use() -> tuple[str, str, bool]:
    """Return the names of the loop's and the transport's class, and whether the transport is the engine's."""
    writers: list[sluiceway.StreamWriter] = []
    # open_connection() owns the socket only if it succeeds.
    with contextlib.ExitStack() as sockets:
        mine, others = map(sockets.enter_context, socket.socketpair())
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await sluiceway.open_connection(sock=mine)
                writers.append(writer)
                echoing, echo = await sluiceway.open_connection(sock=others)
                writers.append(echo)
                writer.write(_LINE)
                echo.write(await echoing.readuntil(b"\n"))
                await reader.readuntil(b"\n")
        finally:
            for one in writers:
                one.close()
                await one.wait_closed()
    carrier = _name(writer.transport)
    return _name(asyncio.get_running_loop()), carrier, carrier.startswith("sluiceway.")


def _name(thing: object) -> str:
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"
