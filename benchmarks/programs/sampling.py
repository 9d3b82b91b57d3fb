"""Where a program's CPU time goes: a timer that runs with it interrupts it, and the frames that are found are counted.

A sample belongs to the innermost frame, and that to one of three groups:

- ``streams``: asyncio's streams, its transports, the selector and the socket module. Time in the kernel is the
  caller's: in ``send`` the transport's, in ``epoll_wait`` the selector's.
- ``loop``: the rest of asyncio, tasks and futures and timers, unless streams or transports called it.
- ``program``: everything else; what the standard library does for streams is theirs, by whom they were called.

Compiled code has no frames, so this says something about asyncio's streams on asyncio's loop and of nothing else.
"""

import asyncio
import collections
import json
import os
import pathlib
import selectors
import signal
import socket
import types
from typing import NoReturn

INTERVAL = 0.001  # seconds of CPU; the kernel may look at its timers less often

_HERE = os.path.dirname(asyncio.__file__)
_STREAMS = {os.path.join(_HERE, f"{name}.py") for name in ("streams", "selector_events", "transports", "protocols")} | {
    selectors.__file__,
    socket.__file__,
}
_LIBRARY = os.path.dirname(_HERE) + os.sep
_INSTALLED = os.path.join(_LIBRARY, "site-packages") + os.sep

_counts: collections.Counter[str] = collections.Counter()


def kind_of(path: str) -> str:
    """``streams``, ``loop``, ``library`` for the rest of the standard library, or ``program``."""
    if path in _STREAMS:
        return "streams"
    if path.startswith(_HERE + os.sep):
        return "loop"
    if path.startswith("<frozen") or (path.startswith(_LIBRARY) and not path.startswith(_INSTALLED)):
        return "library"
    return "program"


def group_of(frame: types.FrameType | None) -> str:
    """Whom a sample belongs to whose innermost frame is this one."""
    innermost = None
    while frame is not None:
        kind = kind_of(frame.f_code.co_filename)
        if kind == "streams":
            return kind
        if kind == "program":
            break
        # A helper of the library works for its caller: for asyncio only if asyncio was not called by it.
        innermost = innermost or kind
        if kind == "loop" and innermost == "library":
            innermost = "loop"
        frame = frame.f_back
    return "loop" if innermost == "loop" else "program"


def _sample(number: int, frame: types.FrameType | None) -> None:
    _counts[group_of(frame)] += 1


def begin() -> None:
    _counts.clear()
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)


def end(path: str) -> None:
    """Write how many samples each group has, as one JSON object."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    pathlib.Path(path).write_text(json.dumps(_counts))


def until_terminated(path: str) -> None:
    def terminated(number: int, frame: types.FrameType | None) -> NoReturn:
        end(path)
        os._exit(0)

    signal.signal(signal.SIGTERM, terminated)
    begin()
