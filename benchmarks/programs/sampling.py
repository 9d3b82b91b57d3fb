"""A CPU profile of a program: a timer of its CPU time interrupts it, and the current frames are counted.

A sample is assigned to the innermost frame, which belongs to one of three groups:

- ``streams``: asyncio's streams, its transports, the selector and the socket module. Time in the kernel is assigned to
  the caller: in ``send`` to the transport, in ``epoll_wait`` to the selector.
- ``loop``: the rest of asyncio, such as tasks, futures and timers, unless streams or transports called it.
- ``program``: everything else. A function of the standard library belongs to the group of its caller.

Compiled code has no frames, so the profile is meaningful only for asyncio's streams on asyncio's loop.
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

INTERVAL = 0.001  # seconds of CPU time; the kernel may check its timers less often

_HERE = os.path.dirname(asyncio.__file__)
_STREAMS = {os.path.join(_HERE, f"{name}.py") for name in ("streams", "selector_events", "transports", "protocols")} | {
    selectors.__file__,
    socket.__file__,
}
_LIBRARY = os.path.dirname(_HERE) + os.sep
_INSTALLED = os.path.join(_LIBRARY, "site-packages") + os.sep

_counts: collections.Counter[str] = collections.Counter()


def kind_of(path: str) -> str:
    """Return "streams", "loop", "library" for the rest of the standard library, or "program"."""
    if path in _STREAMS:
        return "streams"
    if path.startswith(_HERE + os.sep):
        return "loop"
    if path.startswith("<frozen") or (path.startswith(_LIBRARY) and not path.startswith(_INSTALLED)):
        return "library"
    return "program"


def group_of(frame: types.FrameType | None) -> str:
    """Return the group of a sample with this innermost frame."""
    innermost = None
    while frame is not None:
        kind = kind_of(frame.f_code.co_filename)
        if kind == "streams":
            return kind
        if kind == "program":
            break
        # A function of the library belongs to its caller, unless it was called by asyncio on behalf of another caller.
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
    """Write the number of samples of each group as one JSON object."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    pathlib.Path(path).write_text(json.dumps(_counts))


def until_terminated(path: str) -> None:
    def terminated(number: int, frame: types.FrameType | None) -> NoReturn:
        end(path)
        os._exit(0)

    signal.signal(signal.SIGTERM, terminated)
    begin()
