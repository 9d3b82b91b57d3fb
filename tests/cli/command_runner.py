"""Run the command ``sluiceway`` in this process, as a program, or as a program on a terminal."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from sluiceway.cli.application import application
from support.timeouts import PROCESS_TIMEOUT


def run_command(*arguments: str) -> Result:
    """Run the command in this process; ``exit_code``, ``stdout`` and ``stderr`` are those that a shell would get."""
    return CliRunner().invoke(application, arguments, prog_name="sluiceway")


def start_command(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start the command as a program, which the caller waits for."""
    _accept_interrupts()
    return subprocess.Popen(
        [sys.executable, "-m", "sluiceway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run_on_terminal(*arguments: str, interrupt_at: bytes | None = None, **environment: str) -> tuple[int, str]:
    """Run the command on a terminal of its own; return its exit status and its output.

    Ctrl-C is typed when the output contains ``interrupt_at``.
    """
    _accept_interrupts()
    # Not all of os.environ: rich treats no output as a terminal if the variables of a CI are set.
    inherited = {name: os.environ[name] for name in os.environ if name in {"HOME", "PATH", "PYTHONPATH"}}
    inherited |= {name: os.environ[name] for name in os.environ if name.startswith("SLUICEWAY_")}
    master, terminal = pty.openpty()
    try:
        program = subprocess.Popen(
            [sys.executable, "-m", "sluiceway", *arguments],
            # Makes the terminal the controlling one, so that Ctrl-C sends SIGINT.
            preexec_fn=lambda: os.login_tty(terminal),  # noqa: PLW1509 - takes no lock
            env={**inherited, "TERM": "xterm-256color", **environment},
        )
    finally:
        os.close(terminal)
    output = b""
    # A terminal without programs raises EIO.
    with contextlib.suppress(OSError):
        while part := os.read(master, 65536):
            output += part
            if interrupt_at is not None and interrupt_at in output:
                os.write(master, b"\x03")
                interrupt_at = None
    os.close(master)
    return program.wait(PROCESS_TIMEOUT), output.decode(errors="replace")


def _accept_interrupts() -> None:
    """Restore SIGINT, which a shell ignores in its background jobs, and SIGHUP (nohup). Programs inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def single_line(text: str) -> str:
    """Return ``text`` without its line end; AssertionError unless it is exactly one line."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
