"""Run the command ``sluiceway`` in this process or as a program."""

import signal
import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from sluiceway.cli.application import application


def run_command(*arguments: str) -> Result:
    """Run the command in this process; ``exit_code``, ``stdout`` and ``stderr`` are those that a shell would get."""
    return CliRunner().invoke(application, arguments, prog_name="sluiceway")


def start_command(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start the command as a program, which the caller waits for."""
    # A shell ignores SIGINT in its background jobs, and their programs inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        [sys.executable, "-m", "sluiceway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def single_line(text: str) -> str:
    """Return ``text`` without its line end; AssertionError unless it is exactly one line."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
