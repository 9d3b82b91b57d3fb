"""Exceptions at the places where the interpreter calls signal handlers.

The interpreter calls them where a Python function begins, where a call of a C function returns, and where a loop begins
again. ``Interrupt`` raises its error there, once, as a signal handler would. ``HandlerCall`` calls a function there.
"""

import contextlib
import dis
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

# The end of an iteration.
_JUMPS = ("JUMP_BACKWARD", "JUMP_ABSOLUTE")


class Interrupt:
    """Raises ``error`` at the place ``number``, counted from 0, of the functions that ``includes`` accepts.

    ``at`` is the place, or "" as long as no place was interrupted.
    """

    def __init__(self, number: int, error: type[BaseException], includes: Callable[[types.FrameType], bool]) -> None:
        self.left = number
        self.error = error
        self.includes = includes
        self.at = ""
        self._jumps: dict[types.CodeType, set[int]] = {}

    def _pass(self, frame: types.FrameType, event: str) -> None:
        if self.at or not self.includes(frame):
            return
        self.left -= 1
        if self.left < 0:
            code = frame.f_code
            self.at = f"{os.path.basename(code.co_filename)}:{frame.f_lineno} {code.co_name}() {event}"
            self._run_handler()

    def _run_handler(self) -> None:
        raise self.error

    def _profile(self, frame: types.FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_return"):
            self._pass(frame, event)

    def _trace(self, frame: types.FrameType, event: str, _: Any) -> Any:
        if event == "call":
            if self.at or not self.includes(frame):
                return None
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            code = frame.f_code
            jumps = self._jumps.get(code)
            if jumps is None:
                jumps = self._jumps[code] = {one.offset for one in dis.get_instructions(code) if one.opname in _JUMPS}
            if frame.f_lasti in jumps:
                self._pass(frame, "jump")
        return self._trace

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Count places, and interrupt one, in the block."""
        before = sys.getprofile(), sys.gettrace()
        sys.settrace(self._trace)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(before[0])
            sys.settrace(before[1])


class HandlerCall(Interrupt):
    """Calls ``handler()`` at the place ``number``, instead of raising an error."""

    def __init__(self, number: int, handler: Callable[[], object], includes: Callable[[types.FrameType], bool]) -> None:
        super().__init__(number, BaseException, includes)
        self.handler = handler

    def _run_handler(self) -> None:
        self.handler()
