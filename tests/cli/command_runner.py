"""The command ``sluiceway`` as tests run it: inside this process, or as a program of its own."""

import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from sluiceway.cli.application import application


def run_command(*arguments: str) -> Result:
    """Run the command in this process; ``exit_code``, ``stdout`` and ``stderr`` are what a shell would see."""
    return CliRunner().invoke(application, arguments, prog_name="sluiceway")


def start_command(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start the command as a program; the caller waits for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "sluiceway.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def single_line(text: str) -> str:
    """Return the one line that ``text`` is; AssertionError if it is none or several."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
