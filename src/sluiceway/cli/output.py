"""Standard output of the command. An error of standard output ends the process with status 1, without a traceback.

If the reader of a pipe has ended, as in ``sluiceway demo | head -3``, no message is printed. Another error, such as a
full disk, is reported in one line on standard error.
"""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

_FAILED = 1


class CheckedOutput(io.TextIOWrapper):
    """A text stream for standard output. write() and flush() raise SystemExit with status 1 instead of OSError."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            _exit(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            _exit(error)


def _exit(error: OSError) -> NoReturn:
    # The interpreter flushes the stream again at exit, which would report the error a second time.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    if not isinstance(error, BrokenPipeError):
        print(f"sluiceway: cannot write to standard output: {error.strerror}", file=sys.stderr)
    sys.exit(_FAILED)


def check_output() -> None:
    """Replace ``sys.stdout`` with a CheckedOutput, which escapes characters that its encoding does not have."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        sys.stdout = CheckedOutput(
            stdout.buffer,
            encoding=stdout.encoding,
            # A peer's header may contain any character.
            errors="backslashreplace",
            line_buffering=stdout.line_buffering,
            write_through=stdout.write_through,
        )


def restore_output() -> None:
    """Undo check_output(), for the program of ``sluiceway run``, which expects the usual standard output."""
    checked = sys.stdout
    if isinstance(checked, CheckedOutput):
        sys.stdout = sys.__stdout__
        # A CheckedOutput that is freed would close the buffer of sys.__stdout__.
        checked.detach()
